-- The foundation: one text for SQLite and PostgreSQL. `code_point_text` is a domain on PostgreSQL (text in code point
-- order) and plain TEXT on SQLite; `/*SQLITE … */` is uncommented there. Times are UTC milliseconds.
-- The compartment (a Patient record's id, `organization/<id>`, or `directory`) leads every key of health data.

-- Who exists: only the operator writes here.
CREATE TABLE organization (
    id code_point_text NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    kind code_point_text NOT NULL,
    cbe code_point_text,
    nihdi code_point_text,
    active BIGINT NOT NULL
);
CREATE TABLE pool (
    id code_point_text NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    kind code_point_text NOT NULL,
    region code_point_text NOT NULL
);
-- Both columns hold grantee forms (`organization/<id>`, `pool/<id>`), so that sight joins without string building.
CREATE TABLE pool_member (
    organization code_point_text NOT NULL,
    pool code_point_text NOT NULL,
    PRIMARY KEY (organization, pool)
) /*SQLITE WITHOUT ROWID */;
CREATE TABLE client (
    id code_point_text NOT NULL PRIMARY KEY,
    organization_id code_point_text NOT NULL,
    purposes TEXT NOT NULL,
    active BIGINT NOT NULL
);
CREATE TABLE practitioner (
    id code_point_text NOT NULL PRIMARY KEY,
    organization_id code_point_text NOT NULL,
    name TEXT NOT NULL,
    active BIGINT NOT NULL
);
CREATE TABLE setting (
    name code_point_text NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- One row a record: who holds it, and the epoch that every change of custody, consent or closure moves on.
CREATE TABLE record (
    compartment code_point_text NOT NULL PRIMARY KEY,
    custodian code_point_text NOT NULL,
    epoch BIGINT NOT NULL,
    chain code_point_text,
    created_ms BIGINT NOT NULL
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX record_by_custodian ON record (custodian, compartment);

-- The current version of every resource; `minimum` is what the gateway shows of it to a waiting room or a past sender.
CREATE TABLE resource (
    compartment code_point_text NOT NULL,
    resource_type code_point_text NOT NULL,
    id code_point_text NOT NULL,
    version_id BIGINT NOT NULL,
    last_updated_ms BIGINT NOT NULL,
    author code_point_text NOT NULL,
    method code_point_text NOT NULL,
    deleted BIGINT NOT NULL,
    body TEXT NOT NULL,
    minimum TEXT,
    PRIMARY KEY (compartment, resource_type, id)
);
CREATE INDEX resource_by_id ON resource (resource_type, id);

-- The versions that were superseded.
CREATE TABLE resource_history (
    compartment code_point_text NOT NULL,
    resource_type code_point_text NOT NULL,
    id code_point_text NOT NULL,
    version_id BIGINT NOT NULL,
    last_updated_ms BIGINT NOT NULL,
    author code_point_text NOT NULL,
    method code_point_text NOT NULL,
    deleted BIGINT NOT NULL,
    body TEXT NOT NULL,
    minimum TEXT,
    PRIMARY KEY (compartment, resource_type, id, version_id)
);

-- What can be searched. `sight` says from which form a row was made: 1 the whole resource, 2 its minimum, 3 both.
CREATE TABLE search_index (
    compartment code_point_text NOT NULL,
    resource_type code_point_text NOT NULL,
    id code_point_text NOT NULL,
    ordinal BIGINT NOT NULL,
    parameter code_point_text NOT NULL,
    system code_point_text NOT NULL,
    value code_point_text NOT NULL,
    low_ms BIGINT,
    high_ms BIGINT,
    sight BIGINT NOT NULL,
    PRIMARY KEY (compartment, resource_type, id, ordinal)
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX search_index_by_value ON search_index (resource_type, parameter, value, system);
CREATE INDEX search_index_by_time ON search_index (resource_type, parameter, low_ms, high_ms) WHERE low_ms IS NOT NULL;

-- The rules of the Consents in force, a row a rule and grantee. An `exception` lifts the deny rule `excepts`.
CREATE TABLE access_grant (
    compartment code_point_text NOT NULL,
    consent_id code_point_text NOT NULL,
    rule BIGINT NOT NULL,
    grantee code_point_text NOT NULL,
    effect code_point_text NOT NULL,
    excepts BIGINT,
    purposes BIGINT NOT NULL,
    from_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    PRIMARY KEY (compartment, consent_id, rule, grantee)
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX access_grant_by_grantee ON access_grant (grantee, compartment);

-- Who is shut out of a record whatever a Consent says: after a release, in transit, while a Task waits in its room.
CREATE TABLE closure (
    compartment code_point_text NOT NULL,
    grantee code_point_text NOT NULL,
    cause code_point_text NOT NULL,
    since_ms BIGINT NOT NULL,
    PRIMARY KEY (compartment, grantee, cause)
) /*SQLITE WITHOUT ROWID */;

-- Who sees the minimum of one resource: a waiting room (where consent permits), the sender of a referral.
CREATE TABLE sight (
    compartment code_point_text NOT NULL,
    resource_type code_point_text NOT NULL,
    id code_point_text NOT NULL,
    grantee code_point_text NOT NULL,
    requires_consent BIGINT NOT NULL,
    PRIMARY KEY (compartment, resource_type, id, grantee)
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX sight_by_grantee ON sight (grantee, resource_type, id);

-- The workflow of referrals: the state that the transition table reads and writes.
CREATE TABLE referral_task (
    compartment code_point_text NOT NULL,
    id code_point_text NOT NULL,
    kind code_point_text NOT NULL,
    state code_point_text NOT NULL,
    requester code_point_text NOT NULL,
    room code_point_text NOT NULL,
    owner code_point_text,
    part_of code_point_text,
    predecessor code_point_text,
    service_request code_point_text NOT NULL,
    expires_ms BIGINT NOT NULL,
    PRIMARY KEY (compartment, id)
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX referral_task_by_id ON referral_task (id);
CREATE INDEX referral_task_waiting ON referral_task (expires_ms) WHERE state = 'requested';

CREATE TABLE audit_event (
    compartment code_point_text NOT NULL,
    id code_point_text NOT NULL,
    recorded_ms BIGINT NOT NULL,
    action code_point_text NOT NULL,
    subtype code_point_text NOT NULL,
    outcome code_point_text NOT NULL,
    reason code_point_text NOT NULL,
    organization code_point_text NOT NULL,
    client code_point_text NOT NULL,
    practitioner code_point_text NOT NULL,
    purpose code_point_text NOT NULL,
    basis code_point_text NOT NULL,
    resource_type code_point_text NOT NULL,
    resource_id code_point_text NOT NULL,
    version_id BIGINT NOT NULL,
    request_id code_point_text NOT NULL,
    PRIMARY KEY (compartment, id)
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX audit_event_by_id ON audit_event (id);

-- What must leave the gateway: references to versions, never payloads.
CREATE TABLE delivery (
    compartment code_point_text NOT NULL,
    id code_point_text NOT NULL,
    partner code_point_text NOT NULL,
    kind code_point_text NOT NULL,
    resource_type code_point_text NOT NULL,
    resource_id code_point_text NOT NULL,
    version_id BIGINT NOT NULL,
    state code_point_text NOT NULL,
    attempts BIGINT NOT NULL,
    due_ms BIGINT NOT NULL,
    leased_until_ms BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    PRIMARY KEY (compartment, id)
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX delivery_due ON delivery (partner, due_ms) WHERE state = 'waiting';

-- Keyed by the client, not by a record: they hold no health data, a status and a location only.
CREATE TABLE idempotency_key (
    client_id code_point_text NOT NULL,
    idempotency_key code_point_text NOT NULL,
    fingerprint code_point_text NOT NULL,
    answer TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (client_id, idempotency_key)
) /*SQLITE WITHOUT ROWID */;
-- A counter that two conditional creates with the same condition both want to move: one of them decides again.
CREATE TABLE guard (
    name code_point_text NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL,
    touched_ms BIGINT NOT NULL
) /*SQLITE WITHOUT ROWID */;
-- Refusals of callers who did not say who they are, a row a minute and reason, so that they cannot flood the trail.
CREATE TABLE refusal_count (
    minute_ms BIGINT NOT NULL,
    reason code_point_text NOT NULL,
    refusals BIGINT NOT NULL,
    PRIMARY KEY (minute_ms, reason)
) /*SQLITE WITHOUT ROWID */;
