-- Two active Consents of a record that contradict each other, from the write that made it so until one of them changes.
CREATE TABLE consent_conflict (
    compartment code_point_text NOT NULL,
    id code_point_text NOT NULL,
    permit_consent code_point_text NOT NULL,
    deny_consent code_point_text NOT NULL,
    grantee code_point_text NOT NULL,
    detected_ms BIGINT NOT NULL,
    resolved_ms BIGINT,
    PRIMARY KEY (compartment, id)
) /*SQLITE WITHOUT ROWID */;

-- From where an access came (an IP address), and the names of the parameters of a search: never their values, which may name
-- others. Empty where there was none, or where the event is older than these columns.
ALTER TABLE audit_event ADD COLUMN network code_point_text NOT NULL DEFAULT '';
ALTER TABLE audit_event ADD COLUMN query code_point_text NOT NULL DEFAULT '';
-- The ids of the Consents on which a refusal rests, with a space between.
ALTER TABLE audit_event ADD COLUMN consents code_point_text NOT NULL DEFAULT '';
