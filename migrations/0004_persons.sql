-- Persons as callers: which clients speak for people who sign in, and who acts for whom.

-- A person's app: its tokens name the person, and it never acts as its organisation.
ALTER TABLE client ADD COLUMN person_app BIGINT NOT NULL DEFAULT 0;

-- What a RelatedPerson may do for the person of a record, a row a scope, as its custodian recorded it. `related_person` has
-- the form in which a viewer names the person who signed in (`related-person/<id>`), so that sight joins without building text.
CREATE TABLE representative (
    compartment code_point_text NOT NULL,
    related_person code_point_text NOT NULL,
    scope code_point_text NOT NULL,
    from_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    PRIMARY KEY (compartment, related_person, scope)
) /*SQLITE WITHOUT ROWID */;
CREATE INDEX representative_by_person ON representative (related_person, compartment);
