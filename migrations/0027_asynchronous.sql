-- Bundles that are worked on after their request was answered. The Bundle itself is in the memory of the process that took it, and nowhere else.
-- `owner` is the client, `organization` is `organization/<id>`, `practitioner` is `practitioner/<id>` or empty; all must ask again. The process moves `alive_until_ms` on for as long as it is there.
CREATE TABLE async_job (
    id code_point_text NOT NULL PRIMARY KEY,
    owner code_point_text NOT NULL,
    organization code_point_text NOT NULL,
    practitioner code_point_text NOT NULL,
    alive_until_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX async_job_by_owner ON async_job (owner, expires_ms);
-- Its only answer, sealed: statuses, locations and outcomes. A transaction writes it together with what it stores, so whoever answers first (the transaction,
-- or whoever says that it was broken off) decides which of both is true; and without its job there is none.
CREATE TABLE async_answer (
    id code_point_text NOT NULL PRIMARY KEY REFERENCES async_job (id) ON DELETE CASCADE,
    status BIGINT NOT NULL,
    sealed TEXT NOT NULL
) /*SQLITE WITHOUT ROWID */;
