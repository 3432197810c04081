//! The made-up centre of the billing story: who came, what for, what is entered wrongly, how that is mended, and what an insurer owes. Pure.

use crate::clock::{format_instant, parse_instant};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// At least so many people, so that each kind of service and of error is among them.
const PEOPLE_MIN: usize = 20;
/// Whose contacts come from the record system; one in so many.
const BY_RECORD_SYSTEM: usize = 10;
/// Who treats: its check digits hold, and it is nobody's.
pub(super) const PROVIDER: &str = "12345625004";
const MUTUALITIES: [u16; 5] = [131, 206, 306, 403, 509];
const CARE_FUNDS: [u16; 2] = [701, 702];

/// A service: its code, class and type of its contact, and what the insurer pays, in general and for those with increased allowance. As a
/// printed list of tariffs has it: the gateway has its own.
struct Service {
    code: u32,
    class: &'static str,
    contact_type: &'static str,
    cents: [i64; 2],
}

const fn service(code: u32, class: &'static str, contact_type: &'static str, cents: [i64; 2]) -> Service {
    Service { code, class, contact_type, cents }
}

const SERVICES: [Service; 6] = [
    service(990_010, "AMB", "", [4_250, 5_150]),
    service(990_021, "HH", "", [5_500, 6_600]),
    service(990_032, "AMB", "psychotherapy", [6_000, 7_400]),
    service(991_012, "AMB", "first-line", [6_400, 7_100]),
    service(992_014, "AMB", "rehabilitation", [9_500, 9_680]),
    service(992_025, "AMB", "rehabilitation-day", [21_000, 22_000]),
];
/// The one that goes by the portal, and in no file.
const PORTAL: usize = 3;
/// From here on the care fund pays.
const OF_CARE_FUNDS: usize = 4;

/// The heads of a file, in the order of [`Row::cells`].
const HEADS: &str = "insz;naam;geslacht;ziekenfonds;ct1;ct2;zorgkas;datum;totenmet;prestatiecode;aantal;zorgverlener;bedrag;conventie;\
    akkoorddatum;opnamedatum;voorschrijver;voorschriftdatum;referentie";

/// A row of a file, as a clerk types it.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    ssin: String,
    pub(super) name: String,
    sex: String,
    pub(super) mutuality: String,
    pub(super) ct1: String,
    pub(super) ct2: String,
    pub(super) care_fund: String,
    pub(super) day: String,
    last_day: String,
    pub(super) code: String,
    units: String,
    provider: String,
    amount: String,
    convention: String,
    agreed: String,
    admitted: String,
    prescriber: String,
    prescribed: String,
    reference: String,
}

impl Row {
    fn cells(&self) -> String {
        let Self { ssin, name, sex, mutuality, ct1, ct2, care_fund, day, last_day, code, units, provider, .. } = self;
        let Self { amount, convention, agreed, admitted, prescriber, prescribed, reference, .. } = self;
        [
            ssin, name, sex, mutuality, ct1, ct2, care_fund, day, last_day, code, units, provider, amount, convention,
            agreed, admitted, prescriber, prescribed, reference,
        ]
        .map(String::as_str)
        .join(";")
    }
}

/// Rows as a file.
pub(super) fn sheet(rows: &[Row]) -> String {
    let rows: Vec<String> = [HEADS.to_owned()].into_iter().chain(rows.iter().map(Row::cells)).collect();
    rows.join("\r\n") + "\r\n"
}

/// What is wrong with a row of a file: it is told before anything is taken in.
pub(super) const OF_SHEET: [fn(&mut Row); 9] = [
    |row| "gisteren".clone_into(&mut row.day),
    |row| "1999-12-31".clone_into(&mut row.last_day),
    |row| "0".clone_into(&mut row.units),
    |row| "1,2345".clone_into(&mut row.amount),
    |row| row.ssin.truncate(9),
    |row| row.ssin.replace_range(9.., "00"),
    |row| "12345626004".clone_into(&mut row.provider),
    |row| row.ct2.clear(),
    |row| row.code.clear(),
];

/// How a clerk mends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mend {
    /// Types into its form what it should have been.
    Correct,
    /// Takes it out, and enters it anew.
    Anew,
    /// Takes it out: it was never to be billed.
    Out,
}

/// What is wrong with a line: the code that the check says it by, which service it is, what makes it so, and how it is mended.
pub(super) struct Fault {
    pub(super) code: &'static str,
    service: usize,
    spoil: fn(&mut Row, &Centre),
    pub(super) mend: Mend,
}

const fn fault(code: &'static str, service: usize, mend: Mend, spoil: fn(&mut Row, &Centre)) -> Fault {
    Fault { code, service, spoil, mend }
}

const FAULTS: [Fault; 10] = [
    fault("wellgate-tariff-none", 0, Mend::Correct, |row, _| "123454".clone_into(&mut row.code)),
    fault("wellgate-tariff-not-on-day", 0, Mend::Correct, |row, _| "2022-02-02".clone_into(&mut row.day)),
    fault("500510", 0, Mend::Correct, |row, centre| row.day = centre.days_from_now(3)),
    fault("wellgate-tariff-limit", 2, Mend::Correct, |row, _| "101".clone_into(&mut row.units)),
    fault("502014", 0, Mend::Correct, |row, centre| {
        "18334780004".clone_into(&mut row.prescriber);
        row.prescribed = centre.days_from_now(0);
    }),
    fault("wellgate-tariff-amount", 0, Mend::Anew, |row, _| "0,01".clone_into(&mut row.amount)),
    fault("202010", 4, Mend::Anew, |row, _| row.agreed.clear()),
    fault("300546", 4, Mend::Out, |row, centre| row.day = centre.days_from_now(-800)),
    fault("500544", 0, Mend::Out, |_, _| {}),
    fault("300544", 5, Mend::Out, |_, _| {}),
];

/// Makes a row wrong.
type Spoil = fn(&mut Row);

/// What is wrong with somebody, and so with all their lines: the last people of the list.
pub(super) const OF_PEOPLE: [(&str, Spoil); 6] = [
    ("wellgate-tariff-no-mutuality", |row| row.mutuality.clear()),
    ("wellgate-tariff-mutuality", |row| "801".clone_into(&mut row.mutuality)),
    ("wellgate-tariff-no-care-fund", |row| row.care_fund.clear()),
    ("wellgate-tariff-care-fund", |row| "799".clone_into(&mut row.care_fund)),
    ("wellgate-tariff-no-insurability", |row| {
        row.ct1.clear();
        row.ct2.clear();
    }),
    ("wellgate-tariff-insurability", |row| {
        "114".clone_into(&mut row.ct1);
        "114".clone_into(&mut row.ct2);
    }),
];

/// A row that is entered wrongly.
pub(super) struct Seeded {
    /// As it is entered.
    pub(super) entered: Row,
    /// As it should have been.
    pub(super) right: Row,
    pub(super) fault: &'static Fault,
}

impl Seeded {
    /// What a clerk types into the form of the line.
    pub(super) fn typed(&self) -> Vec<(&'static str, String)> {
        let Row { day, code, units, .. } = self.right.clone();
        let mut typed = vec![("code", code), ("first_day", day.clone()), ("last_day", day.clone()), ("units", units)];
        if !self.entered.prescriber.is_empty() {
            typed.extend([("prescriber", self.entered.prescriber.clone()), ("prescribed", day)]);
        }
        typed
    }
}

/// The contact of somebody of the record system.
pub(super) struct Contact {
    /// `2026-02-05`.
    pub(super) day: String,
    pub(super) class: &'static str,
    /// The code of its type; may be empty.
    pub(super) kind: &'static str,
}

/// Somebody whose contacts come from the record system.
pub(super) struct Recorded {
    pub(super) row: Row,
    pub(super) ssin: String,
    pub(super) is_female: bool,
    pub(super) contacts: Vec<Contact>,
}

/// The centre, the month before the moment of the story, and how much happened in it.
pub(super) struct Centre {
    pub(super) contacts: usize,
    pub(super) people: usize,
    /// `2026-02`.
    pub(super) month: String,
    month_begins_ms: i64,
    now_ms: i64,
}

impl Centre {
    /// A centre with so many contacts.
    pub(super) fn new(contacts: usize, now_ms: i64) -> Self {
        let midnight = |day: &str| parse_instant(&format!("{day}T00:00:00Z")).unwrap_or(now_ms);
        let first = |moment_ms: i64| format!("{}-01", format_instant(moment_ms).chars().take(7).collect::<String>());
        let month_begins_ms = midnight(&first(midnight(&first(now_ms)) - DAY_MS));
        let month = format_instant(month_begins_ms).chars().take(7).collect();
        Self { contacts, people: PEOPLE_MIN.max(contacts * 3 / 20), month, month_begins_ms, now_ms }
    }

    fn day_of(moment_ms: i64) -> String {
        format_instant(moment_ms).chars().take(10).collect()
    }

    fn days_from_now(&self, days: i64) -> String {
        Self::day_of(self.now_ms + days * DAY_MS)
    }

    /// The service of a contact.
    fn service_of(&self, contact: usize) -> usize {
        match (contact + 3 * (contact / self.people)) % 10 {
            0..=4 => 0,
            5 => 1,
            6 => 2,
            7 => PORTAL,
            8 => 4,
            _ => 5,
        }
    }

    /// A contact as it was, entered under a name.
    fn row(&self, contact: usize, reference: &str) -> Row {
        let person = contact % self.people;
        let service = self.service_of(contact);
        let three = |number: u16| format!("{number:03}");
        let ct = if person.is_multiple_of(3) { "111" } else { "110" };
        let mut row = Row {
            ssin: ssin(person),
            name: format!("Testpersoon {person}"),
            sex: if is_female(person) { "2" } else { "1" }.to_owned(),
            mutuality: three(MUTUALITIES[person % MUTUALITIES.len()]),
            ct1: ct.to_owned(),
            ct2: ct.to_owned(),
            care_fund: three(CARE_FUNDS[person % CARE_FUNDS.len()]),
            day: format!("{}-{:02}", self.month, 1 + 4 * (contact / self.people)),
            code: SERVICES[service].code.to_string(),
            units: "1".to_owned(),
            provider: PROVIDER.to_owned(),
            reference: format!("{reference}-{contact}"),
            ..Row::default()
        };
        if service >= OF_CARE_FUNDS {
            "77200221000".clone_into(&mut row.convention);
            row.agreed = Self::day_of(self.month_begins_ms - 12 * DAY_MS);
            row.admitted = Self::day_of(self.month_begins_ms - 7 * DAY_MS);
        }
        row
    }

    fn recorded_people(&self) -> usize {
        self.people / BY_RECORD_SYSTEM
    }

    fn first_wrong(&self) -> usize {
        self.people - OF_PEOPLE.len()
    }

    /// Whether a contact comes from the record system: what a care fund pays needs more than a contact says.
    fn is_recorded(&self, contact: usize) -> bool {
        contact % self.people < self.recorded_people() && self.service_of(contact) < OF_CARE_FUNDS
    }

    /// The contacts of the record system, by person.
    pub(super) fn recorded(&self) -> Vec<Recorded> {
        let of_person = |person: usize| {
            let contacts = (person..self.contacts).step_by(self.people).filter(|contact| self.is_recorded(*contact));
            let contact = |contact: usize| {
                let Service { class, contact_type, .. } = SERVICES[self.service_of(contact)];
                Contact { day: self.row(contact, "").day, class, kind: contact_type }
            };
            Recorded {
                row: self.row(person, ""),
                ssin: ssin(person),
                is_female: is_female(person),
                contacts: contacts.map(contact).collect(),
            }
        };
        (0..self.recorded_people()).map(of_person).collect()
    }

    /// Everything else, as it is entered, and what is wrong with it.
    pub(super) fn entered(&self) -> (Vec<Row>, Vec<Seeded>) {
        let times = if self.contacts < 1_000 { 1 } else { 3 };
        let (mut rows, mut seeded): (Vec<Row>, Vec<Seeded>) = <_>::default();
        let mut wanted: Vec<&'static Fault> =
            FAULTS.iter().flat_map(|fault| std::iter::repeat_n(fault, times)).collect();
        for contact in (0..self.contacts).filter(|contact| !self.is_recorded(*contact)) {
            let (person, service) = (contact % self.people, self.service_of(contact));
            let mut row = self.row(contact, "contact");
            if let Some((_, spoil)) = person.checked_sub(self.first_wrong()).and_then(|at| OF_PEOPLE.get(at)) {
                spoil(&mut row);
                rows.push(row);
                continue;
            }
            let at = wanted.iter().position(|fault| fault.service == service);
            let Some(fault) = at.filter(|_| person >= self.recorded_people()).map(|at| wanted.remove(at)) else {
                rows.push(row);
                continue;
            };
            let is_beside = fault.mend == Mend::Out;
            let name = if is_beside { "beside" } else { "contact" };
            let mut entered = self.row(contact, name);
            (fault.spoil)(&mut entered, self);
            // What was never to be billed comes beside the one that is right.
            rows.extend(is_beside.then(|| row.clone()));
            rows.push(entered.clone());
            seeded.push(Seeded { entered, right: self.row(contact, "anew"), fault });
        }
        (rows, seeded)
    }

    /// How somebody is insured, who was entered wrongly.
    pub(super) fn insured(&self, name: &str) -> Option<Row> {
        let person = (self.first_wrong()..self.people).find(|person| format!("Testpersoon {person}") == name)?;
        Some(self.row(person, ""))
    }

    /// The code by which a check says what is wrong with somebody; none where nothing is.
    pub(super) fn wrong_with(&self, name: &str) -> Option<&'static str> {
        let person = (self.first_wrong()..self.people).find(|person| format!("Testpersoon {person}") == name)?;
        OF_PEOPLE.get(person - self.first_wrong()).map(|(code, _)| *code)
    }

    /// Every code that a check must find.
    pub(super) fn codes() -> impl Iterator<Item = &'static str> {
        FAULTS.iter().map(|fault| fault.code).chain(OF_PEOPLE.iter().map(|(code, _)| *code))
    }

    /// What is owed for everything that was done: payer and cents of each contact that goes in a file.
    pub(super) fn owed(&self) -> impl Iterator<Item = (i64, i64)> {
        (0..self.contacts).filter(|contact| self.service_of(*contact) != PORTAL).map(|contact| {
            let (person, service) = (contact % self.people, self.service_of(contact));
            let payer = if service < OF_CARE_FUNDS {
                MUTUALITIES[person % MUTUALITIES.len()]
            } else {
                CARE_FUNDS[person % CARE_FUNDS.len()]
            };
            (i64::from(payer), SERVICES[service].cents[usize::from(person.is_multiple_of(3))])
        })
    }
}

/// Numbers are given in their order, odd ones to men.
fn serial(person: usize) -> usize {
    1 + person / 28
}

fn is_female(person: usize) -> bool {
    serial(person).is_multiple_of(2)
}

/// The national number of somebody made up, born in the nineteen-seventies: no two have the same.
fn ssin(person: usize) -> String {
    let nine = format!("7{}{:02}{:02}{:03}", person % 10, 1 + person % 12, 1 + person % 28, serial(person));
    format!("{nine}{:02}", 97 - nine.parse::<u64>().unwrap_or(0) % 97)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// 2026-03-01T12:00:00Z.
    const NOW_MS: i64 = 1_772_366_400_000;

    #[test]
    fn the_month_is_the_one_before() {
        assert_eq!(Centre::new(100, NOW_MS).month, "2026-02");
        assert_eq!(Centre::new(100, NOW_MS - 40 * DAY_MS).month, "2025-12");
    }

    #[test]
    fn no_two_people_have_the_same_number() {
        let numbers: BTreeSet<String> = (0..750).map(ssin).collect();
        assert_eq!(numbers.len(), 750);
    }

    #[test]
    fn small_or_large_every_fault_is_entered_and_every_contact_once() {
        for (contacts, times) in [(100, 1), (2_000, 3), (5_000, 3)] {
            let centre = Centre::new(contacts, NOW_MS);
            let (rows, seeded) = centre.entered();
            assert_eq!(seeded.len(), FAULTS.len() * times, "{contacts}");
            let beside = seeded.iter().filter(|one| one.fault.mend == Mend::Out).count();
            let recorded: usize = centre.recorded().iter().map(|one| one.contacts.len()).sum();
            assert_eq!(rows.len() - beside + recorded, contacts);
            assert!(recorded > 0, "{contacts}");
            let payers: BTreeSet<i64> = centre.owed().map(|(payer, _)| payer).collect();
            assert_eq!(payers.len(), 7, "{contacts}");
        }
    }
}
