-- Whether a record has rules about the time of its data: where it has none, when each resource is of makes no difference to who sees it.
CREATE INDEX access_grant_of_period ON access_grant (compartment)
    WHERE data_from_ms > -9223372036854775807 - 1 OR data_until_ms < 9223372036854775807;
