-- The rules of a record that mean one caller, among thousands that mean others; and the teams that its rules name. One expression,
-- for by two columns SQLite prefers to go through all rules of the record.
CREATE INDEX access_grant_by_record_and_grantee ON access_grant ((compartment || ' ' || grantee));
