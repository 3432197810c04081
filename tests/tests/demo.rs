//! The demo: the whole story of a referral and of a billed month plays against the program as it was built, and says so when it breaks.
//!
//! The month of a made-up centre is played at its full size here: 2,000 contacts of 300 people over five mutualities and two care funds, with
//! every kind of error, through the pages and the simulated insurers; and what it settles is held to sums of this test's own.

use std::collections::BTreeMap;
use std::process::Output;

use wellgate_tests::program::wellgate;

const CONTACTS: usize = 2_000;
const PEOPLE: usize = 300;

fn play(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = wellgate();
    command.args(["sandbox", "--listen", "127.0.0.1:0", "--demo=once"]).args(arguments);
    command.envs(variables.iter().copied()).output().expect("the program can be run")
}

/// The story, which must have gone well.
fn told(output: &Output) -> String {
    let story = String::from_utf8_lossy(&output.stdout).into_owned();
    let amiss = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{story}\n{amiss}");
    assert!(story.ends_with("The story went as it should.\n"), "{story}");
    // A machine with much else to do makes a statement slow.
    let amiss: Vec<&str> = amiss.lines().filter(|line| !line.contains("slow statement")).collect();
    assert_eq!(amiss, Vec::<&str>::new(), "a story in which all goes well logs no warning");
    story
}

#[test]
fn the_story_of_a_referral_and_of_a_month_plays_to_its_end() {
    let story = told(&play(&[], &[]));
    for number in 1..=14 {
        assert!(story.contains(&format!("\n{number}  ")), "act {number} is missing: {story}");
    }
}

#[test]
fn a_story_that_breaks_fails_and_names_its_step() {
    // A gateway without ServiceRequest cannot take the form of the first act.
    let output = play(&[], &[("WELLGATE_FHIR_TYPES", "Patient,AuditEvent")]);
    assert_eq!(output.status.code(), Some(1));
    let cause = String::from_utf8_lossy(&output.stderr);
    assert!(cause.contains("the demo stopped: Huisarts Dok: POST : expected 200, found"), "{cause}");
}

/// What each payer owes for the month, cents, by the printed list of made-up tariffs.
fn owed() -> BTreeMap<i64, i64> {
    let mut owed: BTreeMap<i64, i64> = BTreeMap::new();
    for contact in 0..CONTACTS {
        let (person, week) = (contact % PEOPLE, contact / PEOPLE);
        let [mutuality, care_fund] = [[131, 206, 306, 403, 509][person % 5], [701, 702][person % 2]];
        let (payer, [normal, increased]) = match (contact + 3 * week) % 10 {
            5 => (mutuality, [5_500, 6_600]),
            6 => (mutuality, [6_000, 7_400]),
            // By the portal of the mutualities, and in no file.
            7 => continue,
            8 => (care_fund, [9_500, 9_680]),
            9 => (care_fund, [21_000, 22_000]),
            _ => (mutuality, [4_250, 5_150]),
        };
        *owed.entry(payer).or_default() += if person.is_multiple_of(3) { increased } else { normal };
    }
    owed
}

/// `12.50` as cents.
fn cents(text: &str) -> i64 {
    text.replace('.', "").parse().unwrap_or_else(|_| panic!("{text} is no amount"))
}

/// What a story says that was given up, or taken back: the payer, and the cents.
fn less(story: &str, by: &str) -> (i64, i64) {
    let (_, said) = story.split_once(&format!("{by}: ")).expect("it is told");
    let words: Vec<&str> = said.split_whitespace().take(3).collect();
    let [amount, "of", payer] = words.as_slice() else { panic!("{words:?}") };
    (payer.parse().expect("a number"), cents(amount))
}

/// What each payer paid, as the settlement of a story has it; and every cent that was asked for is paid or refused.
fn paid(story: &str) -> BTreeMap<i64, i64> {
    let (_, table) = story.split_once("refused         open\n").expect("there is a table");
    let rows = table.lines().take_while(|line| !line.is_empty()).map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [payer, .., requested, paid, refused, open] = words.as_slice() else { panic!("{line}") };
        assert_eq!(cents(requested), cents(paid) + cents(refused), "{line}");
        assert_eq!(*open, "0.00", "{line}");
        (payer.parse().expect("a number"), cents(paid))
    });
    rows.collect()
}

fn a_month_adds_up_to_the_cent(variables: &[(&str, &str)]) {
    let story = told(&play(&["--contacts", &CONTACTS.to_string()], variables));
    let mut due = owed();
    for by in ["given up", "taken back"] {
        let (payer, cents) = less(&story, by);
        assert!(cents > 0);
        *due.entry(payer).or_default() -= cents;
    }
    assert_eq!(paid(&story), due, "{story}");
}

#[test]
fn the_month_of_a_made_up_centre_adds_up_to_the_cent_on_sqlite() {
    a_month_adds_up_to_the_cent(&[]);
}

#[test]
fn the_month_of_a_made_up_centre_adds_up_to_the_cent_on_postgres() {
    let Some(database_url) = wellgate_tests::postgres::database_url() else { return };
    a_month_adds_up_to_the_cent(&[("WELLGATE_DATABASE_URL", &database_url)]);
}
