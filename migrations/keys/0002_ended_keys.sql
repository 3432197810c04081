-- Keys that ended for good, by their ids alone: nothing is left of the key, nor of what it sealed. So a value whose key was destroyed is
-- told from one whose key is missing.
CREATE TABLE ended_key (
    id code_point_text NOT NULL PRIMARY KEY,
    ended_ms BIGINT NOT NULL
);

-- How often what is kept here has moved on. The database of the records remembers it, and so knows an older copy of the key store.
CREATE TABLE key_epoch (
    only_row BIGINT NOT NULL PRIMARY KEY,
    epoch BIGINT NOT NULL
);
INSERT INTO key_epoch (only_row, epoch) VALUES (1, 0);
