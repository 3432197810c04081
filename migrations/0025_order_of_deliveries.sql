-- Of two deliveries about one resource the older goes first: whether there is one is looked up by the resource, however many its record has.
CREATE INDEX delivery_of_resource ON delivery (resource_id) WHERE state IN ('waiting', 'leased', 'uncertain', 'held');
