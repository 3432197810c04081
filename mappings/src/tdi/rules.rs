//! The rules that a record is held to before it is sent.
//!
//! They are ours, made from what the register publishes; its own are still to be confirmed (`docs/tdi.md`).

use super::contact::Contact;
use super::date::Date;
use super::episode::{Episode, EpisodeDecision, decide_episode};
use super::link;
use super::record::{Answer, TreatmentDemand};
use super::table::{Item, Language, Table};

/// Month and day by which the year before must be complete.
const DEADLINE: (u8, u8) = (3, 31);

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The record is not sent.
    Error,
    /// The record is sent, and somebody should look.
    Warning,
}

impl Severity {
    /// The code of an OperationOutcome.
    pub fn code(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// What a record may offend against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// An item that must be answered is not.
    Missing,
    /// An item or a code does not count on the first day.
    NotValidThen,
    /// An item is answered that its condition excludes.
    NotAsked,
    /// The treatment begins after today.
    StartInFuture,
    /// The first day is not that of the contact.
    StartDiffers,
    /// The contact is none face to face, or one of an emergency department.
    ContactExcluded,
    /// A stay in a centre that has none, or a visit where there are only stays.
    ClassDiffers,
    /// First use later than the present age.
    FirstUseAfterAge,
    /// First injection later than the present age.
    FirstInjectionAfterAge,
    /// First substitution treatment later than the present age.
    FirstSubstitutionAfterAge,
    /// Age and year of birth contradict each other.
    AgeDiffers,
    /// The primary substance stands among the others too.
    PrimaryAmongOthers,
    /// Other substances are named and said not to be, or the other way round.
    PolydrugDiffers,
    /// The number is said to be known, and there is no pseudonym.
    PseudonymMissing,
    /// There is a pseudonym, though the person has no number or does not want it to be used.
    PseudonymUnwanted,
    /// The person was seen in this centre within six months.
    NotANewEpisode,
    /// The contact lies less than six months before an episode that is registered.
    BeforeEpisode,
    /// The year should have been complete by now.
    Late,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 18] = [
        Self::Missing,
        Self::NotValidThen,
        Self::NotAsked,
        Self::StartInFuture,
        Self::StartDiffers,
        Self::ContactExcluded,
        Self::ClassDiffers,
        Self::FirstUseAfterAge,
        Self::FirstInjectionAfterAge,
        Self::FirstSubstitutionAfterAge,
        Self::AgeDiffers,
        Self::PrimaryAmongOthers,
        Self::PolydrugDiffers,
        Self::PseudonymMissing,
        Self::PseudonymUnwanted,
        Self::NotANewEpisode,
        Self::BeforeEpisode,
        Self::Late,
    ];

    /// The stable code, the severity, and the words in nl, fr and en.
    #[rustfmt::skip]
    fn row(self) -> (&'static str, Severity, [&'static str; 3]) {
        use Severity::{Error, Warning};
        match self {
            Self::Missing => ("tdi-missing", Error, ["Deze vraag moet beantwoord zijn.", "Il faut répondre à cette question.", "This item must be answered."]),
            Self::NotValidThen => ("tdi-not-valid-then", Error, ["Dit geldt niet op de eerste dag van de behandeling.", "Cela ne vaut pas au premier jour du traitement.", "This does not count on the first day of the treatment."]),
            Self::NotAsked => ("tdi-not-asked", Error, ["Deze vraag wordt niet gesteld bij de andere antwoorden.", "Cette question ne se pose pas vu les autres réponses.", "This item is not asked, given the other answers."]),
            Self::StartInFuture => ("tdi-start-in-future", Error, ["De eerste dag ligt in de toekomst.", "Le premier jour est dans le futur.", "The first day is in the future."]),
            Self::StartDiffers => ("tdi-start-differs", Error, ["De eerste dag is niet die van het contact.", "Le premier jour n'est pas celui du contact.", "The first day is not that of the contact."]),
            Self::ContactExcluded => ("tdi-contact-excluded", Error, ["Alleen een persoonlijk contact buiten een spoedgevallendienst wordt geregistreerd.", "Seul un contact en personne, hors urgences, est enregistré.", "Only a contact in person, outside of an emergency department, is registered."]),
            Self::ClassDiffers => ("tdi-class-differs", Warning, ["Het contact past niet bij het soort centrum.", "Le contact ne correspond pas au type de centre.", "The contact does not fit the type of centre."]),
            Self::FirstUseAfterAge => ("tdi-first-use-after-age", Error, ["Het eerste gebruik ligt na de huidige leeftijd.", "Le premier usage est postérieur à l'âge actuel.", "The first use is later than the present age."]),
            Self::FirstInjectionAfterAge => ("tdi-first-injection-after-age", Error, ["De eerste keer spuiten ligt na de huidige leeftijd.", "La première injection est postérieure à l'âge actuel.", "The first injection is later than the present age."]),
            Self::FirstSubstitutionAfterAge => ("tdi-first-substitution-after-age", Error, ["De eerste substitutiebehandeling ligt na de huidige leeftijd.", "Le premier traitement de substitution est postérieur à l'âge actuel.", "The first substitution treatment is later than the present age."]),
            Self::AgeDiffers => ("tdi-age-differs", Error, ["Leeftijd en geboortejaar spreken elkaar tegen.", "L'âge et l'année de naissance se contredisent.", "Age and year of birth contradict each other."]),
            Self::PrimaryAmongOthers => ("tdi-primary-among-others", Error, ["Het voornaamste middel staat ook bij de andere.", "La substance principale figure aussi parmi les autres.", "The primary substance is among the others too."]),
            Self::PolydrugDiffers => ("tdi-polydrug-differs", Warning, ["Of er andere middelen zijn, wordt twee keer anders beantwoord.", "La présence d'autres substances est répondue de deux manières.", "Whether there are other substances is answered in two ways."]),
            Self::PseudonymMissing => ("tdi-pseudonym-missing", Error, ["Het rijksnummer is niet gekend in het dossier.", "Le numéro national n'est pas connu au dossier.", "The record does not have the national number."]),
            Self::PseudonymUnwanted => ("tdi-pseudonym-unwanted", Error, ["Er mag geen pseudoniem zijn.", "Il ne peut y avoir de pseudonyme.", "There must be no pseudonym."]),
            Self::NotANewEpisode => ("tdi-not-a-new-episode", Error, ["Dit contact hoort bij een episode die er al is.", "Ce contact fait partie d'un épisode existant.", "This contact belongs to an episode that exists."]),
            Self::BeforeEpisode => ("tdi-before-episode", Error, ["Dit contact ligt minder dan zes maanden voor een episode die er al is: verbeter die.", "Ce contact précède de moins de six mois un épisode existant : corrigez celui-ci.", "This contact lies less than six months before an episode that exists: correct that one."]),
            Self::Late => ("tdi-late", Warning, ["Het jaar had op 31 maart volledig moeten zijn.", "L'année devait être complète au 31 mars.", "The year should have been complete by 31 March."]),
        }
    }

    /// The stable code.
    pub fn code(self) -> &'static str {
        self.row().0
    }

    /// The rule with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.code() == code)
    }

    /// How much it weighs.
    pub fn severity(self) -> Severity {
        self.row().1
    }

    /// What it says, in a language.
    pub fn text(self, language: Language) -> &'static str {
        let [nl, fr, en] = self.row().2;
        match language {
            Language::Nl => nl,
            Language::Fr => fr,
            Language::En => en,
        }
    }
}

/// One rule that a record offends against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The link id of the item.
    pub item: String,
}

/// What is known beside the record itself.
#[derive(Clone, Copy, Debug)]
pub struct Known<'k> {
    /// The contact with which the treatment begins; none where the record stands alone.
    pub contact: Option<&'k Contact>,
    /// The person's episodes in the same centre that are registered, but for one that the record corrects.
    pub episodes: &'k [Episode],
    /// The day on which it is asked.
    pub today: Date,
}

/// Everything that is wrong with a record, in the order of the rules; empty where it may be sent without a word.
pub fn validate(table: &Table, record: &TreatmentDemand, known: &Known<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |rule: Rule, item: &str| findings.push(Finding { rule, item: item.to_owned() });
    for item in table.items().iter().filter(|item| item.is_asked()) {
        if let Some(rule) = of_item(record, item) {
            find(rule, &item.link_id);
        }
    }
    for (item, rule) in of_time(record, known) {
        find(rule, item);
    }
    for (item, rule) in [
        (link::FIRST_USE_AGE, Rule::FirstUseAfterAge),
        (link::FIRST_INJECTION_AGE, Rule::FirstInjectionAfterAge),
        (link::FIRST_SUBSTITUTION_AGE, Rule::FirstSubstitutionAfterAge),
    ] {
        if record.whole(item).zip(record.whole(link::AGE)).is_some_and(|(then, now)| then > now) {
            find(rule, item);
        }
    }
    if !is_age_of_birth_year(record) {
        find(Rule::AgeDiffers, link::BIRTH_YEAR);
    }
    let others = record.answer(link::OTHER_SUBSTANCES).map(Answer::codes).unwrap_or_default();
    if record.code(link::PRIMARY_SUBSTANCE).is_some_and(|primary| others.contains(&primary)) {
        find(Rule::PrimaryAmongOthers, link::OTHER_SUBSTANCES);
    }
    if record.code(link::POLYDRUG).is_some_and(|says| (says == "yes") == others.is_empty()) {
        find(Rule::PolydrugDiffers, link::POLYDRUG);
    }
    match (record.code(link::NATIONAL_NUMBER), record.pseudonym()) {
        (Some("known"), None) => find(Rule::PseudonymMissing, link::PSEUDONYM),
        (Some("none" | "refused"), Some(_)) => find(Rule::PseudonymUnwanted, link::PSEUDONYM),
        _ => {}
    }
    findings.sort_by_key(|finding| finding.rule);
    findings
}

fn of_item(record: &TreatmentDemand, item: &Item) -> Option<Rule> {
    let Some(answer) = record.answer(&item.link_id) else {
        return (item.is_required && record.is_asked(item)).then_some(Rule::Missing);
    };
    let counts = |code: &str| item.code(code).is_some_and(|code| code.validity.covers(record.started()));
    if !item.validity.covers(record.started()) || !answer.codes().into_iter().all(counts) {
        return Some(Rule::NotValidThen);
    }
    (!record.is_asked(item)).then_some(Rule::NotAsked)
}

fn of_time(record: &TreatmentDemand, known: &Known<'_>) -> Vec<(&'static str, Rule)> {
    let mut found = Vec::new();
    let started = record.started();
    if started > known.today {
        found.push((link::TREATMENT_START, Rule::StartInFuture));
    }
    if let Some(contact) = known.contact {
        if contact.started != started {
            found.push((link::TREATMENT_START, Rule::StartDiffers));
        }
        found.extend(of_class(record, contact.class.as_deref()).map(|rule| (link::CENTRE_TYPE, rule)));
    }
    match decide_episode(known.episodes, started, record.is_residential()) {
        EpisodeDecision::New => {}
        EpisodeDecision::Continues(_) => found.push((link::TREATMENT_START, Rule::NotANewEpisode)),
        EpisodeDecision::Precedes(_) => found.push((link::TREATMENT_START, Rule::BeforeEpisode)),
    }
    if is_late(started, known.today) {
        found.push((link::TREATMENT_START, Rule::Late));
    }
    found
}

/// Whether a year's records should have been complete on a day: they are due on 31 March of the next.
pub(super) fn is_late(started: Date, on: Date) -> bool {
    let deadline = Date::new(started.year().saturating_add(1), DEADLINE.0, DEADLINE.1);
    deadline.is_some_and(|deadline| on > deadline)
}

fn of_class(record: &TreatmentDemand, class: Option<&str>) -> Option<Rule> {
    match class? {
        "VR" | "EMER" => Some(Rule::ContactExcluded),
        "IMP" | "ACUTE" | "NONAC" => (!record.is_residential()).then_some(Rule::ClassDiffers),
        "AMB" => record.is_residential().then_some(Rule::ClassDiffers),
        _ => None,
    }
}

/// Somebody's age is the difference of the years, or one less before the birthday.
fn is_age_of_birth_year(record: &TreatmentDemand) -> bool {
    let (Some(age), Some(birth)) = (record.whole(link::AGE), record.whole(link::BIRTH_YEAR)) else { return true };
    let difference = i64::from(record.started().year()) - birth;
    difference == age || difference == age + 1
}
