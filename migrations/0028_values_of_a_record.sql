-- What is looked for in one record is found by its value there, however many other records have it too. A value is of one system, but for few.
DROP INDEX search_index_by_value;
CREATE INDEX search_index_by_value ON search_index (resource_type, parameter, value, compartment);
