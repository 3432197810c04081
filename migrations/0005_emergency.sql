-- Emergency access: a session opens a record to one practitioner of one organisation, for a reason, until it ends. A row is
-- never removed: the trail refers to it. `ended_ms` is set where somebody ended it before its time.
CREATE TABLE emergency_session (
    compartment code_point_text NOT NULL,
    id code_point_text NOT NULL,
    organization code_point_text NOT NULL,
    practitioner code_point_text NOT NULL,
    client code_point_text NOT NULL,
    purpose BIGINT NOT NULL,
    reason TEXT NOT NULL,
    from_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    verdict code_point_text NOT NULL,
    verdict_by code_point_text NOT NULL,
    verdict_text TEXT NOT NULL,
    verdict_ms BIGINT,
    PRIMARY KEY (compartment, id)
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX emergency_session_by_id ON emergency_session (id);
CREATE INDEX emergency_session_open ON emergency_session (organization, until_ms) WHERE ended_ms IS NULL;

-- What a custodian told a third party in a conflict of duties, why, and how little. `shared` is a JSON array.
CREATE TABLE crisis_disclosure (
    compartment code_point_text NOT NULL,
    id code_point_text NOT NULL,
    organization code_point_text NOT NULL,
    practitioner code_point_text NOT NULL,
    client code_point_text NOT NULL,
    recipient TEXT NOT NULL,
    conflict TEXT NOT NULL,
    proportionality TEXT NOT NULL,
    subsidiarity TEXT NOT NULL,
    shared TEXT NOT NULL,
    recorded_ms BIGINT NOT NULL,
    PRIMARY KEY (compartment, id)
) /*SQLITE WITHOUT ROWID */;

-- The emergency session or the crisis disclosure that an event is part of; empty for every other.
ALTER TABLE audit_event ADD COLUMN case_id code_point_text NOT NULL DEFAULT '';
