//! Every relation of a caller to a resource × every resource type × every interaction: what is not listed is refused.

use super::{Basis, Belongs, Interaction, PractitionerFacts, PractitionerRole, Refusal, WriteFacts, may_write};

const INTERACTIONS: [(Interaction, char); 4] =
    [(Interaction::Create, 'c'), (Interaction::Update, 'u'), (Interaction::Delete, 'd'), (Interaction::Withdraw, 'w')];

const DIRECTORY: [&str; 8] = [
    "Endpoint",
    "HealthcareService",
    "Location",
    "Organization",
    "OrganizationAffiliation",
    "Practitioner",
    "PractitionerRole",
    "Questionnaire",
];
const BILLING: [&str; 5] =
    ["Claim", "ClaimResponse", "Coverage", "CoverageEligibilityRequest", "CoverageEligibilityResponse"];
const DOSSIER: [&str; 11] = [
    "CareTeam",
    "Condition",
    "DocumentReference",
    "EpisodeOfCare",
    "Observation",
    "QuestionnaireResponse",
    "RelatedPerson",
    "Communication",
    "Consent",
    "ServiceRequest",
    "Task",
];
const BOTH: [&str; 5] = ["Binary", "Encounter", "Group", "Patient", "Provenance"];
/// What nobody may write, in any relation.
const NEVER: [&str; 1] = ["AuditEvent"];
/// What goes by rows of its own; every other type goes by where the overlay of search says that it belongs.
const OF_THEIR_OWN: [&str; 3] = ["Patient", "Consent", "ServiceRequest"];

/// Who the caller is to a record, from which the facts of each case are made.
#[derive(Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is one fact of a case, and any may come with any")]
struct Caller {
    organization: Option<&'static str>,
    is_person: bool,
    is_closed_out: bool,
    owns_active_task: bool,
    is_own_task: bool,
    is_recorder: bool,
}

const STRANGER: Caller = Caller {
    organization: Some("a"),
    is_person: false,
    is_closed_out: false,
    owns_active_task: false,
    is_own_task: false,
    is_recorder: false,
};

fn record(custodian: &'static str, caller: Caller) -> WriteFacts<'static> {
    WriteFacts {
        caller_organization: caller.organization,
        practitioner: None,
        belongs: Belongs::Record {
            custodian,
            caller_is_person: caller.is_person,
            caller_is_closed_out: caller.is_closed_out,
            caller_owns_active_task: caller.owns_active_task,
            is_callers_task: caller.is_own_task,
            recorded_by_caller: caller.is_recorder,
        },
    }
}

/// What a caller `a` without a practitioner wants outside of records.
fn elsewhere(belongs: Belongs<'static>) -> WriteFacts<'static> {
    WriteFacts { caller_organization: Some("a"), belongs, practitioner: None }
}

fn all_types() -> impl Iterator<Item = &'static str> {
    let groups: [&[&str]; 6] = [&DIRECTORY, &BILLING, &DOSSIER, &BOTH, &NEVER, &["Subscription"]];
    groups.concat().into_iter()
}

/// What is permitted, for instance `Encounter:cu` for creating and updating; and on which basis.
fn permitted(facts: &WriteFacts) -> Vec<(String, Basis)> {
    let mut found = Vec::new();
    for resource_type in all_types() {
        let mut letters = String::new();
        let mut basis = None;
        for (interaction, letter) in INTERACTIONS {
            if let Ok(permit) = may_write(facts, resource_type, interaction) {
                letters.push(letter);
                basis = Some(permit.basis().clone());
            }
        }
        found.extend(basis.map(|basis| (format!("{resource_type}:{letters}"), basis)));
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

fn assert_permits_only(facts: &WriteFacts, basis: &Basis, mut expected: Vec<String>) {
    expected.sort();
    let found = permitted(facts);
    assert!(found.iter().all(|(_, of)| of == basis), "{facts:?} {found:?}");
    assert_eq!(found.into_iter().map(|(case, _)| case).collect::<Vec<_>>(), expected, "{facts:?}");
}

/// Every type but those that go by rows of their own.
fn every() -> Vec<String> {
    let listed = |name: &&str| !NEVER.contains(name) && !OF_THEIR_OWN.contains(name);
    all_types().filter(listed).map(|name| format!("{name}:cud")).collect()
}

#[test]
fn whoever_has_no_part_in_a_resource_writes_nothing() {
    let nobody = |belongs| WriteFacts { caller_organization: None, belongs, practitioner: None };
    for facts in [
        record("b", STRANGER),
        record("b", Caller { organization: None, ..STRANGER }),
        record("b", Caller { is_own_task: true, ..STRANGER }),
        record("a", Caller { is_closed_out: true, ..STRANGER }),
        record("a", Caller { is_closed_out: true, owns_active_task: true, is_own_task: true, ..STRANGER }),
        elsewhere(Belongs::Directory { owner: Some("b") }),
        elsewhere(Belongs::Directory { owner: None }),
        elsewhere(Belongs::Own { organization: "b" }),
        nobody(Belongs::Directory { owner: None }),
        nobody(Belongs::Own { organization: "a" }),
        nobody(Belongs::NewRecord),
    ] {
        assert_eq!(permitted(&facts), [], "{facts:?}");
    }
}

#[test]
fn a_task_owner_writes_contacts_and_messages_and_the_status_of_its_task_and_never_a_consent() {
    let caller = Caller { owns_active_task: true, ..STRANGER };
    let listed = |cases: &[&str]| cases.iter().map(|case| (*case).to_owned()).collect();
    let basis = Basis::OrganizationTask;
    assert_permits_only(&record("b", caller), &basis, listed(&["Encounter:c", "Communication:c"]));
    let on_its_task = record("b", Caller { is_own_task: true, ..caller });
    assert_permits_only(&on_its_task, &basis, listed(&["Encounter:c", "Communication:c", "Task:u"]));
}

#[test]
fn a_recorder_takes_its_consent_back_even_blind_and_does_nothing_else() {
    for (custodian, is_closed_out) in [("a", true), ("b", true), ("b", false)] {
        let facts = record(custodian, Caller { is_closed_out, is_recorder: true, ..STRANGER });
        assert_permits_only(&facts, &Basis::Recorder, vec!["Consent:w".to_owned()]);
    }
}

#[test]
fn a_task_owner_corrects_only_the_contact_that_it_recorded() {
    let facts = record("b", Caller { owns_active_task: true, is_recorder: true, ..STRANGER });
    let found: Vec<_> = permitted(&facts).into_iter().map(|(case, _)| case).collect();
    assert_eq!(found, ["Communication:c", "Consent:w", "Encounter:cu"]);
}

#[test]
fn a_person_gives_and_withdraws_consent_and_writes_nothing_else() {
    let facts = record("b", Caller { organization: None, is_person: true, ..STRANGER });
    assert_permits_only(&facts, &Basis::Person, vec!["Consent:cw".to_owned()]);
}

#[test]
fn a_custodian_writes_everything_in_its_record_but_an_order_that_another_placed() {
    for (is_recorder, order) in [(false, "ServiceRequest:c"), (true, "ServiceRequest:cud")] {
        let mut expected = every();
        expected.extend(["Patient:cud".to_owned(), "Consent:cudw".to_owned(), order.to_owned()]);
        let facts = record("a", Caller { is_recorder, ..STRANGER });
        assert_permits_only(&facts, &Basis::Custodian, expected);
    }
}

#[test]
fn an_organisation_keeps_its_directory_entries_and_its_own_compartment() {
    let directory = elsewhere(Belongs::Directory { owner: Some("a") });
    assert_permits_only(&directory, &Basis::Directory, every());
    let own = elsewhere(Belongs::Own { organization: "a" });
    let mut expected = every();
    expected.push("Patient:cud".to_owned());
    assert_permits_only(&own, &Basis::OwnCompartment, expected);
}

#[test]
fn a_new_record_begins_with_its_patient() {
    let facts = elsewhere(Belongs::NewRecord);
    assert_permits_only(&facts, &Basis::Custodian, vec!["Patient:c".to_owned()]);
}

#[test]
fn a_refusal_says_how_the_caller_stands_to_the_resource() {
    let task_owner = Caller { owns_active_task: true, ..STRANGER };
    let closed_out = Caller { is_closed_out: true, ..STRANGER };
    let person = Caller { organization: None, is_person: true, ..STRANGER };
    for (facts, resource_type, refusal) in [
        (record("a", STRANGER), "AuditEvent", Refusal::NotWritable),
        (record("a", STRANGER), "ServiceRequest", Refusal::NotRecorder),
        (record("a", closed_out), "Patient", Refusal::ClosedOut),
        (record("b", STRANGER), "Patient", Refusal::NotCustodian),
        (record("b", person), "Consent", Refusal::NotCustodian),
        (record("b", task_owner), "Consent", Refusal::BeyondTask),
        (elsewhere(Belongs::Directory { owner: Some("b") }), "Location", Refusal::NotOwner),
        (elsewhere(Belongs::Directory { owner: Some("a") }), "Patient", Refusal::NotWritable),
        (elsewhere(Belongs::Own { organization: "b" }), "Claim", Refusal::NotOwner),
        (elsewhere(Belongs::NewRecord), "Consent", Refusal::NoRecord),
    ] {
        assert_eq!(may_write(&facts, resource_type, Interaction::Update), Err(refusal), "{facts:?} {resource_type}");
    }
}

#[test]
fn a_practitioner_writes_what_their_role_sees_and_never_more_than_their_organisation() {
    let every = || all_types();
    for role in PractitionerRole::ALL {
        let practitioner = Some(PractitionerFacts { role, is_kept_from: false });
        for facts in [record("a", STRANGER), record("b", STRANGER), elsewhere(Belongs::Own { organization: "a" })] {
            let narrowed = WriteFacts { practitioner, ..facts };
            for (resource_type, (interaction, _)) in every().flat_map(|name| INTERACTIONS.map(|each| (name, each))) {
                let is_permitted = may_write(&narrowed, resource_type, interaction).is_ok();
                let expected = role.sees(resource_type) && may_write(&facts, resource_type, interaction).is_ok();
                assert_eq!(is_permitted, expected, "{role:?} {resource_type} {interaction:?}");
            }
        }
        let directory = WriteFacts { practitioner, ..elsewhere(Belongs::Directory { owner: Some("a") }) };
        assert!(may_write(&directory, "Location", Interaction::Create).is_ok(), "{role:?}");
    }
}

#[test]
fn a_practitioner_who_is_kept_from_a_record_writes_nothing_there() {
    for role in PractitionerRole::ALL {
        let practitioner = Some(PractitionerFacts { role, is_kept_from: true });
        for caller in
            [STRANGER, Caller { is_recorder: true, ..STRANGER }, Caller { owns_active_task: true, ..STRANGER }]
        {
            let facts = WriteFacts { practitioner, ..record("a", caller) };
            for (resource_type, (interaction, _)) in all_types().flat_map(|name| INTERACTIONS.map(|each| (name, each)))
            {
                let of_organization =
                    may_write(&WriteFacts { practitioner: None, ..facts }, resource_type, interaction);
                let expected = of_organization.err().unwrap_or(Refusal::KeptFrom);
                assert_eq!(may_write(&facts, resource_type, interaction), Err(expected), "{resource_type}");
            }
        }
    }
}
