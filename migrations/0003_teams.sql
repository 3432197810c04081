-- What practitioners are registered as, and who is in which team. A CareTeam lies in a record, a Group in the compartment of
-- its organisation; both are written with the resource that they come from.

ALTER TABLE practitioner ADD COLUMN nihdi code_point_text;
ALTER TABLE practitioner ADD COLUMN role code_point_text NOT NULL DEFAULT 'care';

-- `team` and `member` hold grantee forms (`careteam/<id>`, `group/<id>`; `practitioner/<id>`, `organization/<id>`). `role` is
-- empty for those who are of the team, and the code of the legal rule for those who take part by law only.
CREATE TABLE team_member (
    compartment code_point_text NOT NULL,
    team code_point_text NOT NULL,
    member code_point_text NOT NULL,
    role code_point_text NOT NULL,
    from_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    PRIMARY KEY (compartment, team, member, role, from_ms, until_ms)
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX team_member_by_team ON team_member (team, member);
