//! The facts of one version of a resource, and how they are computed from what it says.

use mappings::r4::structure::is_resource_type;
use mappings::r4::time::Moment;
use serde_json::Value;

use super::label::LabelSet;
use super::meta::declared;
use super::table::LabelTable;

/// The longest list of what a resource refers to. Beyond it a version is refused: half a list would let a deny miss it.
pub const ATOMS_BYTES_MAX: usize = 65_536;

/// The time that a resource is about: a half-open range of UTC milliseconds, never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataPeriod {
    /// The first moment; `i64::MIN` where it is open.
    pub from_ms: i64,
    /// The first moment after; `i64::MAX` where it is open.
    pub until_ms: i64,
}

/// The facts of a version, as they are stored beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its labels: what it says, what clients declared, and at least one confidentiality.
    pub labels: LabelSet,
    /// The version of the table that labelled it.
    pub label_version: i64,
    /// The labels that clients declared of it.
    pub declared: LabelSet,
    /// The time that it is about.
    pub data: DataPeriod,
    /// What it is, what it refers to and who wrote it, between commas: `,instance|Observation/1,refers|Encounter/2,by|Practitioner/x,`.
    /// Empty where that is not known.
    pub atoms: String,
}

impl Facts {
    /// What is known of a version whose facts were never computed: nothing, so that no limited permit opens it and every deny
    /// that is about some data meets it.
    pub const UNKNOWN: Self = Self {
        labels: LabelSet::EVERY,
        label_version: 0,
        declared: LabelSet::NONE,
        // One short of open, as the migration has it: an open rule covers it.
        data: DataPeriod { from_ms: i64::MIN + 1, until_ms: i64::MAX },
        atoms: String::new(),
    };
}

/// What a decision is about: a resource with its facts as they count now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceFacts {
    /// Its type.
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// Its labels; all of them where an older table labelled it.
    pub labels: LabelSet,
    /// The time that it is about.
    pub data: DataPeriod,
    /// As [`Facts::atoms`].
    pub atoms: String,
    /// The resources of its record that refer to it, as far as rules name them: `Type/id`.
    pub referred_by: Vec<String>,
    /// Those that may: their own facts are not known yet.
    pub perhaps_referred_by: Vec<String>,
}

impl ResourceFacts {
    /// A resource whose facts are these, for who labels by the table of `label_version`.
    pub fn of(resource_type: &str, id: &str, facts: &Facts, label_version: i64) -> Self {
        Self {
            resource_type: resource_type.to_owned(),
            id: id.to_owned(),
            labels: if facts.label_version < label_version { LabelSet::EVERY } else { facts.labels },
            data: facts.data,
            atoms: facts.atoms.clone(),
            referred_by: Vec::new(),
            perhaps_referred_by: Vec::new(),
        }
    }

    /// Whether the resource is, refers to or was written by this one; `kind` is `instance`, `refers` or `by`.
    pub fn has_atom(&self, kind: &str, reference: &str) -> bool {
        self.atoms.contains(&format!(",{kind}|{reference},"))
    }
}

/// From where a version comes, beside what it says.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The id that the version has.
    pub id: &'a str,
    /// The organisation that wrote it: `organization/<id>`.
    pub author: &'a str,
    /// When, UTC milliseconds: the time of what has no date of its own.
    pub recorded_ms: i64,
    /// The gateway's own address, so that an absolute reference to it is a local one.
    pub base_url: &'a str,
}

/// The facts of a version.
pub fn facts(table: &LabelTable, resource_type: &str, resource: &Value, source: Source) -> Facts {
    let declared = declared(resource);
    let recorded = DataPeriod { from_ms: source.recorded_ms, until_ms: source.recorded_ms + 1 };
    // What bytes say is not looked into: they may be about anything.
    let is_opaque = resource_type == "Binary";
    let labels = || table.labels(resource).union(declared).of_resource();
    Facts {
        labels: if is_opaque { LabelSet::EVERY } else { labels() },
        label_version: table.version(),
        declared,
        data: data_period(resource_type, resource).unwrap_or(recorded),
        atoms: atoms(resource_type, resource, source),
    }
}

/// The elements that say when a resource is from, the first that is there counts. Other types are from when they were
/// recorded.
const DATES: [(&str, &[&str]); 30] = [
    ("AllergyIntolerance", &["onsetPeriod", "onsetDateTime", "recordedDate"]),
    ("Appointment", &["start"]),
    ("CarePlan", &["period", "created"]),
    ("CareTeam", &["period"]),
    ("Claim", &["billablePeriod", "created"]),
    ("ClaimResponse", &["created"]),
    ("ClinicalImpression", &["effectivePeriod", "effectiveDateTime", "date"]),
    ("Communication", &["sent", "received"]),
    ("Composition", &["date"]),
    ("Condition", &["onsetPeriod", "onsetDateTime", "recordedDate"]),
    ("Coverage", &["period"]),
    ("CoverageEligibilityRequest", &["servicedPeriod", "servicedDate", "created"]),
    ("CoverageEligibilityResponse", &["servicedPeriod", "servicedDate", "created"]),
    ("DiagnosticReport", &["effectivePeriod", "effectiveDateTime", "issued"]),
    ("DocumentReference", &["context.period", "date"]),
    ("Encounter", &["period"]),
    ("EpisodeOfCare", &["period"]),
    ("Flag", &["period"]),
    ("Goal", &["startDate", "statusDate"]),
    ("Immunization", &["occurrenceDateTime", "recorded"]),
    ("MedicationAdministration", &["effectivePeriod", "effectiveDateTime"]),
    ("MedicationRequest", &["authoredOn"]),
    ("MedicationStatement", &["effectivePeriod", "effectiveDateTime", "dateAsserted"]),
    ("Observation", &["effectivePeriod", "effectiveDateTime", "effectiveInstant", "issued"]),
    ("Procedure", &["performedPeriod", "performedDateTime"]),
    ("Provenance", &["occurredPeriod", "occurredDateTime", "recorded"]),
    ("QuestionnaireResponse", &["authored"]),
    ("RiskAssessment", &["occurrencePeriod", "occurrenceDateTime"]),
    ("ServiceRequest", &["occurrencePeriod", "occurrenceDateTime", "authoredOn"]),
    ("Task", &["executionPeriod", "authoredOn"]),
];

fn data_period(resource_type: &str, resource: &Value) -> Option<DataPeriod> {
    let (_, paths) = DATES.iter().find(|(of, _)| *of == resource_type)?;
    paths.iter().find_map(|path| range(path.split('.').try_fold(resource, |value, name| value.get(name))?))
}

/// A Period or a moment to its own precision. One that ends before it starts is about all the time between.
fn range(value: &Value) -> Option<DataPeriod> {
    let moment = |value: Option<&Value>| Moment::parse(value?.as_str()?);
    let (start, end) = match value {
        Value::String(_) => (moment(Some(value)), moment(Some(value))),
        _ => (moment(value.get("start")), moment(value.get("end"))),
    };
    if start.is_none() && end.is_none() {
        return None;
    }
    let is_reversed = start.zip(end).is_some_and(|(start, end)| start.low_ms > end.high_ms);
    let (start, end) = if is_reversed { (end, start) } else { (start, end) };
    let until = |end: Moment| end.high_ms.saturating_add(1);
    Some(DataPeriod { from_ms: start.map_or(i64::MIN, |start| start.low_ms), until_ms: end.map_or(i64::MAX, until) })
}

/// The elements that say who is answerable for what a resource says. In an order `performer` is who is asked, not who wrote.
const AUTHORS: [&str; 7] = ["author", "performer", "recorder", "asserter", "requester", "sender", "enterer"];

fn atoms(resource_type: &str, resource: &Value, source: Source) -> String {
    let mut atoms = Atoms { text: ",".to_owned() };
    atoms.add("instance", &format!("{resource_type}/{}", source.id));
    references(resource, source.base_url, &mut |reference| atoms.add("refers", reference));
    for name in AUTHORS.iter().filter(|name| !(**name == "performer" && resource_type == "ServiceRequest")) {
        if let Some(element) = resource.get(*name) {
            references(element, source.base_url, &mut |reference| atoms.add("by", reference));
        }
    }
    if resource_type == "Encounter" {
        let participants = resource.get("participant").and_then(Value::as_array).into_iter().flatten();
        for individual in participants.filter_map(|participant| participant.get("individual")) {
            references(individual, source.base_url, &mut |reference| atoms.add("by", reference));
        }
    }
    if let Some(id) = source.author.strip_prefix("organization/").filter(|id| !id.is_empty()) {
        atoms.add("by", &format!("Organization/{id}"));
    }
    atoms.text
}

struct Atoms {
    text: String,
}

impl Atoms {
    fn add(&mut self, kind: &str, reference: &str) {
        let atom = format!(",{kind}|{reference},");
        // What is too long is refused, so its rest is not needed; and the search in it stays short.
        if self.text.len() <= ATOMS_BYTES_MAX && !self.text.contains(&atom) {
            self.text.push_str(&atom[1..]);
        }
    }
}

/// Every literal reference to a resource of this gateway, without the version that it may name.
fn references(value: &Value, base_url: &str, found: &mut dyn FnMut(&str)) {
    match value {
        Value::Object(members) => {
            if let Some(reference) =
                members.get("reference").and_then(Value::as_str).and_then(|text| local(text, base_url))
            {
                found(reference);
            }
            members.values().for_each(|member| references(member, base_url, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, base_url, found)),
        _ => {}
    }
}

fn local<'a>(reference: &'a str, base_url: &str) -> Option<&'a str> {
    let own = reference.strip_prefix(base_url).and_then(|rest| rest.strip_prefix('/'));
    let relative = own.filter(|_| !base_url.is_empty()).unwrap_or(reference);
    let relative = relative.split_once("/_history/").map_or(relative, |(resource, _)| resource);
    let (resource_type, id) = relative.split_once('/')?;
    (is_resource_type(resource_type) && mappings::r4::primitive::is_id(id)).then_some(relative)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const SOURCE: Source<'_> =
        Source { id: "1", author: "organization/a", recorded_ms: 7, base_url: "https://gateway.example/fhir" };

    fn of(resource: &Value) -> Facts {
        let resource_type = resource["resourceType"].as_str().expect("a type");
        facts(&LabelTable::built_in(), resource_type, resource, SOURCE)
    }

    #[test]
    fn a_resource_is_what_it_refers_to_and_by_whom_it_was_written() {
        let observation = json!({"resourceType": "Observation",
            "encounter": {"reference": "Encounter/2/_history/3"},
            "performer": [{"reference": "https://gateway.example/fhir/Practitioner/x"}],
            "hasMember": [{"reference": "https://elsewhere.example/fhir/Observation/9"}, {"reference": "#c"},
                          {"reference": "Observation/1,by|Practitioner/y"}, {"reference": "Encounter/2"}]});
        let expected =
            ",instance|Observation/1,refers|Encounter/2,refers|Practitioner/x,by|Practitioner/x,by|Organization/a,";
        assert_eq!(of(&observation).atoms, expected);
        let order = json!({"resourceType": "ServiceRequest", "performer": [{"reference": "Organization/b"}],
            "requester": {"reference": "Practitioner/x"}});
        let expected = ",instance|ServiceRequest/1,refers|Organization/b,refers|Practitioner/x,by|Practitioner/x,by|Organization/a,";
        assert_eq!(of(&order).atoms, expected);
        let contact = json!({"resourceType": "Encounter",
            "participant": [{"individual": {"reference": "Practitioner/x"}}]});
        assert!(of(&contact).atoms.contains(",by|Practitioner/x,"));
    }

    #[test]
    fn a_list_of_references_beyond_the_limit_is_seen_to_be_too_long() {
        let members: Vec<_> = (0..5_000).map(|n| json!({"entity": {"reference": format!("Patient/{n}")}})).collect();
        let group = json!({"resourceType": "Group", "member": members});
        assert!(of(&group).atoms.len() > ATOMS_BYTES_MAX);
    }

    #[test]
    fn a_resource_is_from_the_time_of_its_main_date_and_else_from_when_it_was_recorded() {
        let day = 86_400_000;
        for (resource, expected) in [
            (
                json!({"resourceType": "Encounter", "period": {"start": "1970-01-02", "end": "1970-01-03"}}),
                (day, 3 * day),
            ),
            (json!({"resourceType": "Encounter", "period": {"start": "1970-01-02"}}), (day, i64::MAX)),
            (json!({"resourceType": "Encounter", "period": {"end": "1970-01-01"}}), (i64::MIN, day)),
            (
                json!({"resourceType": "Encounter", "period": {"start": "1970-01-03", "end": "1970-01-01"}}),
                (0, 3 * day),
            ),
            (json!({"resourceType": "Condition", "recordedDate": "1970-01-02"}), (day, 2 * day)),
            (
                json!({"resourceType": "Condition", "recordedDate": "1970-01-02", "onsetDateTime": "1970-01-01"}),
                (0, day),
            ),
            (json!({"resourceType": "Condition"}), (7, 8)),
            (json!({"resourceType": "Patient", "birthDate": "1970-01-02"}), (7, 8)),
        ] {
            let data = of(&resource).data;
            assert_eq!((data.from_ms, data.until_ms), expected, "{resource}");
        }
    }

    #[test]
    fn what_an_older_table_labelled_counts_as_most_restricted() {
        let facts = of(&json!({"resourceType": "Patient"}));
        assert_eq!(ResourceFacts::of("Patient", "1", &facts, facts.label_version).labels, facts.labels);
        assert_eq!(ResourceFacts::of("Patient", "1", &facts, facts.label_version + 1).labels, LabelSet::EVERY);
    }
}
