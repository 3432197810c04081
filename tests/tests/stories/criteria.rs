//! What a search can ask: the rules of <https://hl7.org/fhir/R4/search.html>, each with a check of its own name, and who finds what by them.

use serde_json::{Value, json};
use wellgate_tests::caller::Caller;
use wellgate_tests::gateway::{Gateway, Options};
use wellgate_tests::record::Record;
use wellgate_tests::resources::{observation, patient, permit, service_request};
use wellgate_tests::stories;

const UCUM: &str = "http://unitsofmeasure.org";
const LOINC: &str = "http://loinc.org";
const TYPES: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";

fn ids(resources: &[Value]) -> Vec<String> {
    let mut ids: Vec<String> = resources.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect();
    ids.sort();
    ids
}

/// Asks each query, by its rule, and expects exactly these.
async fn check(caller: &Caller<'_>, rules: &[(&str, &str, &[&String])]) {
    for (rule, query, expected) in rules {
        let mut expected: Vec<String> = expected.iter().map(|id| (*id).clone()).collect();
        expected.sort();
        let answer = caller.get(format!("{query}&_total=accurate")).await.expect(200);
        assert_eq!(ids(&answer.resources()), expected, "{rule}: {query}");
        assert_eq!(answer.json["total"], json!(expected.len()), "{rule}: {query}");
    }
}

/// Every query is refused, and the issue names the parameter.
async fn refused(caller: &Caller<'_>, queries: &[&str]) {
    for query in queries {
        let answer = caller.get(query).await.expect(400);
        let (_, rest) = query.split_once('?').expect("a query");
        let (parameter, _) = rest.split_once('=').expect("a parameter");
        assert_eq!(answer.issues()[0].1, parameter, "{query}: {answer}");
    }
}

async fn create_each<const N: usize>(caller: &Caller<'_>, resources: [Value; N]) -> [String; N] {
    let mut made = Vec::new();
    for resource in resources {
        made.push(caller.create(&resource).await);
    }
    made.try_into().expect("as many as were given")
}

async fn each_modifier_asks_what_the_specification_says(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut other = patient();
    other["name"] = json!([{"family": "Vandenbroucke-testpersoon", "given": ["Éva"]}]);
    other["identifier"] = json!([
        {"type": {"coding": [{"system": TYPES, "code": "MR"}], "text": "Dossier"}, "system": "https://a.example", "value": "446053"},
        {"type": {"coding": [{"system": TYPES, "code": "SB"}]}, "value": "446054"},
    ]);
    other["meta"] = json!({"profile": ["https://p.example/fhir/StructureDefinition/patient"],
                           "tag": [{"system": "https://t.example", "code": "x", "display": "Extra care"}]});
    for member in ["gender", "birthDate"] {
        other.as_object_mut().expect("an object").remove(member);
    }
    let [first, second] = create_each(&elp, [patient(), other]).await;
    let mut seen = observation(&first);
    seen["subject"]["display"] = json!("Ann Testpersoon");
    seen["subject"]["identifier"] = json!({"system": "https://ehr.example/patient", "value": "TEST-0001"});
    seen["code"]["text"] = json!("Patient health questionnaire");
    let seen = elp.create(&seen).await;
    check(
        &elp,
        &[
            (":missing=true finds what has no value", "Patient?gender:missing=true", &[&second]),
            (":missing=false finds what has a value", "Patient?gender:missing=false", &[&first]),
            (":missing works for dates", "Patient?birthdate:missing=true", &[&second]),
            (":missing works for references", "Patient?general-practitioner:missing=true", &[&first, &second]),
            (":missing works for uris", "Patient?_profile:missing=false", &[&second]),
            (":missing of what every resource has", "Patient?_id:missing=true", &[]),
            (":missing of what every resource has, negated", "Patient?_lastUpdated:missing=false", &[&first, &second]),
            (":not finds what is otherwise, and what has none", "Patient?gender:not=male", &[&first, &second]),
            (":not does not find what is so", "Patient?gender:not=female", &[&second]),
            (":not of several is none of them", "Patient?gender:not=female,male", &[&second]),
            (":not of a system", "Patient?identifier:not=https://a.example|", &[&first]),
            (":not of an id", &format!("Patient?_id:not={first}"), &[&second]),
            ("a string is found from its beginning", "Patient?family=testp", &[&first]),
            (":contains finds it anywhere", "Patient?family:contains=TESTP", &[&first, &second]),
            (":contains takes no wildcards", "Patient?family:contains=%25", &[]),
            (":exact needs case", "Patient?family:exact=testpersoon", &[]),
            (":exact finds the whole", "Patient?family:exact=Testpersoon", &[&first]),
            (":exact needs accents", "Patient?given:exact=Eva", &[]),
            (":exact finds accents", "Patient?given:exact=%C3%89va", &[&second]),
            (":exact is not of a beginning", "Patient?family:exact=Test", &[]),
            (":text finds a display", "Patient?_tag:text=extra", &[&second]),
            (":text of an identifier is that of its type", "Patient?identifier:text=dossier", &[&second]),
            (":text finds the text of a concept", "Observation?code:text=patient%20health", &[&seen]),
            (":text finds the display of a coding", "Observation?code:text=phq", &[&seen]),
            (":text is no code", "Observation?code:text=44261", &[]),
            (":text of a reference is its display", "Observation?subject:text=ann", &[&seen]),
            (":of-type is of one identifier", &format!("Patient?identifier:of-type={TYPES}|MR|446053"), &[&second]),
            (":of-type is not of two", &format!("Patient?identifier:of-type={TYPES}|MR|446054"), &[]),
            (
                ":identifier of a reference",
                "Observation?subject:identifier=https://ehr.example/patient|TEST-0001",
                &[&seen],
            ),
            (":[type] of a reference", &format!("Observation?subject:Patient={first}"), &[&seen]),
            (":below is of addresses that begin so", "Patient?_profile:below=https://p.example/fhir/", &[&second]),
            (":below is cut at a slash", "Patient?_profile:below=https://p.example/fh", &[]),
            (
                ":above is of what an address begins with",
                "Patient?_profile:above=https://p.example/fhir/StructureDefinition/patient/1",
                &[&second],
            ),
            (":above is not of what is below", "Patient?_profile:above=https://p.example/fhir", &[]),
            ("repeats must all hold", "Patient?gender:missing=true&family:contains=test", &[&second]),
        ],
    )
    .await;
    refused(
        &elp,
        &[
            "Patient?gender:exact=male",
            "Patient?family:not=x",
            "Patient?birthdate:contains=1990",
            "Patient?_profile:text=x",
            "Patient?gender:missing=maybe",
            "Patient?gender:of-type=a|b|c",
            "Patient?identifier:of-type=MR|446053",
            "Patient?_profile:below=urn:oid:1.2.3",
            "Patient?gender:not-in=https://v.example/a,https://v.example/b",
            "Observation?code:below=x",
            "Observation?code-value-quantity:missing=true",
            "Patient?general-practitioner:above=Organization/1",
            "Patient?_id:exact=x",
        ],
    )
    .await;
}

async fn a_value_set_stands_for_the_codes_that_it_lists(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let mut male = patient();
    male["gender"] = json!("male");
    let [female, male] = &create_each(&elp, [patient(), male]).await;
    let [scored, weighed] = &create_each(&elp, [observation(female), weight(male, &kg(&json!(70)))]).await;
    let set = |url: &str, compose: &Value| json!({"resourceType": "ValueSet", "status": "active", "url": url, "compose": compose});
    let listed = json!({"include": [{"system": LOINC, "concept": [{"code": "44261-6"}, {"code": "44249-1"}]}]});
    let women =
        json!({"include": [{"system": "http://hl7.org/fhir/administrative-gender", "concept": [{"code": "female"}]}]});
    let whole = json!({"include": [{"system": LOINC}]});
    let [set_id, ..] = &create_each(
        &elp,
        [
            set("https://v.example/scores", &listed),
            set("https://v.example/women", &women),
            set("https://v.example/whole", &whole),
        ],
    )
    .await;
    check(
        &elp,
        &[
            (":in finds the codes of a set", "Observation?code:in=https://v.example/scores", &[scored]),
            (":in by its id", &format!("Observation?code:in=ValueSet/{set_id}"), &[scored]),
            (":not-in finds the others", "Observation?code:not-in=https://v.example/scores", &[weighed]),
            (
                ":in of an element that has its system by its definition",
                "Patient?gender:in=https://v.example/women",
                &[female],
            ),
            (":in at the end of a chain", "Observation?patient.gender:not-in=https://v.example/women", &[weighed]),
        ],
    )
    .await;
    for url in ["https://v.example/whole", "https://v.example/never", "ValueSet/never", "ValueSet/a b"] {
        let refused = elp.get(format!("Observation?code:in={url}")).await.expect(400);
        assert_eq!(refused.issues()[0], ("value".to_owned(), "code".to_owned()), "{url}");
    }
    elp.clone()
        .with_scope("system/Observation.rs")
        .get("Observation?code:in=https://v.example/scores")
        .await
        .expect(403);
}

/// Body weights with these values.
fn weight(patient: &str, quantity: &Value) -> Value {
    let mut weight = observation(patient);
    weight["code"] = json!({"coding": [{"system": LOINC, "code": "29463-7"}]});
    weight.as_object_mut().expect("an object").remove("valueInteger");
    weight["valueQuantity"] = quantity.clone();
    weight
}

fn kg(value: &Value) -> Value {
    json!({"value": value, "unit": "kilogram", "system": UCUM, "code": "kg"})
}

async fn numbers_are_compared_as_the_specification_says(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let values =
        [json!(99.5), json!(100), json!(100.49), json!(100.5), json!(109.9)].map(|value| weight(&person, &kg(&value)));
    let [low, hundred, near, above, high] = &create_each(&elp, values).await;
    let mut grams = kg(&json!(100));
    (grams["unit"], grams["code"]) = (json!("gram"), json!("g"));
    let mut over = kg(&json!(200));
    over["comparator"] = json!(">");
    let [grams, over] = &create_each(&elp, [weight(&person, &grams), weight(&person, &over)]).await;
    let all = [low, hundred, near, above, high, grams, over];
    let of_unit = |query: &str| format!("Observation?value-quantity={query}|{UCUM}|kg");
    let probability = |value: f64| {
        json!({"resourceType": "RiskAssessment", "status": "final",
        "subject": {"reference": format!("Patient/{person}")}, "prediction": [{"probabilityDecimal": value}]})
    };
    let [half, tenth] = &create_each(&elp, [probability(0.5), probability(0.12)]).await;
    check(
        &elp,
        &[
            ("100 is from 99.5 and below 100.5", "Observation?value-quantity=100", &[low, hundred, near, grams]),
            ("100.00 is from 99.995 and below 100.005", "Observation?value-quantity=100.00", &[hundred, grams]),
            ("1e2 has one significant digit", "Observation?value-quantity=1e2", &all[..6]),
            ("1.00e2 has as many as 100", "Observation?value-quantity=1.00e2", &[low, hundred, near, grams]),
            ("a system and a code are of the unit", &of_unit("100"), &[low, hundred, near]),
            ("a code alone may be the unit as it is written", "Observation?value-quantity=100||gram", &[grams]),
            ("a code alone", "Observation?value-quantity=100||g", &[grams]),
            ("another system", "Observation?value-quantity=100|https://other.example|kg", &[]),
            ("ne is what is not equal to the same precision", &of_unit("ne100"), &[above, high, over]),
            ("lt is below exactly", &of_unit("lt100"), &[low]),
            ("le is exact", &of_unit("le100"), &[low, hundred]),
            ("gt is above exactly", &of_unit("gt100"), &[near, above, high, over]),
            ("ge is exact", &of_unit("ge100"), &[hundred, near, above, high, over]),
            ("sa is after", &of_unit("sa100.5"), &[high, over]),
            ("eb is before", &of_unit("eb100.5"), &[low, hundred, near]),
            ("ap is within a tenth", &of_unit("ap100"), &[low, hundred, near, above, high]),
            ("a comparator of the value counts", &of_unit("gt150"), &[over]),
            ("nothing equals what is only known to be more", &of_unit("200"), &[]),
            ("alternatives", "Observation?value-quantity=99.50,109.9", &[low, high]),
            ("a number", "RiskAssessment?probability=0.5", &[half]),
            ("a number below", "RiskAssessment?probability=lt0.5", &[tenth]),
            ("a number about", "RiskAssessment?probability=ap0.11", &[tenth]),
        ],
    )
    .await;
    let sorted = elp.search("RiskAssessment?_sort=probability").await;
    assert_eq!(sorted.iter().map(|one| one["id"].as_str().expect("an id")).collect::<Vec<_>>(), [tenth, half]);
    let sorted = elp.search("Observation?_sort=-value-quantity,_id&_count=2").await;
    assert_eq!(sorted.iter().map(|one| one["id"].as_str().expect("an id")).collect::<Vec<_>>(), [over, high]);
    refused(
        &elp,
        &["Observation?value-quantity=many", "Observation?value-quantity=1|kg", "RiskAssessment?probability=1|kg"],
    )
    .await;
}

async fn the_components_of_a_composite_hold_of_one_element(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    let component = |code: &str, value: i64| {
        json!({
        "code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": {"value": value, "system": UCUM, "code": "mm[Hg]"}})
    };
    let pressure = |systolic: i64, diastolic: i64| {
        let mut pressure = observation(&person);
        pressure.as_object_mut().expect("an object").remove("valueInteger");
        pressure["code"] = json!({"coding": [{"system": LOINC, "code": "85354-9"}]});
        pressure["component"] = json!([component("8480-6", systolic), component("8462-4", diastolic)]);
        pressure
    };
    let mut concept = observation(&person);
    concept.as_object_mut().expect("an object").remove("valueInteger");
    concept["valueCodeableConcept"] = json!({"coding": [{"system": "https://c.example", "code": "yes"}]});
    let weight = weight(&person, &kg(&json!(70)));
    let [usual, raised, weight, concept] =
        &create_each(&elp, [pressure(120, 80), pressure(150, 95), weight, concept]).await;
    let reference = |code: &str, target: &str| {
        json!({"resourceType": "DocumentReference", "status": "current",
        "subject": {"reference": format!("Patient/{person}")}, "content": [{"attachment": {"contentType": "text/plain"}}],
        "relatesTo": [{"code": code, "target": {"reference": format!("DocumentReference/{target}")}},
                      {"code": "signs", "target": {"reference": "https://d.example/DocumentReference/9"}}]})
    };
    let document = elp.create(&json!({"resourceType": "DocumentReference", "status": "current",
        "subject": {"reference": format!("Patient/{person}")}, "content": [{"attachment": {"contentType": "text/plain"}}]})).await;
    let replacing = &elp.create(&reference("replaces", &document)).await;
    let mm = |query: &str| format!("Observation?component-code-value-quantity={query}|{UCUM}|mm[Hg]");
    check(
        &elp,
        &[
            ("both of one component", &mm(&format!("{LOINC}|8480-6$gt140")), &[raised]),
            ("not each of another", &mm("8462-4$gt100"), &[]),
            (
                "two composites",
                "Observation?component-code-value-quantity=8480-6$120&component-code-value-quantity=8462-4$80",
                &[usual],
            ),
            (
                "alternatives of a composite",
                "Observation?component-code-value-quantity=8480-6$150,8462-4$80",
                &[usual, raised],
            ),
            ("of the resource itself", "Observation?code-value-quantity=29463-7$70", &[weight]),
            ("not of a component", "Observation?code-value-quantity=8480-6$120", &[]),
            ("of both", "Observation?combo-code-value-quantity=29463-7$70,8480-6$120", &[weight, usual]),
            ("a code and a concept", "Observation?code-value-concept=44261-6$yes", &[concept]),
            ("a code and another concept", "Observation?code-value-concept=29463-7$yes", &[]),
            (
                "a reference and a code",
                &format!("DocumentReference?relationship=DocumentReference/{document}$replaces"),
                &[replacing],
            ),
            (
                "a reference and the code of another",
                &format!("DocumentReference?relationship=DocumentReference/{document}$signs"),
                &[],
            ),
        ],
    )
    .await;
    refused(&elp, &["Observation?code-value-quantity=29463-7", "Observation?code-value-quantity=29463-7$70$1"]).await;
}

async fn a_chain_leads_over_references_in_both_directions(gateway: Gateway) {
    let (elp, other) = (gateway.as_("elp-1"), gateway.as_("gp-1"));
    let mut second = patient();
    second["name"][0]["family"] = json!("Anders");
    second["identifier"][0]["value"] = json!("TEST-0002");
    second["generalPractitioner"] = json!([{"reference": "Organization/gp-1"}]);
    let [one, two] = &create_each(&elp, [patient(), second]).await;
    let hidden = other.create(&patient()).await;
    other.create(&observation(&hidden)).await;
    let [of_one, of_two, third] =
        &create_each(&elp, [observation(one), weight(two, &kg(&json!(70))), observation(two)]).await;
    let practice = gateway.as_("gp-1").get("Organization/gp-1").await.expect(200).json["name"].clone();
    let practice = practice.as_str().expect("a name").split(' ').next().unwrap_or_default().to_owned();
    let list = json!({"resourceType": "List", "status": "current", "mode": "working", "subject": {"reference": format!("Patient/{one}")},
        "entry": [{"item": {"reference": format!("Observation/{of_one}")}}]});
    let list = elp.create(&list).await;
    check(
        &elp,
        &[
            ("a chain of one type", "Observation?patient.family=testpersoon", &[of_one]),
            ("a chain by its type", "Observation?subject:Patient.family=anders", &[of_two, third]),
            (
                "a chain over all types that have the parameter",
                "Observation?subject.identifier=TEST-0002",
                &[of_two, third],
            ),
            (
                "a chain of two links",
                &format!("Observation?patient.general-practitioner:Organization.name={practice}"),
                &[of_two, third],
            ),
            ("a chain with a modifier at its end", "Observation?patient.family:exact=anders", &[]),
            ("a chain to what has no value", "Observation?patient.general-practitioner:missing=true", &[of_one]),
            ("a chain with another criterion", "Observation?patient.family=anders&value-quantity=70", &[of_two]),
            ("a chain to an id", &format!("Observation?patient._id={one}"), &[of_one]),
            ("a chain finds nobody who is not seen", &format!("Observation?patient._id={hidden}"), &[]),
            ("a reverse chain", "Patient?_has:Observation:patient:code=29463-7", &[two]),
            (
                "two reverse chains",
                "Patient?_has:Observation:patient:code=29463-7&_has:Observation:patient:code=44261-6",
                &[two],
            ),
            ("a reverse chain of alternatives", "Patient?_has:Observation:patient:code=29463-7,44261-6", &[one, two]),
            ("a reverse chain with a modifier", "Patient?_has:Observation:patient:code:not=44261-6", &[two]),
            (
                "a reverse chain within a chain",
                "Observation?patient._has:Observation:patient:code=29463-7",
                &[of_two, third],
            ),
            (
                "a chain within a reverse chain",
                "Patient?_has:Observation:patient:subject:Patient.family=anders",
                &[two],
            ),
            (
                "a reverse chain of two links",
                "Organization?_has:Patient:general-practitioner:_has:Observation:patient:code=29463-7",
                &[&"gp-1".to_owned()],
            ),
            ("what a List has", &format!("Observation?_list={list}"), &[of_one]),
            ("what a List has that is not", "Observation?_list=nothing", &[]),
        ],
    )
    .await;
    refused(
        &elp,
        &[
            "Observation?patient.nonsense=1",
            "Observation?code.text=1",
            "Observation?focus.name=x",
            "Observation?patient:Group.name=x",
            "Patient?_has:Observation:code:code=1",
            "Patient?_has:Observation:patient=1",
            "Patient?_has:AuditEvent:patient:date=2026",
            "Observation?patient.organization.partof.partof.name=x",
            "Observation?_list=$current-problems",
        ],
    )
    .await;
    // Whoever sees neither finds neither, and is told so in the same words as of what never was.
    let stranger = gateway.as_("cgg-1");
    for query in ["Observation?patient.family=testpersoon", "Patient?_has:Observation:patient:code=44261-6"] {
        assert_eq!(stranger.get(format!("{query}&_total=accurate")).await.expect(200).json["total"], 0, "{query}");
    }
}

async fn a_chain_needs_the_scope_of_where_it_leads(gateway: Gateway) {
    let elp = gateway.as_("elp-1");
    let person = elp.create(&patient()).await;
    elp.create(&observation(&person)).await;
    let narrow = elp.clone().with_scope("system/Observation.rs");
    assert_eq!(narrow.search("Observation?code=44261-6").await.len(), 1);
    for query in ["Observation?patient.family=test", "Observation?patient._has:Observation:patient:code=44261-6"] {
        let refused = narrow.get(query).await.expect(403);
        assert!(refused.resources().is_empty(), "{query}");
    }
    let refused = elp.clone().with_scope("system/Patient.rs").get("Patient?_has:Observation:patient:code=1").await;
    refused.expect(403);
    // Of several types those count that it may search.
    let patients = elp.clone().with_scope("system/Observation.rs system/Patient.rs");
    assert_eq!(patients.search("Observation?subject.identifier=TEST-0001").await.len(), 1);
}

async fn only_what_is_seen_is_asked_whatever_the_criterion(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    record.add(&observation(&record.patient)).await;
    record.add(&weight(&record.patient, &kg(&json!(70)))).await;
    let queries = [
        "Patient?gender:missing=false",
        "Patient?gender:not=male",
        "Patient?family:contains=persoon",
        "Observation?value-quantity=gt1",
        "Observation?code-value-quantity=29463-7$70",
        "Observation?value-quantity:missing=true",
        "Observation?patient.family=testpersoon",
        "Patient?_has:Observation:patient:code=29463-7",
        "Observation?code:text=phq",
    ];
    let found = async |caller: &Caller<'_>, query: &str| {
        let answer = caller.get(format!("{query}&_total=accurate")).await.expect(200);
        assert_eq!(answer.json["total"], json!(answer.resources().len()), "{query}");
        answer.resources().len()
    };
    for query in queries {
        assert!(found(&record.custodian, query).await > 0, "{query}");
        assert_eq!(found(&record.grantee, query).await, 0, "{query}: nothing is permitted yet");
    }
    record.permit(&permit(&["elp-1"])).await;
    for query in queries {
        assert_eq!(found(&record.grantee, query).await, found(&record.custodian, query).await, "{query}");
    }
}

/// Who waits for a referral sees the minimum of its Task: what the whole has beyond it is as missing as in any other.
async fn a_room_is_told_nothing_by_what_is_missing(gateway: Gateway) {
    let record = Record::begin(&gateway).await;
    record.permit(&permit(&["elp-1", "elp-2"])).await;
    let order = record.custodian.create(&service_request(&record.patient, "Organization/elp-1")).await;
    let room = gateway.as_("elp-1");
    let tasks = room.search("Task?status=requested").await;
    assert_eq!(tasks.len(), 1, "the room has the Task of order {order}");
    for (name, members) in
        [("patient", "for"), ("focus", "focus"), ("requester", "requester"), ("authored-on", "authoredOn")]
    {
        let is_shown = !tasks[0][members].is_null();
        let missing = room.search(format!("Task?{name}:missing=true&status=requested")).await.len();
        assert_eq!(missing == 0, is_shown, "{name}: as it is shown");
    }
}

/// Lists and risk assessments are not among the usual types.
fn every_type() -> Options {
    Options::all_types()
}

stories!(
    with every_type;
    each_modifier_asks_what_the_specification_says,
    a_value_set_stands_for_the_codes_that_it_lists,
    numbers_are_compared_as_the_specification_says,
    the_components_of_a_composite_hold_of_one_element,
    a_chain_leads_over_references_in_both_directions,
    a_chain_needs_the_scope_of_where_it_leads,
    only_what_is_seen_is_asked_whatever_the_criterion,
    a_room_is_told_nothing_by_what_is_missing,
);
