-- What is looked for in one record is found by its value there, however many other records have it too. A value is of one system, but for few.
-- The old one goes last: until then searches that run meanwhile are not kept waiting.
CREATE INDEX search_index_of_value ON search_index (resource_type, parameter, value, compartment);
DROP INDEX search_index_by_value;
