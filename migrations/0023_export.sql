-- Exports under way, each a question and nothing of its answer: what a file holds is decided when it is read. `owner` is the client, `organization`
-- is `organization/<id>`; both must ask again. `patient_group` is empty but for the export of a Group; `types` are separated by spaces;
-- `notes` has the lines of the file of errors.
CREATE TABLE export_job (
    id code_point_text NOT NULL PRIMARY KEY,
    owner code_point_text NOT NULL,
    organization code_point_text NOT NULL,
    level code_point_text NOT NULL,
    patient_group code_point_text NOT NULL,
    types TEXT NOT NULL,
    since_ms BIGINT NOT NULL,
    moment_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    request TEXT NOT NULL,
    notes TEXT NOT NULL
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX export_job_by_owner ON export_job (owner, expires_ms);
