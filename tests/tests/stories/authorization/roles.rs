//! Who asks: the kinds of caller of the authorisation tables, and the token that each of them has.

use serde_json::json;
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::Gateway;

use super::records::Targets;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    NoToken,
    BadToken,
    ExpiredToken,
    WrongScope,
    /// Never had anything to do with it.
    Stranger,
    /// Sent it on, and is named in the Consent.
    Released,
    /// Of the room in which it waits, and named in the Consent.
    Waiting,
    /// Named in the Consent.
    Permitted,
    /// Works where the record is held, and is denied by a Consent themselves.
    Excluded,
    /// Whom the record is about, signed in.
    Person,
    /// Reads for that person.
    Representative,
    /// Holds the record. The last, for it may delete.
    Custodian,
}

pub(super) const ROLES: [Role; 12] = [
    Role::NoToken,
    Role::BadToken,
    Role::ExpiredToken,
    Role::WrongScope,
    Role::Stranger,
    Role::Released,
    Role::Waiting,
    Role::Permitted,
    Role::Excluded,
    Role::Person,
    Role::Representative,
    Role::Custodian,
];

/// The caller of a role, about a record that is held.
pub(super) fn caller<'g>(gateway: &'g Gateway, role: Role, held: &Targets) -> Caller<'g> {
    match role {
        Role::NoToken => gateway.as_("elp-1").with_bearer(""),
        Role::BadToken => gateway.as_("elp-1").with_bearer("TEST"),
        Role::ExpiredToken => {
            let mut claims = gateway.token_claims("elp-1");
            claims["exp"] = json!(gateway.clock.now_ms() / 1_000 - 3_600);
            claims["nbf"] = json!(gateway.clock.now_ms() / 1_000 - 7_200);
            gateway.as_("elp-1").with_bearer(&gateway.signed(&claims))
        }
        Role::WrongScope => gateway.as_("elp-2").with_scope("system/Basic.cruds"),
        Role::Stranger => gateway.as_("mutuality-1"),
        Role::Released => gateway.as_("edpbw-a"),
        Role::Waiting => gateway.as_("cgg-1"),
        Role::Permitted => gateway.as_("gp-1"),
        Role::Excluded => gateway.as_("cgg-2").by_practitioner("therapist-1"),
        Role::Person => gateway.person(&format!("Patient/{}", held.patient)),
        Role::Representative => gateway.person(&format!("RelatedPerson/{}", held.representative)),
        Role::Custodian => gateway.as_("elp-1"),
    }
}

/// Refusals in the trail of a role that has a compartment of its own; a custodian's writes change what it holds.
pub(super) async fn trail(caller: &Caller<'_>, role: Role) -> Option<usize> {
    let roles = [Role::Stranger, Role::Released, Role::Waiting, Role::Permitted, Role::Person, Role::Representative];
    if !roles.contains(&role) {
        return None;
    }
    let counted = caller.get("AuditEvent?outcome=8&_summary=count").await.expect(200);
    Some(usize::try_from(counted.json["total"].as_u64().expect("a number")).expect("a number"))
}
