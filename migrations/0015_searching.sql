-- Teams are looked for by who is in them, for every search.
CREATE INDEX team_member_by_member ON team_member (member);
