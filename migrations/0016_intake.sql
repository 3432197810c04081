-- Referrals that name nobody, as long as it is looked for where they go. What Co-prev answered is kept until somebody has chosen.
CREATE TABLE intake (
    compartment code_point_text NOT NULL,
    task_id code_point_text NOT NULL,
    record code_point_text NOT NULL,
    state code_point_text NOT NULL,
    has_number BIGINT NOT NULL,
    since_ms BIGINT NOT NULL,
    lookup TEXT NOT NULL,
    PRIMARY KEY (compartment, task_id)
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX intake_by_age ON intake (since_ms);
