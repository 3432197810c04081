-- People who sign in at the gateway itself. Who works for an organisation is the operator's to say, by the subject that the identity
-- provider has for them; `roles` holds codes with a space between.
CREATE TABLE person (
    id code_point_text NOT NULL PRIMARY KEY,
    issuer code_point_text NOT NULL,
    subject code_point_text NOT NULL,
    organization_id code_point_text NOT NULL,
    practitioner_id code_point_text,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,
    active BIGINT NOT NULL
);
CREATE UNIQUE INDEX person_by_subject ON person (issuer, subject);

-- Whose record is whose: written where somebody who had signed in gave the code that the record's custodian had handed out.
CREATE TABLE person_link (
    issuer code_point_text NOT NULL,
    subject code_point_text NOT NULL,
    compartment code_point_text NOT NULL,
    linked_ms BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject, compartment)
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX person_link_by_record ON person_link (compartment);

-- The one code of a record that is good now, as its hash.
CREATE TABLE link_code (
    compartment code_point_text NOT NULL PRIMARY KEY,
    code_hash code_point_text NOT NULL,
    until_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX link_code_by_hash ON link_code (code_hash);

-- How often somebody gave a code that was none.
CREATE TABLE link_failure (
    issuer code_point_text NOT NULL,
    subject code_point_text NOT NULL,
    failures BIGINT NOT NULL,
    since_ms BIGINT NOT NULL,
    PRIMARY KEY (issuer, subject)
) /*SQLITE WITHOUT ROWID */;

-- Sessions, by the hash of what the browser's cookie holds. `acts_as` is a role, or empty; `compartment` the own record of a patient.
CREATE TABLE person_session (
    hash code_point_text NOT NULL PRIMARY KEY,
    issuer code_point_text NOT NULL,
    subject code_point_text NOT NULL,
    acts_as code_point_text NOT NULL,
    compartment code_point_text NOT NULL,
    begun_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    stepped_up_ms BIGINT NOT NULL
);
CREATE INDEX person_session_by_subject ON person_session (issuer, subject, begun_ms);
CREATE INDEX person_session_by_end ON person_session (until_ms);
