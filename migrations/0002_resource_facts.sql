-- What a version is about, beside it, so that the rules of Consents are joined with it: its labels (a bit each), the version of the
-- table that gave them, what clients declared, the time that it is about, and what it refers to and who wrote it.
-- What was stored before is not known yet: version 0 counts as most restricted until it is labelled.
ALTER TABLE resource ADD COLUMN labels BIGINT NOT NULL DEFAULT 0;
ALTER TABLE resource ADD COLUMN label_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE resource ADD COLUMN declared BIGINT NOT NULL DEFAULT 0;
ALTER TABLE resource ADD COLUMN data_from_ms BIGINT NOT NULL DEFAULT -9223372036854775807;
ALTER TABLE resource ADD COLUMN data_until_ms BIGINT NOT NULL DEFAULT 9223372036854775807;
ALTER TABLE resource ADD COLUMN atoms code_point_text NOT NULL DEFAULT '';
ALTER TABLE resource_history ADD COLUMN labels BIGINT NOT NULL DEFAULT 0;
ALTER TABLE resource_history ADD COLUMN label_version BIGINT NOT NULL DEFAULT 0;
ALTER TABLE resource_history ADD COLUMN declared BIGINT NOT NULL DEFAULT 0;
ALTER TABLE resource_history ADD COLUMN data_from_ms BIGINT NOT NULL DEFAULT -9223372036854775807;
ALTER TABLE resource_history ADD COLUMN data_until_ms BIGINT NOT NULL DEFAULT 9223372036854775807;
ALTER TABLE resource_history ADD COLUMN atoms code_point_text NOT NULL DEFAULT '';
CREATE INDEX resource_by_label_version ON resource (label_version);
CREATE INDEX resource_history_by_label_version ON resource_history (label_version);

-- About what data a rule is. The rules that are stored already are about everything.
ALTER TABLE access_grant ADD COLUMN labels BIGINT NOT NULL DEFAULT -1;
ALTER TABLE access_grant ADD COLUMN uncovered BIGINT NOT NULL DEFAULT 0;
ALTER TABLE access_grant ADD COLUMN data_from_ms BIGINT NOT NULL DEFAULT -9223372036854775807;
ALTER TABLE access_grant ADD COLUMN data_until_ms BIGINT NOT NULL DEFAULT 9223372036854775807;
ALTER TABLE access_grant ADD COLUMN types code_point_text NOT NULL DEFAULT '';
ALTER TABLE access_grant ADD COLUMN has_data BIGINT NOT NULL DEFAULT 0;

-- The resources that a rule names, where it names any.
CREATE TABLE access_grant_data (
    compartment code_point_text NOT NULL,
    consent_id code_point_text NOT NULL,
    rule BIGINT NOT NULL,
    meaning code_point_text NOT NULL,
    reference_type code_point_text NOT NULL,
    reference_id code_point_text NOT NULL,
    PRIMARY KEY (compartment, consent_id, rule, meaning, reference_type, reference_id)
) /*SQLITE WITHOUT ROWID */;
