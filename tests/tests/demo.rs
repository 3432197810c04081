//! The demo: the whole story of a referral plays against the program as it was built, and says so when it breaks.

use std::process::Output;

use wellgate_tests::program::wellgate;

fn play(variables: &[(&str, &str)]) -> Output {
    let mut command = wellgate();
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--demo=once"]).envs(variables.iter().copied());
    command.output().expect("the program can be run")
}

#[test]
fn the_story_of_a_referral_plays_to_its_end() {
    let output = play(&[]);
    let story = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{story}\n{}", String::from_utf8_lossy(&output.stderr));
    for number in 1..=10 {
        assert!(story.contains(&format!("\n{number}  ")), "act {number} is missing: {story}");
    }
    assert!(story.ends_with("The story went as it should.\n"), "{story}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "a story in which all goes well logs no warning");
}

#[test]
fn a_story_that_breaks_fails_and_names_its_step() {
    // A gateway without ServiceRequest cannot take the form of the first act.
    let output = play(&[("WELLGATE_FHIR_TYPES", "Patient,AuditEvent")]);
    assert_eq!(output.status.code(), Some(1));
    let cause = String::from_utf8_lossy(&output.stderr);
    assert!(cause.contains("the demo stopped: Huisarts Dok: POST : expected 200, found"), "{cause}");
}
