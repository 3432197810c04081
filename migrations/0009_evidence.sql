-- The evidence over the trail. Whoever writes an event numbers it within a chain of its own (a writer of one run: above 0; what
-- was found unnumbered and taken in later: below 0) and marks it: salt and keyed mark, by which the sealer knows its own. 0 is
-- what no key was given for.
ALTER TABLE audit_event ADD COLUMN chain BIGINT NOT NULL DEFAULT 0;
ALTER TABLE audit_event ADD COLUMN sequence BIGINT NOT NULL DEFAULT 0;
ALTER TABLE audit_event ADD COLUMN mark TEXT NOT NULL DEFAULT '';
CREATE INDEX audit_event_by_chain ON audit_event (chain, sequence) WHERE chain <> 0;

-- The seals: numbered without gap, each over a stretch of one chain and over the seal before, and signed. `entries` has a
-- commitment an event, from which nothing of the event can be guessed once its row, and the salt in it, are gone.
CREATE TABLE audit_seal (
    number BIGINT NOT NULL PRIMARY KEY,
    chain BIGINT NOT NULL,
    first_sequence BIGINT NOT NULL,
    last_sequence BIGINT NOT NULL,
    first_ms BIGINT NOT NULL,
    last_ms BIGINT NOT NULL,
    sealed_ms BIGINT NOT NULL,
    key_id code_point_text NOT NULL,
    entries TEXT NOT NULL,
    previous code_point_text NOT NULL,
    hash code_point_text NOT NULL,
    signature TEXT NOT NULL
);
CREATE UNIQUE INDEX audit_seal_by_chain ON audit_seal (chain, last_sequence);
