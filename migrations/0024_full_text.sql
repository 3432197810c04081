-- The words of what is stored, for `_text` and `_content`: empty unless the setting is on. `narrative` and `content` are words in the form in which
-- they are sought, each between spaces; `sight` says from which form they were taken: 1 the whole, 2 the minimum.
CREATE TABLE text_index (
    /*SQLITE number INTEGER PRIMARY KEY, */
    compartment code_point_text NOT NULL,
    resource_type code_point_text NOT NULL,
    id code_point_text NOT NULL,
    sight BIGINT NOT NULL,
    narrative code_point_text NOT NULL,
    content code_point_text NOT NULL,
    UNIQUE (compartment, resource_type, id, sight)
);
-- Each database looks words up in its own way. A line with this mark is not for SQLite.
CREATE INDEX text_index_by_narrative ON text_index USING GIN (array_remove(string_to_array(narrative, ' '), '')); /*POSTGRES*/
CREATE INDEX text_index_by_content ON text_index USING GIN (array_remove(string_to_array(content, ' '), '')); /*POSTGRES*/
/*SQLITE
CREATE VIRTUAL TABLE text_words USING fts5 (
    narrative, content, content = 'text_index', content_rowid = 'number', tokenize = 'ascii', detail = 'column', columnsize = 0
);
INSERT INTO text_words (text_words, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER text_index_put AFTER INSERT ON text_index BEGIN
    INSERT INTO text_words (rowid, narrative, content) VALUES (new.number, new.narrative, new.content);
END;
CREATE TRIGGER text_index_drop AFTER DELETE ON text_index BEGIN
    INSERT INTO text_words (text_words, rowid, narrative, content) VALUES ('delete', old.number, old.narrative, old.content);
END;
*/

-- By which settings the index was made: where they change, what is stored is listed in stale_index.
CREATE TABLE index_setting (
    name code_point_text NOT NULL PRIMARY KEY,
    value code_point_text NOT NULL
) /*SQLITE WITHOUT ROWID */;
