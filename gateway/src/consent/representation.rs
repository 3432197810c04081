//! Who acts for a person: what a RelatedPerson says of its scope and period, read strictly, and what each scope reaches.
//!
//! A RelatedPerson alone gives nobody anything: it must be `active`, within its `period`, and name each scope in an extension.
//! `docs/persons.md` has the same in words.

use serde_json::Value;

use super::issue::{ConsentIssue, IssueCode};
use super::period::{Period, from_date_time};
use super::writing::Interaction;

/// The extension by which the custodian says what a RelatedPerson may do for the person; it repeats.
pub const REPRESENTATION_SCOPE: &str = "https://wellgate.example/fhir/StructureDefinition/representation-scope";

/// What a representative may do for the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RepresentationScope {
    /// Record a Consent.
    Consent,
    /// Read the record.
    Read,
    /// Withdraw a Consent.
    Withdraw,
}

impl RepresentationScope {
    const ALL: [Self; 3] = [Self::Consent, Self::Read, Self::Withdraw];

    /// The code in the extension and in the rows.
    pub fn code(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Read => "read",
            Self::Withdraw => "withdraw",
        }
    }

    /// The scope of this code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.code() == code)
    }
}

/// What the signed-in person may do in one record at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Representation(Vec<RepresentationScope>);

impl Representation {
    /// That of the person whom the record is about.
    pub fn of_oneself() -> Self {
        Self(RepresentationScope::ALL.to_vec())
    }

    /// That of a representative with these scopes.
    pub fn of(scopes: Vec<RepresentationScope>) -> Self {
        Self(scopes)
    }

    /// Whether nothing may be done.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the record may be read.
    pub fn reads(&self) -> bool {
        self.0.contains(&RepresentationScope::Read)
    }

    /// Whether the person's word is given by this write. No scope reaches an update or a deletion; whether a type may be
    /// written at all is for the table of writes to say.
    pub fn speaks_in(&self, interaction: Interaction) -> bool {
        match interaction {
            Interaction::Create => self.0.contains(&RepresentationScope::Consent),
            Interaction::Withdraw => self.0.contains(&RepresentationScope::Withdraw),
            Interaction::Update | Interaction::Delete => false,
        }
    }
}

/// Reads what a RelatedPerson may do, each scope once, and when; no scope where it is not active.
///
/// # Errors
/// Every element that says something about it and is not understood.
pub fn representation(related_person: &Value) -> Result<(Vec<RepresentationScope>, Period), Vec<ConsentIssue>> {
    let mut issues = Vec::new();
    let mut scopes = scopes(related_person, &mut issues);
    let period = period(related_person, &mut issues);
    if !scopes.is_empty() && related_person.get("modifierExtension").is_some() {
        let details = "may change whether the representation holds, and none is understood here: leave it out";
        issues.push(issue("RelatedPerson.modifierExtension", IssueCode::BusinessRule, details));
    }
    if !issues.is_empty() {
        return Err(issues);
    }
    if related_person.get("active").and_then(Value::as_bool) != Some(true) {
        scopes.clear();
    }
    Ok((scopes, period))
}

fn scopes(related_person: &Value, issues: &mut Vec<ConsentIssue>) -> Vec<RepresentationScope> {
    let mut scopes = Vec::new();
    let extensions = related_person.get("extension").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for (n, extension) in extensions.iter().enumerate() {
        if extension.get("url").and_then(Value::as_str) != Some(REPRESENTATION_SCOPE) {
            continue;
        }
        match extension.get("valueCode").and_then(Value::as_str).and_then(RepresentationScope::from_code) {
            Some(scope) if !scopes.contains(&scope) => scopes.push(scope),
            Some(_) => {}
            None => {
                let expression = format!("RelatedPerson.extension[{n}].valueCode");
                issues.push(issue(&expression, IssueCode::Value, "must be read, consent or withdraw"));
            }
        }
    }
    scopes.sort_unstable();
    scopes
}

fn period(related_person: &Value, issues: &mut Vec<ConsentIssue>) -> Period {
    let Some(period) = related_person.get("period") else { return Period::ALWAYS };
    let mut bound = |name: &str| {
        let sent = period.get(name)?;
        let range = sent.as_str().and_then(from_date_time);
        if range.is_none() {
            let expression = format!("RelatedPerson.period.{name}");
            issues.push(issue(&expression, IssueCode::Value, "must be a date, or a time with its zone"));
        }
        range
    };
    let (start, end) = (bound("start"), bound("end"));
    let read = Period {
        from_ms: start.map_or(i64::MIN, |range| range.from_ms),
        until_ms: end.map_or(i64::MAX, |range| range.until_ms),
    };
    if issues.is_empty() && (read == Period::ALWAYS || read.is_empty()) {
        let details = "must have a start or an end, and the end must not be before the start";
        issues.push(issue("RelatedPerson.period", IssueCode::Invariant, details));
    }
    read
}

fn issue(expression: &str, code: IssueCode, details: &str) -> ConsentIssue {
    ConsentIssue { expression: expression.to_owned(), code, details: details.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn related(scopes: &[&str]) -> Value {
        let extensions: Vec<Value> =
            scopes.iter().map(|code| json!({"url": REPRESENTATION_SCOPE, "valueCode": code})).collect();
        json!({"resourceType": "RelatedPerson", "active": true, "extension": extensions,
            "period": {"start": "2026-01-01", "end": "2026-12-31"}})
    }

    fn codes(value: &Value) -> Vec<&'static str> {
        representation(value).expect("it is understood").0.into_iter().map(RepresentationScope::code).collect()
    }

    #[test]
    fn a_related_person_who_is_not_active_or_names_no_scope_may_nothing() {
        for (member, value) in [("active", json!(false)), ("active", json!("true")), ("extension", json!([]))] {
            let mut other = related(&["read", "consent"]);
            other[member] = value.clone();
            assert_eq!(codes(&other), [""; 0], "{member}: {value}");
        }
        let mut absent = related(&["read"]);
        absent.as_object_mut().expect("an object").remove("active");
        assert_eq!(codes(&absent), [""; 0]);
        let other = json!({"active": true, "extension": [{"url": "https://ehr.example/scope", "valueCode": "read"}]});
        assert_eq!(codes(&other), [""; 0]);
    }

    #[test]
    fn what_is_not_understood_is_refused_by_its_element() {
        let mut cases = vec![(related(&["read", "all"]), "RelatedPerson.extension[1].valueCode")];
        let mut other = related(&["read"]);
        other["extension"][0] = json!({"url": REPRESENTATION_SCOPE, "valueString": "read"});
        cases.push((other, "RelatedPerson.extension[0].valueCode"));
        for (period, element) in [
            (json!({"start": "soon"}), "RelatedPerson.period.start"),
            (json!({"end": "2026-03-01T10:00:00"}), "RelatedPerson.period.end"),
            (json!({"start": "2026-02-01", "end": "2026-01-01"}), "RelatedPerson.period"),
            (json!({}), "RelatedPerson.period"),
            (json!("2026"), "RelatedPerson.period"),
        ] {
            let mut other = related(&["read"]);
            other["period"] = period;
            cases.push((other, element));
        }
        let mut other = related(&["read"]);
        other["modifierExtension"] = json!([{"url": "https://ehr.example/x", "valueBoolean": true}]);
        cases.push((other, "RelatedPerson.modifierExtension"));
        for (value, element) in cases {
            let issues = representation(&value).expect_err(element);
            assert_eq!(issues.iter().map(|issue| issue.expression.as_str()).collect::<Vec<_>>(), [element]);
        }
    }

    #[test]
    fn each_scope_counts_once_and_a_period_includes_its_last_day() {
        let (scopes, period) = representation(&related(&["withdraw", "read", "withdraw"])).expect("understood");
        assert_eq!(scopes, [RepresentationScope::Read, RepresentationScope::Withdraw]);
        assert_eq!((period.from_ms, period.until_ms), (1_767_225_600_000, 1_798_761_600_000));
    }

    #[test]
    fn a_scope_reaches_its_own_act_and_no_other() {
        use Interaction::{Create, Delete, Update, Withdraw};
        for (scope, acts) in [
            (RepresentationScope::Read, [false, false, false, false]),
            (RepresentationScope::Consent, [true, false, false, false]),
            (RepresentationScope::Withdraw, [false, false, false, true]),
        ] {
            let representation = Representation::of(vec![scope]);
            assert_eq!([Create, Update, Delete, Withdraw].map(|act| representation.speaks_in(act)), acts, "{scope:?}");
            assert_eq!(representation.reads(), scope == RepresentationScope::Read, "{scope:?}");
        }
        let oneself = Representation::of_oneself();
        assert_eq!([Create, Update, Delete, Withdraw].map(|act| oneself.speaks_in(act)), [true, false, false, true]);
        assert!(Representation::default().is_none());
    }
}
