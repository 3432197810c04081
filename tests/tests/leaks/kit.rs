//! The leak kit (`tests/leaks`) over HTTP, with a seed: no answer tells of what a viewer may not see.
//!
//! `WELLGATE_LEAK_CHECKS` and `WELLGATE_LEAK_SEED` ask more and other questions; `tests/long/leaks` runs the long form.

use std::time::Duration;

use gateway::auth::TokenGrant;
use gateway::search::overlay::SERVED_TYPES;
use wellgate_leaks::channels::{CHANNELS, table};
use wellgate_leaks::compare::DECLARED;
use wellgate_leaks::report::Report;
use wellgate_leaks::run::{Options, run};
use wellgate_tests::gateway::{Gateway, Options as StoryOptions, client_id};
use wellgate_tests::{project, stories, variable};

/// Comparisons of a usual run.
const CHECKS: usize = 1_000;

fn number(name: &str, default: usize) -> usize {
    variable(name).map_or(default, |number| number.parse().expect("a number"))
}

/// A token that outlives a long run.
fn token(gateway: &Gateway, organization: &str, practitioner: Option<&str>) -> String {
    gateway.token(&TokenGrant {
        client_id: &client_id(organization),
        organization_id: organization,
        fhir_user: None,
        practitioner_id: practitioner,
        purpose: "TREAT",
        scope: "system/*.cruds",
        certificate: None,
        lifetime_seconds: 10 * 24 * 60 * 60,
    })
}

async fn asked(gateway: &Gateway, viewer: &str, viewer_token: String, checks: usize) -> Report {
    let options = Options {
        base: gateway.base.clone(),
        custodian_token: token(gateway, "edpbw-a", None),
        viewer_token,
        viewer: viewer.to_owned(),
        purpose: "TREAT".to_owned(),
        checks,
        seed: u64::try_from(number("WELLGATE_LEAK_SEED", 1)).expect("a seed"),
        at_once: 32,
        // The machine of a test does other things meanwhile: this finds a wait, not a branch.
        timing_bound: 3.0,
        timing_samples: if checks > 20_000 { 300 } else { 40 },
    };
    // Time passes, so that what is written later also has a later time.
    let clock = gateway.clock.clone();
    let ticking = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            clock.advance(5);
        }
    });
    let report = run(&options).await;
    ticking.abort();
    let report = report.unwrap_or_else(|error| panic!("the kit runs: {error}"));
    println!("{viewer}:\n{}", report.text());
    report
}

async fn no_answer_tells_of_what_a_viewer_may_not_see(gateway: Gateway) {
    let checks = number("WELLGATE_LEAK_CHECKS", CHECKS);
    let report = asked(&gateway, "Organization/cgg-1", token(&gateway, "cgg-1", None), checks).await;
    assert_eq!(report.differences(), 0, "{}", report.text());
    assert!(report.checks() + HIDDEN_AND_CHANGED >= checks, "as many as were asked for: {}", report.checks());
    // A new type or channel is not left out.
    assert_eq!(report.without_data, Vec::<String>::new());
    for resource_type in SERVED_TYPES {
        assert!(report.types.get(resource_type).is_some_and(|checks| *checks > 0), "{resource_type} was asked for");
    }
    for channel in CHANNELS {
        assert!(report.channels.get(channel.name).is_some_and(|found| found.checks > 0), "{} was asked", channel.name);
    }
}

/// By how much a run falls short at most, as questions come in groups.
const HIDDEN_AND_CHANGED: usize = 16;

async fn nor_of_what_a_practitioner_may_not_see(gateway: Gateway) {
    let viewer = token(&gateway, "elp-1", Some("psychologist-1"));
    let checks = number("WELLGATE_LEAK_CHECKS", CHECKS) / 4;
    let report = asked(&gateway, "Practitioner/psychologist-1", viewer, checks).await;
    assert_eq!(report.differences(), 0, "{}", report.text());
}

/// An export is ready at once: nothing else is written while it is asked for. There is room for all that the kit writes, and words are
/// searched as well.
fn settled() -> StoryOptions {
    let settings = vec![
        ("WELLGATE_BULK_SETTLE_SECONDS", "0"),
        ("WELLGATE_SUBSCRIPTIONS_ORGANIZATION_MAX", "10000"),
        ("WELLGATE_SEARCH_FULL_TEXT", "on"),
    ];
    StoryOptions { settings, ..StoryOptions::default() }
}

stories!(with settled; no_answer_tells_of_what_a_viewer_may_not_see, nor_of_what_a_practitioner_may_not_see);

#[test]
fn the_page_about_the_kit_has_its_channels_and_declared_fields() {
    let page = std::fs::read_to_string(project().join("docs/leak-kit.md")).expect("the page is there");
    assert!(page.contains(&table()), "docs/leak-kit.md has this table:\n{}", table());
    for field in DECLARED {
        assert!(page.contains(&format!("- {field}\n")), "docs/leak-kit.md says: {field}");
    }
}
