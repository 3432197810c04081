-- Subscriptions: what the workflow and the deliveries need of a Subscription, beside the resource itself.
-- `secret`: what notifications are signed with, sealed by a key of the key store. `events`: the number of the last event that was told, or
-- may have been. `organization` is `organization/<id>`; `room` what a waiting-room subscription is limited to, or empty.
CREATE TABLE subscription (
    id code_point_text NOT NULL PRIMARY KEY,
    organization code_point_text NOT NULL,
    topic code_point_text NOT NULL,
    room code_point_text NOT NULL,
    endpoint code_point_text NOT NULL,
    content code_point_text NOT NULL,
    state code_point_text NOT NULL,
    secret code_point_text NOT NULL,
    events BIGINT NOT NULL
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX subscription_organization ON subscription (organization, id);
-- Events by their numbers. The last number is in hand until it is told: `unsure` counts the sendings of which nobody knows the end.
CREATE TABLE subscription_event (
    subscription code_point_text NOT NULL,
    number BIGINT NOT NULL,
    delivery code_point_text NOT NULL,
    resource_type code_point_text NOT NULL,
    resource_id code_point_text NOT NULL,
    made_ms BIGINT NOT NULL,
    unsure BIGINT NOT NULL,
    PRIMARY KEY (subscription, number)
) /*SQLITE WITHOUT ROWID */;
-- What goes to a subscription goes in order, one at a time.
CREATE INDEX delivery_of_subscription ON delivery (partner, id)
    WHERE partner >= 'subscription/' AND partner < 'subscription0' AND state IN ('waiting', 'leased', 'uncertain');
