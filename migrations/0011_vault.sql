-- Where the body of a version has holes, and the sealed values that belong there; NULL where nobody looked yet.
ALTER TABLE resource ADD COLUMN holes TEXT;
ALTER TABLE resource_history ADD COLUMN holes TEXT;
CREATE INDEX resource_unsealed ON resource (resource_type, id) WHERE holes IS NULL;
CREATE INDEX resource_history_unsealed ON resource_history (resource_type, id) WHERE holes IS NULL;
