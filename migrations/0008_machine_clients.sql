-- Machine clients of the gateway's own token endpoint: their public keys, at most one of the two columns, and what they may be granted.
ALTER TABLE client ADD COLUMN jwks TEXT;
ALTER TABLE client ADD COLUMN jwks_url TEXT;
ALTER TABLE client ADD COLUMN scopes TEXT NOT NULL DEFAULT '';

-- Assertions that were shown, until they end by themselves: each is good once, at whichever replica.
CREATE TABLE client_assertion (
    client_id code_point_text NOT NULL,
    assertion_id code_point_text NOT NULL,
    until_ms BIGINT NOT NULL,
    PRIMARY KEY (client_id, assertion_id)
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX client_assertion_by_end ON client_assertion (until_ms);

-- Tokens that were taken back, until they end by themselves.
CREATE TABLE revoked_token (
    token_id code_point_text NOT NULL PRIMARY KEY,
    until_ms BIGINT NOT NULL
) /*SQLITE WITHOUT ROWID */;
