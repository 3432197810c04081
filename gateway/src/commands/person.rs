//! The operator's commands about people who sign in: who they are to the identity provider, and as what they may act.

use super::CommandError;
use super::acts::{DISABLE, OperatorAct, REGISTER};
use crate::access::caller::Act;
use crate::access::session::practitioner_role;
use crate::auth::PersonRole;
use crate::cli::{PersonAction, PersonAdd};
use crate::config::Config;
use crate::consent::PractitionerRole;
use crate::gateway::{self, StartError};
use crate::storage::Store;
use crate::storage::people::{StaffMember, Subject};
use crate::storage::registry::RegistryRows;

/// Adds, lists or disables people.
///
/// # Errors
/// No identity provider is configured; the database cannot be reached; what is to be registered does not fit together.
pub async fn person(config: Config, action: PersonAction) -> Result<(), CommandError> {
    let issuer = config.people.as_ref().map(|people| people.issuer.clone());
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    let done = act(&store, issuer, action).await;
    store.close().await;
    done
}

async fn act(store: &Store, issuer: Option<String>, action: PersonAction) -> Result<(), CommandError> {
    let rows = store.registry().await.map_err(StartError::Storage)?;
    match action {
        PersonAction::Add(add) => {
            let issuer = issuer.ok_or_else(|| wrong("people.issuer", "is not configured, so nobody signs in"))?;
            let member = read(&rows, issuer, &add)?;
            keep(store, REGISTER, &member).await?;
            store.put_staff_member(&member).await.map_err(StartError::Storage)?;
            println!("Person {} is registered; sessions of before have ended.", add.id);
        }
        PersonAction::List(_) => rows.staff.iter().for_each(|member| println!("{}", line(member))),
        PersonAction::Disable(disable) => {
            let Some(member) = rows.staff.into_iter().find(|row| row.id == disable.id) else {
                return Err(CommandError::Wrong(format!("no person '{}' is registered", disable.id)));
            };
            let member = StaffMember { active: false, ..member };
            keep(store, DISABLE, &member).await?;
            store.put_staff_member(&member).await.map_err(StartError::Storage)?;
            println!("Person {} is disabled; every session has ended.", disable.id);
        }
    }
    Ok(())
}

async fn keep(store: &Store, act: Act, member: &StaffMember) -> Result<(), CommandError> {
    let (roles, practitioner) = (member.roles.join(" "), member.practitioner_id.as_deref().unwrap_or_default());
    let act = OperatorAct {
        act,
        organization: Some(&member.organization_id),
        about: ("", ""),
        details: &[("person", &member.id), ("practitioner", practitioner), ("roles", &roles)],
    };
    act.keep(store).await
}

fn wrong(what: &str, why: &str) -> CommandError {
    CommandError::Wrong(format!("{what} {why}"))
}

/// What is to be registered, once it fits together.
fn read(rows: &RegistryRows, issuer: String, add: &PersonAdd) -> Result<StaffMember, CommandError> {
    let Some(organization) = rows.organizations.iter().find(|row| row.id == add.organization) else {
        return Err(CommandError::Wrong(format!("no organisation '{}' is registered", add.organization)));
    };
    // What an ID token may say, and nothing else, or they would never be found.
    if !(1..=255).contains(&add.subject.len()) || !add.subject.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("--subject", "has 1 to 255 visible ASCII characters, without spaces"));
    }
    let subject = Subject { issuer, id: add.subject.clone() };
    if let Some(other) = rows.staff.iter().find(|row| row.id != add.id && row.subject == subject) {
        return Err(CommandError::Wrong(format!("--subject is registered already, for person '{}'", other.id)));
    }
    let practitioner = add.practitioner.as_ref().map(|id| {
        let found = rows.practitioners.iter().find(|row| row.id == *id && row.organization_id == add.organization);
        found.ok_or_else(|| {
            wrong("--practitioner", "is no practitioner of this organisation: wellgate practitioner add")
        })
    });
    let practitioner = practitioner.transpose()?;
    for code in &add.roles {
        let role = PersonRole::from_code(code).filter(|role| *role != PersonRole::Patient);
        let role =
            role.ok_or_else(|| wrong("--role", "is care-provider, intake, billing, supervisor, dpo or operator"))?;
        if role == PersonRole::Supervisor && organization.kind != "coprev" {
            return Err(wrong("--role", "supervisor is for people of a Co-prev organisation"));
        }
        if role == PersonRole::Dpo && practitioner.is_some() {
            return Err(wrong("--role", "dpo does not go with --practitioner: who treats judges nobody's emergencies"));
        }
        let registered = practitioner.and_then(|row| PractitionerRole::from_code(&row.role));
        if role.needs_practitioner() && registered.and_then(|one| practitioner_role(role, one)).is_none() {
            return Err(CommandError::Wrong(format!(
                "--role {code} needs a --practitioner whose own role goes with it: docs/people.md has the table"
            )));
        }
    }
    Ok(StaffMember {
        id: add.id.clone(),
        subject,
        organization_id: add.organization.clone(),
        practitioner_id: add.practitioner.clone(),
        name: add.name.clone(),
        roles: add.roles.clone(),
        active: true,
    })
}

fn line(member: &StaffMember) -> String {
    let state = if member.active { "active" } else { "disabled" };
    let practitioner = member.practitioner_id.as_deref().unwrap_or("-");
    let StaffMember { id, organization_id, name, roles, subject, .. } = member;
    format!("{id}\t{organization_id}\t{practitioner}\t{}\t{state}\t{name}\t{}", roles.join(" "), subject.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ConfigArguments;
    use crate::storage::registry::{Organization, Practitioner};

    fn rows() -> RegistryRows {
        let organization = |id: &str, kind: &str| Organization {
            id: id.to_owned(),
            name: id.to_owned(),
            kind: kind.to_owned(),
            cbe: None,
            nihdi: None,
            active: true,
        };
        let practitioner = |id: &str, organization: &str, role: &str| Practitioner {
            id: id.to_owned(),
            organization_id: organization.to_owned(),
            name: id.to_owned(),
            nihdi: None,
            role: role.to_owned(),
            active: true,
        };
        RegistryRows {
            organizations: vec![organization("a", "cgg"), organization("b", "coprev")],
            practitioners: vec![
                practitioner("care", "a", "care"),
                practitioner("books", "a", "accounting"),
                practitioner("elsewhere", "b", "care"),
            ],
            ..RegistryRows::default()
        }
    }

    fn add(organization: &str, practitioner: Option<&str>, role: &str) -> PersonAdd {
        PersonAdd {
            config: ConfigArguments { config: None },
            id: "p".to_owned(),
            subject: "s".to_owned(),
            name: "P".to_owned(),
            organization: organization.to_owned(),
            practitioner: practitioner.map(str::to_owned),
            roles: vec![role.to_owned()],
        }
    }

    #[test]
    fn what_does_not_go_together_is_not_registered() {
        for (organization, practitioner, role) in [
            ("c", None, "dpo"),
            ("a", None, "care-provider"),
            ("a", None, "billing"),
            ("a", Some("books"), "care-provider"),
            ("a", Some("books"), "intake"),
            ("a", Some("elsewhere"), "care-provider"),
            ("a", Some("nobody"), "dpo"),
            ("a", None, "supervisor"),
            ("a", None, "patient"),
            ("a", None, "Dpo"),
            ("a", None, ""),
        ] {
            let read = read(&rows(), "i".to_owned(), &add(organization, practitioner, role));
            assert!(read.is_err(), "{organization} {practitioner:?} {role}");
        }
        for (organization, practitioner, role) in [
            ("a", Some("care"), "care-provider"),
            ("a", Some("books"), "billing"),
            ("a", None, "dpo"),
            ("b", None, "supervisor"),
        ] {
            let read = read(&rows(), "i".to_owned(), &add(organization, practitioner, role));
            assert!(read.is_ok(), "{organization} {practitioner:?} {role}");
        }
        for subject in ["", "a b", "é", &"x".repeat(256)] {
            let add = PersonAdd { subject: subject.to_owned(), ..add("a", None, "dpo") };
            assert!(read(&rows(), "i".to_owned(), &add).is_err(), "{subject}");
        }
    }
}
