//! Tables and prices: what is refused first.

use super::*;
use crate::billing::{Cents, Date, Language, Severity, explain};
use crate::identifiers::Nihdi;

const HEAD: &str = "code;scheme;record;invoice_type;from;last_day;amount;share;amount_increased;share_increased;supplement;units_max;window;limit_group;qualifications;share_record;encounter_classes;encounter_types;minutes_min\n";
const PLAIN: &str = "990010;;50;3;2026-01-01;2026-06-30;40,00;12,00;49,00;3,00;1,00;;;;;;AMB;;\n";
const LATER: &str = "990010;;50;3;2026-07-01;;41,00;12,00;50,00;3,00;1,00;;;;;;AMB;;\n";
const LIMITED: &str = "990021;;50;3;;;40,00;12,00;;;;10;calendar-year;sessions;;;;;\n";
const GROUPED: &str = "990032;;50;3;;;40,00;12,00;;;;10;calendar-year;sessions;;;;;\n";
const RESERVED: &str = "990043;;50;3;;;40,00;12,00;;;;;;;527 528;;;;\n";
const STATED: &str = "990054;;50;3;;;;;;;;;;;;;;;\n";
const PORTAL: &str = "991012;elp;50;3;;;64,00;11,00;;;;8;twelve-months;;;;AMB;first-line;30\n";
const DAY_OF_STAY: &str = "992025;psychosocial-rehabilitation;30;5;;;210,00;15,00;;;;;;;;992036;;;\n";

fn tables(rows: &[&str]) -> Tables {
    let text = format!("{HEAD}{}", rows.concat());
    let care_funds = b"number;name_nl\n801;Verzonnen zorgkas\n";
    let files = Files { tariffs: Some(text.as_bytes()), care_funds: Some(care_funds), ..Files::default() };
    Tables::read(&files).expect("the tables are right")
}

fn all() -> Tables {
    tables(&[PLAIN, LATER, LIMITED, GROUPED, RESERVED, STATED, PORTAL, DAY_OF_STAY])
}

fn refused(rows: &[&str]) -> Vec<(u64, String, &'static str)> {
    let text = format!("{HEAD}{}", rows.concat());
    let read = Tables::read(&Files { tariffs: Some(text.as_bytes()), ..Files::default() });
    let issues = read.expect_err("the table is wrong");
    let named = |issue: TableIssue| (issue.issue.row, issue.issue.column.unwrap_or_default(), issue.issue.code);
    issues.into_iter().map(named).collect()
}

fn day(text: &str) -> Date {
    Date::parse(text).expect("it is a day")
}

fn provider() -> Nihdi {
    Nihdi::parse("12345625527").expect("it is a number")
}

fn asked(provider: &Nihdi, code: u32) -> Asked<'_> {
    let person = Insured { affiliation: Some(131), ct1: Some(110), ct2: Some(110), care_fund: Some(801) };
    let on = day("2026-03-02");
    Asked {
        code,
        first_day: on,
        last_day: on,
        units: 1,
        provider,
        person,
        contact: None,
        used: 0,
        stated: Stated::default(),
    }
}

#[test]
fn a_tariff_that_could_be_misread_is_refused_by_row_and_column() {
    for (row, column, code) in [
        ("99001;;50;3;;;40;12;;;;;;;;;;;\n", "code", "wellgate-sheet-code"),
        (";;50;3;;;40;12;;;;;;;;;;;\n", "code", "wellgate-sheet-required"),
        ("990010;unknown;50;3;;;40;12;;;;;;;;;;;\n", "scheme", "wellgate-sheet-scheme"),
        ("990010;;40;3;;;40;12;;;;;;;;;;;\n", "record", "wellgate-sheet-record"),
        ("990010;;50;2;;;40;12;;;;;;;;;;;\n", "invoice_type", "wellgate-sheet-invoice-type"),
        ("990010;;50;3;2026-02-30;;40;12;;;;;;;;;;;\n", "from", "wellgate-sheet-date"),
        ("990010;;50;3;2026-02-02;2026-02-01;40;12;;;;;;;;;;;\n", "last_day", "wellgate-sheet-days"),
        ("990010;;50;3;;;40;;;;;;;;;;;;\n", "share", "wellgate-sheet-required"),
        ("990010;;50;3;;;;12;;;;;;;;;;;\n", "amount", "wellgate-sheet-required"),
        ("990010;;50;3;;;1.234;12;;;;;;;;;;;\n", "amount", "wellgate-sheet-amount"),
        ("990010;;50;3;;;;;40;12;;;;;;;;;\n", "amount", "wellgate-sheet-required"),
        ("990010;;50;3;;;40;12;;;;8;;;;;;;\n", "window", "wellgate-sheet-required"),
        ("990010;;50;3;;;40;12;;;;;calendar-year;;;;;;\n", "units_max", "wellgate-sheet-required"),
        ("990010;;50;3;;;40;12;;;;8;year;;;;;;\n", "window", "wellgate-sheet-choice"),
        ("990010;;50;3;;;40;12;;;;;;;52;;;;\n", "qualifications", "wellgate-sheet-qualifications"),
        ("990010;;50;3;;;40;12;;;;;;;;992036;;;\n", "share_record", "wellgate-sheet-share-record"),
        ("990010;;50;3;;;40;12;;;;;;;;;;;20\n", "encounter_classes", "wellgate-sheet-required"),
    ] {
        assert_eq!(refused(&[row]), [(2, column.to_owned(), code)], "{row}");
    }
}

#[test]
fn a_code_has_one_price_on_a_day_and_a_group_one_limit() {
    let open = "990010;;50;3;2026-06-30;;41,00;12,00;;;;;;;;;;;\n";
    assert_eq!(refused(&[PLAIN, open]), [(3, "from".to_owned(), "wellgate-sheet-overlap")]);
    let other = "990032;;50;3;;;40,00;12,00;;;;12;calendar-year;sessions;;;;;\n";
    assert_eq!(refused(&[LIMITED, other]), [(3, "limit_group".to_owned(), "wellgate-sheet-limit-group")]);
}

#[test]
fn every_error_of_every_table_is_told_at_once() {
    let files = Files {
        channels: Some(b"scheme;channel\nelp;fax\n"),
        mutualities: Some(b"number;federation\n99;100\n200-100;200\n"),
        care_funds: Some(b"nummer\nx\n"),
        insurability: Some(b"ct1;ct2;class\n1?;??0;normal\n???;???;half\n"),
        tariffs: None,
    };
    let issues = Tables::read(&files).expect_err("all are wrong");
    let named: Vec<String> = issues.iter().map(|issue| issue.text(Language::En)).collect();
    assert_eq!(named.len(), 6, "{named:?}");
    assert!(named[0].starts_with("channels, row 2, column channel: "), "{named:?}");
    assert!(named[3].starts_with("care_funds, row 2, column nummer: "), "{named:?}");
}

#[test]
fn a_line_that_may_not_be_billed_has_no_price_and_says_why() {
    type Change = fn(&mut Asked<'_>);
    let cases: [(u32, Change, PriceIssue); 20] = [
        (999_999, |_| {}, PriceIssue::NoTariff),
        (
            990_010,
            |asked| (asked.first_day, asked.last_day) = (day("2025-12-31"), day("2025-12-31")),
            PriceIssue::NotOnDay,
        ),
        (990_010, |asked| asked.first_day = day("2025-12-31"), PriceIssue::ChangesWithin),
        (
            990_010,
            |asked| (asked.first_day, asked.last_day) = (day("2026-06-30"), day("2026-07-01")),
            PriceIssue::ChangesWithin,
        ),
        (990_010, |asked| asked.last_day = day("2026-03-01"), PriceIssue::DaysReversed),
        (990_010, |asked| asked.units = 0, PriceIssue::NoUnits),
        (
            990_010,
            |asked| asked.contact = Some(Contact { class: "HH", types: &[], minutes: None }),
            PriceIssue::ContactNotCovered,
        ),
        (990_010, |asked| asked.person.affiliation = None, PriceIssue::NoMutuality),
        (990_010, |asked| asked.person.affiliation = Some(801), PriceIssue::UnknownMutuality),
        (990_010, |asked| asked.person.ct1 = None, PriceIssue::NoInsurability),
        (990_010, |asked| asked.person.ct2 = Some(114), PriceIssue::UnknownInsurability),
        (990_010, |asked| asked.stated.amount = Some(Cents(4_001)), PriceIssue::AmountDiffers),
        (990_010, |asked| asked.stated.share = Some(Cents(0)), PriceIssue::AmountDiffers),
        (990_010, |asked| asked.stated.supplement = Some(Cents(0)), PriceIssue::AmountDiffers),
        (990_021, |asked| asked.used = 10, PriceIssue::LimitPassed),
        (990_021, |asked| (asked.used, asked.units) = (9, 2), PriceIssue::LimitPassed),
        (990_054, |_| {}, PriceIssue::NoAmount),
        (
            991_012,
            |asked| asked.contact = Some(Contact { class: "AMB", types: &["first-line"], minutes: None }),
            PriceIssue::ContactNotCovered,
        ),
        (992_025, |asked| asked.person.care_fund = None, PriceIssue::NoCareFund),
        (992_025, |asked| asked.person.care_fund = Some(802), PriceIssue::UnknownCareFund),
    ];
    let (tables, provider) = (all(), provider());
    for (code, change, issue) in cases {
        let mut asked = asked(&provider, code);
        change(&mut asked);
        assert_eq!(price(&tables, &asked), Err(vec![issue]), "{code} {issue:?}");
    }
}

#[test]
fn who_has_not_the_qualification_may_not_bill() {
    let tables = all();
    for number in ["12345625001", "12345625"] {
        let other = Nihdi::parse(number).expect("it is a number");
        assert_eq!(price(&tables, &asked(&other, 990_043)), Err(vec![PriceIssue::ProviderNotAllowed]), "{number}");
    }
    assert!(price(&tables, &asked(&provider(), 990_043)).is_ok());
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let (tables, other) = (all(), Nihdi::parse("12345625001").expect("it is a number"));
    let mut asked = asked(&other, 990_043);
    (asked.units, asked.person.affiliation) = (0, None);
    let issues = [PriceIssue::NoUnits, PriceIssue::ProviderNotAllowed, PriceIssue::NoMutuality];
    assert_eq!(price(&tables, &asked), Err(issues.to_vec()));
}

#[test]
fn a_scheme_that_changes_hands_goes_to_the_new_payer_from_that_day() {
    let (tables, provider) = (all(), provider());
    let on = |first: &str, last: &str| {
        let asked = Asked { first_day: day(first), last_day: day(last), ..asked(&provider, 992_025) };
        price(&tables, &asked).map(|priced| (priced.channel, priced.payer, priced.federation))
    };
    assert_eq!(on("2022-09-30", "2022-09-30"), Ok((Channel::Efact, 131, 100)));
    assert_eq!(on("2022-10-01", "2022-10-01"), Ok((Channel::Vsb, 801, 801)));
    assert_eq!(on("2022-09-30", "2022-10-01"), Err(vec![PriceIssue::ChangesWithin]));
    assert_eq!(on("2018-12-31", "2018-12-31"), Err(vec![PriceIssue::NoChannel]));
}

#[test]
fn first_line_psychologists_never_bill_by_efact() {
    let (tables, provider) = (all(), provider());
    let priced = price(&tables, &asked(&provider, 991_012)).expect("it has a price");
    assert_eq!((priced.channel, priced.units_left), (Channel::MhcPortal, Some(7)));
    let before = Asked { first_day: day("2021-08-31"), last_day: day("2021-08-31"), ..asked(&provider, 991_012) };
    assert_eq!(price(&tables, &before), Err(vec![PriceIssue::NoChannel]));
}

#[test]
fn amounts_are_those_of_the_day_the_class_and_the_units() {
    let (tables, provider) = (all(), provider());
    let amounts = |asked: Asked<'_>| {
        let priced = price(&tables, &asked).expect("it has a price");
        (priced.amount.0, priced.share.0, priced.supplement.0)
    };
    let normal = asked(&provider, 990_010);
    assert_eq!(amounts(normal), (4_000, 1_200, 100));
    let increased = Insured { ct1: Some(111), ct2: Some(111), ..normal.person };
    assert_eq!(amounts(Asked { person: increased, ..normal }), (4_900, 300, 100));
    assert_eq!(amounts(Asked { units: 3, ..normal }), (12_000, 3_600, 300));
    let later = Asked { first_day: day("2026-07-01"), last_day: day("2026-07-01"), ..normal };
    assert_eq!(amounts(later), (4_100, 1_200, 100));
    let stated = Stated { amount: Some(Cents(8_000)), share: None, supplement: Some(Cents(200)) };
    assert_eq!(amounts(Asked { units: 2, stated, ..normal }), (8_000, 2_400, 200));
    let stated = Stated { amount: Some(Cents(5_555)), share: Some(Cents(55)), supplement: None };
    assert_eq!(amounts(Asked { stated, ..asked(&provider, 990_054) }), (5_555, 55, 0));
}

#[test]
fn a_share_that_is_a_record_of_its_own_is_named_by_its_code() {
    let (tables, provider) = (all(), provider());
    let priced = price(&tables, &asked(&provider, 992_025)).expect("it has a price");
    assert_eq!((priced.record, priced.share_record, priced.share), (RecordKind::Stay, Some(992_036), Cents(1_500)));
}

#[test]
fn a_contact_finds_its_tariff_by_kind_length_and_provider() {
    let (tables, provider) = (all(), provider());
    let found = |class, types: &[&str], minutes| {
        let contact = Contact { class, types, minutes };
        tables.of_contact(&contact, &provider, day("2026-03-02")).map(|tariff| tariff.code)
    };
    assert_eq!(found("VR", &[], None), Err(PriceIssue::NoTariff));
    assert_eq!(found("AMB", &["first-line"], Some(29)), Ok(990_010), "too short for a session");
    assert_eq!(found("AMB", &["first-line"], Some(30)), Ok(991_012), "what names the type goes before");
    assert_eq!(found("AMB", &[], None), Ok(990_010));
    let twins = tables_of_two();
    let contact = Contact { class: "AMB", types: &[], minutes: None };
    assert_eq!(twins.of_contact(&contact, &provider, day("2026-03-02")).err(), Some(PriceIssue::Ambiguous));
}

fn tables_of_two() -> Tables {
    tables(&[PLAIN, "990065;;50;3;;;40;12;;;;;;;;;AMB;;\n"])
}

#[test]
fn a_limit_names_what_is_counted_and_when() {
    let tables = all();
    let window = tables.limit_of(990_021, day("2026-03-02")).expect("it has a limit");
    assert_eq!(window.codes, [990_021, 990_032], "of one group");
    assert_eq!((window.first_day, window.last_day, window.units_max), (day("2026-01-01"), day("2026-12-31"), 10));
    let rolling = tables.limit_of(991_012, day("2026-03-02")).expect("it has a limit");
    assert_eq!((rolling.first_day, rolling.last_day), (day("2025-03-03"), day("2026-03-02")));
    assert_eq!((rolling.codes.as_slice(), tables.limit_of(990_010, day("2026-03-02"))), (&[991_012][..], None));
}

#[test]
fn a_mutuality_leads_to_its_federation_and_destination() {
    let tables = all();
    let found = |number| tables.mutuality(number, day("2026-03-02")).map(|to| (to.payer, to.federation));
    for (number, expected) in [
        (131, Some((131, 100))),
        (304, Some((300, 300))),
        (306, Some((306, 300))),
        (325, Some((300, 300))),
        (511, Some((511, 500))),
        (690, Some((690, 690))),
        (601, Some((601, 600))),
        (910, Some((910, 900))),
        (0, None),
        (99, None),
        (700, None),
        (801, None),
    ] {
        assert_eq!(found(number), expected, "{number}");
    }
    assert_eq!(tables.insurer_name(306, day("2026-03-02"), Language::Nl), Some("Solidaris"));
    assert_eq!(tables.insurer_name(801, day("2026-03-02"), Language::Nl), Some("Verzonnen zorgkas"));
}

#[test]
fn the_tables_of_the_sandbox_say_that_they_are_made_up() {
    let tables = Tables::sandbox();
    assert!(tables.tariffs().len() > 5);
    for tariff in tables.tariffs() {
        assert!(tariff.text(Language::Nl).starts_with("Verzonnen"), "{tariff:?}");
        assert!(crate::billing::code_holds(tariff.code), "{}", tariff.code);
        assert!(tariff.share_record.is_none_or(crate::billing::code_holds), "{tariff:?}");
    }
    assert!(Tables::read(&Files::default()).expect("what we ship is right").tariffs().is_empty(), "no tariff is real");
}

#[test]
fn every_issue_has_words_in_every_language_and_stops_the_line() {
    for issue in PriceIssue::ALL {
        for language in Language::ALL {
            assert!(explain(issue.code(), language).text.is_some(), "{}", issue.code());
        }
        assert!(issue.severity() >= Severity::Record, "{}", issue.code());
    }
}

const DOCUMENTATION: &str = include_str!("../../../docs/tariffs.md");

/// The rows of a table of columns in the documentation: its names in English, Dutch and French.
pub(crate) fn documented(heading: &str) -> Vec<[String; 3]> {
    let section =
        DOCUMENTATION.split("\n## ").find(|section| section.starts_with(heading)).expect("it has this section");
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let names = rows.map(|row| {
        let cells: Vec<String> = row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
        [cells[1].clone(), cells[2].clone(), cells[3].clone()]
    });
    names.collect()
}

#[test]
fn the_documentation_names_every_column_in_three_languages() {
    type Read = fn(&[u8]) -> bool;
    let (tariffs, channels, insurers): (Read, Read, Read) = (
        |text| Tables::read(&Files { tariffs: Some(text), ..Files::default() }).is_ok(),
        |text| Tables::read(&Files { channels: Some(text), ..Files::default() }).is_ok(),
        |text| Tables::read(&Files { mutualities: Some(text), ..Files::default() }).is_ok(),
    );
    for (heading, count, read) in [("Tariffs\n", 26, tariffs), ("Channels\n", 6, channels), ("Insurers\n", 9, insurers)]
    {
        let columns = documented(heading);
        assert_eq!(columns.len(), count, "{heading}");
        for language in 0..3 {
            let header: Vec<&str> = columns.iter().map(|names| names[language].as_str()).collect();
            assert!(read(header.join(";").as_bytes()), "{header:?}");
        }
    }
}

#[test]
fn the_example_of_the_documentation_is_read() {
    let example = DOCUMENTATION.split("```csv\n").nth(1).and_then(|rest| rest.split("```").next());
    let text = example.expect("there is an example").as_bytes();
    let tables = Tables::read(&Files { tariffs: Some(text), ..Files::default() }).expect("it is right");
    let amount = |on| tables.tariff(990_010, day(on)).and_then(|tariff| tariff.normal).map(|amounts| amounts.amount);
    assert_eq!(
        [amount("2024-12-31"), amount("2025-12-31"), amount("2026-01-01")],
        [None, Some(Cents(4_000)), Some(Cents(4_250))]
    );
}

#[test]
fn the_documentation_names_every_code_of_a_price() {
    for issue in PriceIssue::ALL {
        let short = issue.code().trim_start_matches("wellgate-tariff");
        assert!(DOCUMENTATION.contains(&format!("`{short}`")) || DOCUMENTATION.contains(issue.code()), "{short}");
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn units_never_change_what_one_costs(units in 1_u16..2_000, is_increased in any::<bool>()) {
            let (tables, provider) = (all(), provider());
            let mut asked = asked(&provider, 990_010);
            let code = if is_increased { 111 } else { 110 };
            (asked.units, asked.person.ct1, asked.person.ct2) = (units, Some(code), Some(code));
            let one = price(&tables, &Asked { units: 1, ..asked }).expect("one has a price");
            let all = price(&tables, &asked).expect("all have a price");
            let times = |cents: Cents| Cents(cents.0 * i64::from(units));
            prop_assert_eq!((all.amount, all.share, all.supplement), (times(one.amount), times(one.share), times(one.supplement)));
        }

        #[test]
        fn a_limit_is_never_passed(used in 0_u32..20, units in 1_u16..20) {
            let (tables, provider) = (all(), provider());
            let priced = price(&tables, &Asked { units, used, ..asked(&provider, 990_021) });
            match priced {
                Ok(priced) => prop_assert_eq!(priced.units_left, Some(10 - used - u32::from(units))),
                Err(issues) => prop_assert!(issues == [PriceIssue::LimitPassed] && used + u32::from(units) > 10),
            }
        }

        #[test]
        fn no_bytes_make_a_table_fail_otherwise_than_by_an_issue(bytes in proptest::collection::vec(any::<u8>(), 0..300), row in "[0-9a-z;.,/?-]{0,80}") {
            let text = [HEAD.as_bytes(), row.as_bytes(), b"\n", &bytes].concat();
            for files in [
                Files { tariffs: Some(&text), ..Files::default() },
                Files { channels: Some(&bytes), ..Files::default() },
                Files { mutualities: Some(&bytes), insurability: Some(&bytes), ..Files::default() },
            ] {
                prop_assert!(Tables::read(&files).err().is_none_or(|issues| !issues.is_empty()));
            }
        }
    }
}
