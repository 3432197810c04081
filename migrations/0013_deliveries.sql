-- Deliveries that are sent, and asked about where nobody knows whether they arrived.
-- `asks`: the partner may have it, so it is asked by our reference before it is sent again. `due_ms` is the moment at which something is
-- to be done with a row that has not ended: sent, asked about, or, where it is leased, taken from a worker that did not come back.
-- `cause`: why it is in its state, a code and a sentence. `parent`: the delivery that an operator repeated by this one.
ALTER TABLE delivery ADD COLUMN asks BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN inquiries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN made_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN settled_ms BIGINT NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN cause code_point_text NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN cause_text code_point_text NOT NULL DEFAULT '';
ALTER TABLE delivery ADD COLUMN parent code_point_text NOT NULL DEFAULT '';
UPDATE delivery SET made_ms = due_ms;
DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery (partner, due_ms, id) WHERE state IN ('waiting', 'leased', 'uncertain');
CREATE UNIQUE INDEX delivery_id ON delivery (id);
-- Where an organisation, or its data-protection officer, is told what happens: its own FHIR server, or a mailbox that is told
-- that there is something.
CREATE TABLE channel (
    partner code_point_text NOT NULL PRIMARY KEY,
    kind code_point_text NOT NULL,
    address code_point_text NOT NULL
) /*SQLITE WITHOUT ROWID */;
