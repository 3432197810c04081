//! Every branch of intake, and what holds for any input whatever.

use proptest::prelude::*;
use serde_json::json;

use super::*;

const TODAY: &str = "2026-03-01";
const MOMENT: Moment<'static> = Moment { now_ms: 1_000, today: TODAY, wait_ms_max: 500 };

fn lookup(employments: Vec<Employment>) -> Lookup {
    let mut lookup = Lookup::from_value(json!({"lookupId": "d-1", "asOf": TODAY, "employments": [], "warnings": []}))
        .expect("it is one");
    lookup.employments = employments;
    lookup
}

fn employment(employer: &str, service: Option<(&str, Option<&str>)>) -> Employment {
    let service = service.map(|(code, cbe)| PreventionService {
        code: code.to_owned(),
        cbe: cbe.map(str::to_owned),
        name: format!("Service {code}"),
    });
    Employment {
        employer_cbe: employer.to_owned(),
        employer_name: format!("Employer {employer}"),
        from: "2024-01-01".to_owned(),
        to: None,
        service,
    }
}

const NOORD: Option<(&str, Option<&str>)> = Some(("NOORD", Some("1")));
const ZUID: Option<(&str, Option<&str>)> = Some(("ZUID", Some("2")));
const VER: Option<(&str, Option<&str>)> = Some(("VER", Some("3")));

fn rooms() -> Rooms<'static> {
    let service = |organization, cbe, code| Service { organization, cbe, code };
    let pool = |id, kind, region| Pool { id, name: id, kind, region };
    Rooms {
        services: vec![
            service("edpbw-noord", Some("1"), Some("NOORD")),
            service("edpbw-zuid", Some("2"), None),
            service("edpbw-oost", None, Some("OOST")),
            service("twin-a", Some("9"), None),
            service("twin-b", Some("9"), None),
        ],
        pools: vec![
            pool("edpbw-vov", PREVENTION_SERVICE, "Oost-Vlaanderen"),
            pool("elp-gent", "elp", "BE-VOV"),
            pool("elp-aalst", "elp", "oost-vlaanderen"),
            pool("cgg-vov", "cgg", "East Flanders"),
            pool("elp-brugge", "elp", "West-Vlaanderen"),
            pool("elp-nowhere", "elp", "Gent"),
        ],
    }
}

fn employee(asked: Asked<'_>) -> Intake<'_> {
    Intake {
        is_self_employed: false,
        step: None,
        permits_lookup: true,
        has_number: true,
        postcode: Some("9000"),
        asked,
        chosen: None,
    }
}

fn decided(intake: &Intake<'_>) -> Decision {
    decide(intake, &rooms(), MOMENT)
}

fn route(room: &str, ground: Ground) -> Decision {
    Decision::Route(Room(room.to_owned()), ground)
}

fn need(need: Need) -> Decision {
    Decision::Person(need, Vec::new())
}

#[test]
fn without_permission_nothing_is_looked_up_and_intake_decides() {
    let refused = Intake { permits_lookup: false, ..employee(Asked::NotYet) };
    assert_eq!(decided(&refused), need(Need::PermissionRefused));
    let found = lookup(vec![employment("e", NOORD)]);
    let taken_back = Intake { permits_lookup: false, ..employee(Asked::Answered(&found)) };
    assert_eq!(decided(&taken_back), need(Need::PermissionRefused), "what was found is not used either");
}

#[test]
fn an_employee_is_looked_up_and_goes_to_the_service_of_the_employer() {
    assert_eq!(decided(&employee(Asked::NotYet)), Decision::LookUp);
    for (service, room) in [(NOORD, "edpbw-noord"), (ZUID, "edpbw-zuid"), (Some(("OOST", Some("4"))), "edpbw-oost")] {
        let found = lookup(vec![employment("e", service)]);
        let expected = route(&format!("organization/{room}"), Ground::Employer);
        assert_eq!(decided(&employee(Asked::Answered(&found))), expected);
    }
}

#[test]
fn a_service_that_is_not_exactly_one_of_ours_needs_a_person_and_not_the_province() {
    for (service, expected) in [
        (None, Need::ServiceUnknown),
        (VER, Need::ServiceTakesNoPart),
        (Some(("NOORD", Some("3"))), Need::ServiceTakesNoPart),
        (Some(("", Some("9"))), Need::ServiceAmbiguous),
    ] {
        let found = lookup(vec![employment("e", service)]);
        assert_eq!(decided(&employee(Asked::Answered(&found))), need(expected), "{service:?}");
    }
}

#[test]
fn several_employments_are_chosen_among_and_never_picked_from() {
    let found = lookup(vec![employment("a", NOORD), employment("b", VER), employment("c", NOORD)]);
    let Decision::Person(Need::SeveralEmployments, choices) = decided(&employee(Asked::Answered(&found))) else {
        panic!("it is not decided")
    };
    let shown: Vec<(&str, &str, bool)> =
        choices.iter().map(|choice| (choice.id.as_str(), choice.name.as_str(), choice.room.is_some())).collect();
    assert_eq!(
        shown,
        [
            ("a:1", "Employer a (Service NOORD)", true),
            ("b:3", "Employer b (Service VER)", false),
            ("c:1", "Employer c (Service NOORD)", true),
        ]
    );
    let chosen = |id| decided(&Intake { chosen: Some(id), ..employee(Asked::Answered(&found)) });
    assert_eq!(chosen("a:1"), route("organization/edpbw-noord", Ground::Chosen));
    for id in ["b:3", "organization/edpbw-zuid", "pool/elp-gent", ""] {
        assert_eq!(chosen(id).code(), "several-employments", "{id}");
    }
}

#[test]
fn contracts_of_one_employer_and_those_that_ended_are_no_choice() {
    let mut ended = employment("b", ZUID);
    ended.to = Some("2026-02-28".to_owned());
    let mut second = employment("a", NOORD);
    second.from = "2025-01-01".to_owned();
    let found = lookup(vec![employment("a", NOORD), second, ended]);
    let expected = route("organization/edpbw-noord", Ground::Employer);
    assert_eq!(decided(&employee(Asked::Answered(&found))), expected);
}

#[test]
fn without_an_employment_the_province_of_the_postcode_decides() {
    let none = lookup(Vec::new());
    let of = |postcode| decided(&Intake { postcode, ..employee(Asked::Answered(&none)) });
    assert_eq!(of(Some("9000")), route("pool/edpbw-vov", Ground::Province));
    assert_eq!(of(Some("8000")), need(Need::NoRoom));
    assert_eq!(of(None), need(Need::NoPostcode));
    for wrong in ["", "0999", "90000", " 9000", "B-9000", "Gent"] {
        assert_eq!(of(Some(wrong)), need(Need::PostcodeUnknown), "{wrong:?}");
    }
}

#[test]
fn the_self_employed_go_where_they_said_without_a_lookup() {
    let of = |step, postcode| {
        decided(&Intake {
            is_self_employed: true,
            step,
            postcode: Some(postcode),
            permits_lookup: false,
            ..employee(Asked::NotYet)
        })
    };
    assert_eq!(of(Some(Step::Cgg), "9000"), route("pool/cgg-vov", Ground::SelfEmployed));
    assert_eq!(of(Some(Step::Elp), "8000"), route("pool/elp-brugge", Ground::SelfEmployed));
    let Decision::Person(Need::SeveralRooms, choices) = of(Some(Step::Elp), "9000") else { panic!("there are two") };
    assert_eq!(
        choices.iter().map(|choice| choice.id.as_str()).collect::<Vec<_>>(),
        ["pool/elp-gent", "pool/elp-aalst"]
    );
    let Decision::Person(Need::StepOpen, choices) = of(None, "9000") else { panic!("nobody said which") };
    assert_eq!(choices.len(), 3);
    assert_eq!(of(None, "2000"), need(Need::NoRoom));
    assert_eq!(of(None, "0"), need(Need::PostcodeUnknown));
}

#[test]
fn a_partner_that_is_away_is_waited_for_and_then_the_province_decides() {
    let at = |since_ms| decided(&employee(Asked::Away { since_ms }));
    assert_eq!(at(1_000), Decision::Wait { until_ms: 1_500 });
    assert_eq!(at(501), Decision::Wait { until_ms: 1_001 });
    assert_eq!(at(500), route("pool/edpbw-vov", Ground::ProvinceUnanswered));
    assert_eq!(at(i64::MAX), Decision::Wait { until_ms: i64::MAX });
    let nowhere = Intake { postcode: Some("x"), ..employee(Asked::Away { since_ms: 0 }) };
    assert_eq!(decided(&nowhere), need(Need::PostcodeUnknown), "or intake, where there is no province");
}

#[test]
fn what_cannot_be_looked_up_needs_a_person() {
    assert_eq!(decided(&employee(Asked::Refused)), need(Need::LookupRefused));
    let unnumbered = Intake { has_number: false, ..employee(Asked::NotYet) };
    assert_eq!(decided(&unnumbered), need(Need::NoNumber));
}

#[test]
fn the_number_is_needed_until_the_lookup_is_over() {
    assert!(decided(&employee(Asked::NotYet)).needs_number());
    assert!(decided(&employee(Asked::Away { since_ms: 1_000 })).needs_number());
    for asked in [Asked::Refused, Asked::Away { since_ms: 0 }] {
        assert!(!decided(&employee(asked)).needs_number());
    }
}

#[test]
fn the_documentation_shows_every_outcome() {
    let page = include_str!("../../../docs/intake.md");
    assert!(page.contains(&markdown()), "docs/intake.md must contain:\n{}", markdown());
}

/// Services and postcodes of all sorts, known and unknown.
fn any_employment() -> impl Strategy<Value = Employment> {
    let service = prop::option::of((
        prop::sample::select(vec!["", "NOORD", "ZUID", "VER", "OOST"]),
        prop::option::of(prop::sample::select(vec!["1", "2", "3", "9"])),
    ));
    let to = prop::option::of(prop::sample::select(vec!["2026-02-28", TODAY, "2027-01-01"]));
    let from = prop::sample::select(vec!["2020-01-01", TODAY, "2026-03-02"]);
    (prop::sample::select(vec!["a", "b"]), service, from, to).prop_map(|(employer, service, from, to)| Employment {
        from: from.to_owned(),
        to: to.map(str::to_owned),
        ..employment(employer, service)
    })
}

#[derive(Clone, Debug)]
enum AnyAsked {
    NotYet,
    Answered(Lookup),
    Away(i64),
    Refused,
}

fn any_asked() -> impl Strategy<Value = AnyAsked> {
    prop_oneof![
        Just(AnyAsked::NotYet),
        prop::collection::vec(any_employment(), 0..4).prop_map(|found| AnyAsked::Answered(lookup(found))),
        any::<i64>().prop_map(AnyAsked::Away),
        Just(AnyAsked::Refused),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn whatever_comes_in_goes_to_one_room_or_needs_a_person(
        (is_self_employed, permits_lookup, has_number) in any::<(bool, bool, bool)>(),
        step in prop::sample::select(vec![None, Some(Step::Elp), Some(Step::Cgg)]),
        postcode in prop::option::of(prop_oneof!["[0-9]{4}", ".{0,6}", Just("9000".to_owned())]),
        asked in any_asked(),
        chosen in prop::option::of(prop::sample::select(vec!["a:1", "b:2", "a:", "pool/elp-gent", "pool/cgg-vov", "x"])),
        now_ms in any::<i64>(),
    ) {
        let asked = match &asked {
            AnyAsked::NotYet => Asked::NotYet,
            AnyAsked::Answered(lookup) => Asked::Answered(lookup),
            AnyAsked::Away(since_ms) => Asked::Away { since_ms: *since_ms },
            AnyAsked::Refused => Asked::Refused,
        };
        let active = match &asked {
            Asked::Answered(lookup) => distinct(lookup.active_on(TODAY)).len(),
            _ => 0,
        };
        let postcode = postcode.as_deref();
        let intake = Intake { is_self_employed, step, permits_lookup, has_number, postcode, asked, chosen };
        let rooms = rooms();
        let moment = Moment { now_ms, ..MOMENT };
        let decision = decide(&intake, &rooms, moment);
        let unchosen = decide(&Intake { chosen: None, ..intake.clone() }, &rooms, moment);
        let may_ask = permits_lookup && !is_self_employed && has_number;
        let province = postcode.and_then(Province::of_postcode);
        match &decision {
            Decision::LookUp | Decision::Wait { .. } => prop_assert!(may_ask),
            Decision::Person(need, choices) => {
                prop_assert_eq!(need.offers(), !choices.is_empty());
                prop_assert_eq!(&decision, &unchosen, "a wrong choice changes nothing");
            }
            Decision::Route(Room(room), ground) => {
                let exists = match room.split_once('/') {
                    Some(("organization", id)) => rooms.services.iter().any(|service| service.organization == id),
                    Some(("pool", id)) => rooms.pools.iter().any(|pool| {
                        // Nobody is sent to a pool of another province, or of none.
                        pool.id == id && province.is_some() && Province::named(pool.region) == province
                    }),
                    _ => false,
                };
                prop_assert!(exists, "{}", room);
                prop_assert_eq!(*ground == Ground::Employer, active == 1 && unchosen == decision && room.starts_with("organization/"));
                prop_assert_eq!(*ground == Ground::Chosen, unchosen != decision);
                if let Ground::Chosen = ground {
                    let Decision::Person(need, choices) = &unchosen else { return Err(TestCaseError::fail("nothing was offered")) };
                    prop_assert!(need.offers());
                    prop_assert!(choices.iter().any(|choice| Some(choice.id.as_str()) == chosen));
                }
                prop_assert!(is_self_employed || permits_lookup, "nothing is routed by an employer without permission");
                prop_assert!(active <= 1 || is_self_employed || *ground == Ground::Chosen, "none is picked from several");
            }
        }
    }
}
