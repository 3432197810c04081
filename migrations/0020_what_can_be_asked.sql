-- In which item of a list a row was found, for what is to hold of one item: a composite, an identifier with its type.
ALTER TABLE search_index ADD COLUMN part BIGINT NOT NULL DEFAULT 0;

-- Resources whose rows an older version made: they are made anew a few at a time, and leave this list.
CREATE TABLE stale_index (
    compartment code_point_text NOT NULL,
    resource_type code_point_text NOT NULL,
    id code_point_text NOT NULL,
    PRIMARY KEY (compartment, resource_type, id)
) /*SQLITE WITHOUT ROWID */;
INSERT INTO stale_index (compartment, resource_type, id)
SELECT compartment, resource_type, id FROM resource WHERE deleted = 0;
