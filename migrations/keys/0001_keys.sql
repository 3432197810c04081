-- The key store: outside the database of the records and outside its backups. Whoever destroys a key here makes what it sealed
-- unreadable there, in every copy of the database.

-- The keys of records, each wrapped by a key-encryption key. A destroyed one keeps its row, without the key, until the trail has
-- its receipt.
CREATE TABLE record_key (
    id code_point_text NOT NULL PRIMARY KEY,
    scope code_point_text NOT NULL,
    wrapped TEXT NOT NULL,
    ring_key code_point_text NOT NULL,
    created_ms BIGINT NOT NULL,
    destroyed_ms BIGINT
);
CREATE INDEX record_key_by_scope ON record_key (scope);
CREATE INDEX record_key_by_ring_key ON record_key (ring_key);

-- By which token a record's search index knows an identifier. Neither side tells the identifier; together they find it.
CREATE TABLE blind_index (
    blind code_point_text NOT NULL,
    token code_point_text NOT NULL,
    key_id code_point_text NOT NULL,
    PRIMARY KEY (blind, token)
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX blind_index_by_key ON blind_index (key_id);
