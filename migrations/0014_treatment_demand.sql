-- Organisations whose treatments are registered: the kinds of centre that they are (codes, a space between), and the id under which
-- the register knows them, empty where they hand in the file of a year.
CREATE TABLE treatment_centre (
    organization_id code_point_text NOT NULL PRIMARY KEY,
    centre_types code_point_text NOT NULL,
    register_id code_point_text NOT NULL
) /*SQLITE WITHOUT ROWID */;

-- What an organisation registers, in its own compartment, so that it is still there when the dossier has moved on. It names nobody:
-- `subject` and `source` are keyed names of the dossier and of the response, which say nothing without the key store, and `record` has
-- answers and a pseudonym. Nothing here is joined to sight. Of a refused one there is a day and no answer.
CREATE TABLE treatment_demand (
    compartment code_point_text NOT NULL,
    id code_point_text NOT NULL,
    subject code_point_text NOT NULL,
    source code_point_text NOT NULL,
    pseudonym code_point_text NOT NULL,
    started_on code_point_text NOT NULL,
    last_seen_on code_point_text NOT NULL,
    residential BIGINT NOT NULL,
    state code_point_text NOT NULL,
    reference code_point_text NOT NULL,
    record TEXT NOT NULL,
    findings TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    sent_ms BIGINT NOT NULL,
    PRIMARY KEY (compartment, id)
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX treatment_demand_subject ON treatment_demand (subject);
CREATE INDEX treatment_demand_pseudonym ON treatment_demand (compartment, pseudonym) WHERE pseudonym <> '';
CREATE INDEX treatment_demand_year ON treatment_demand (compartment, started_on);
