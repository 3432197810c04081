//! Each form of an expression on a resource by hand.

use serde_json::{Value, json};

use super::{Expression, Node, Resources, Steps};

fn holds(text: &str, of: &Value) -> Option<bool> {
    let expression = Expression::read(text).unwrap_or_else(|unserved| panic!("{text}: {unserved}"));
    let whole = Node::of(of);
    expression.holds(whole, Resources { own: whole, root: whole }, &Steps::new())
}

#[track_caller]
fn assert_all(of: &Value, expected: &[(&str, Option<bool>)]) {
    for (text, expected) in expected {
        assert_eq!(holds(text, of), *expected, "{text}");
    }
}

const YES: Option<bool> = Some(true);
const NO: Option<bool> = Some(false);

fn patient() -> Value {
    json!({
        "resourceType": "Patient", "id": "p", "active": true, "birthDate": "1970-03-30", "deceasedBoolean": false,
        "_gender": { "extension": [{ "url": "http://e/why", "valueCode": "unknown" }] },
        "name": [{ "family": "Nys", "given": ["An", "Lo"], "_given": [null, { "id": "g" }] }, { "text": "x" }],
        "multipleBirthInteger": 2,
        "extension": [{ "url": "http://e/a", "valueUri": "http://e/v" }, { "url": "http://e/b", "valueInteger": 3 }],
        "contact": [{ "relationship": [{ "coding": [{ "system": "s", "code": "c" }] }] }],
        "contained": [{ "resourceType": "Organization", "id": "o", "name": "O" }],
        "managingOrganization": { "reference": "#o" },
    })
}

#[test]
fn elements_are_found_in_lists_in_choices_and_by_their_sibling() {
    assert_all(
        &patient(),
        &[
            ("Patient.name.given.count() = 2", YES),
            ("Observation.name.exists()", NO),
            ("deceased.exists()", YES),
            ("deceased = false", YES),
            ("gender.exists() and gender.hasValue().not()", YES),
            ("gender.extension('http://e/why').value = 'unknown'", YES),
            ("gender = 'male'", None),
            ("name[1].text = 'x' and name[2].empty()", YES),
            ("name.first().given.last() = 'Lo'", YES),
            ("name.given.skip(1).single() = 'Lo' and name.given.take(1) = 'An' and name.given.tail() = 'Lo'", YES),
            ("extension.where(url = 'http://e/b').value = 3", YES),
            ("contact.relationship.coding.where(system = 's' and code = 'c').exists()", YES),
            ("contact.relationship.coding.exists(code = 'd')", NO),
            ("children().name.family = 'Nys'", None),
            ("children().family = 'Nys'", YES),
            ("descendants().where($this = 'An').count() = 1", YES),
            ("contained.id = 'o' and %resource.id = 'p' and %context.id = 'p' and %rootResource.id = 'p'", YES),
            ("contained.where('#' + id in %resource.descendants().reference).exists()", YES),
            ("name.`family` = 'Nys'", YES),
            ("nothing.exists()", NO),
        ],
    );
}

#[test]
fn what_cannot_be_said_is_neither_true_nor_false() {
    assert_all(
        &patient(),
        &[
            ("language = 'nl'", None),
            ("language = 'nl' or active", YES),
            ("active or language = 'nl'", YES),
            ("language = 'nl' and active", None),
            ("language = 'nl' and active.not()", NO),
            ("active.not() implies language = 'nl'", YES),
            ("language = 'nl' implies active", YES),
            ("active implies language = 'nl'", None),
            ("active xor language.exists()", YES),
            ("active xor (language = 'nl')", None),
            ("name.given = 'An'", NO),
            ("name.given", None),
            ("(language = 'nl').not()", None),
            ("name.all(given.count() > 5)", NO),
            ("name.all(language = 'x')", YES),
            ("1 / 0 = 1", None),
            ("{}.exists()", NO),
            ("{} = {}", None),
        ],
    );
}

#[test]
fn operators_bind_as_the_grammar_says() {
    assert_all(
        &patient(),
        &[
            ("false and false or true", YES),
            ("true or true and false", YES),
            ("false implies false and false", YES),
            ("1 + 2 * 3 = 7", YES),
            ("(1 + 2) * 3 = 9 and 7 div 2 = 3 and 7 mod 2 = 1 and -1 < 0", YES),
            ("1 | 2 | 1 = 1 | 2", YES),
            ("'a' & language & 'b' = 'ab'", YES),
            ("('a' + language).empty()", YES),
            ("'c' in ('a' | 'c') and ('a' | 'c') contains 'a' and ('b' in ('a' | 'c')).not()", YES),
            ("1 != 2 = true", YES),
            ("multipleBirth is integer", YES),
            ("multipleBirth is Integer and extension.first().value is Uri", YES),
            ("(multipleBirth as boolean).empty() and multipleBirth.ofType(integer) <= 2", YES),
            (
                "name.first().is(HumanName) and contained.first().is(Organization) and contained.first() is Resource",
                YES,
            ),
            ("$this is Patient and $this is DomainResource and ($this is Observation).not()", YES),
        ],
    );
}

#[test]
fn functions_do_what_the_language_says() {
    assert_all(
        &patient(),
        &[
            ("name.given.isDistinct() and (name.given | name.given).count() = 2", YES),
            ("name.given.combine(name.given).isDistinct()", NO),
            ("name.given.combine(name.given).distinct().count() = 2", YES),
            ("name.given.intersect('An' | 'X') = 'An' and name.given.exclude('An') = 'Lo'", YES),
            ("('An').subsetOf(name.given) and name.given.union('Z').count() = 3", YES),
            ("name.select(given.count()).allTrue()", NO),
            ("name.select(family.exists()).anyTrue()", YES),
            ("iif(active, 'a', 'b') = 'a' and iif(active.not(), 'a').empty()", YES),
            ("birthDate.iif(empty(), true, $this.toString().length() = 10)", YES),
            ("id.length() = 1 and id.upper() = 'P' and 'AB'.lower() = 'ab'", YES),
            ("birthDate.startsWith('1970') and birthDate.endsWith('30') and birthDate.contains('-03-')", YES),
            ("birthDate.matches('^[0-9]{4}-') and birthDate.replaceMatches('-.*', '') = '1970'", YES),
            ("birthDate.indexOf('-') = 4 and birthDate.indexOf('x') = -1", YES),
            ("birthDate.substring(5, 2) = '03' and birthDate.substring(8) = '30'", YES),
            ("birthDate.replace('-', '') = '19700330' and '12'.toInteger() = 12 and 'x'.toInteger().empty()", YES),
            ("multipleBirth.toString() = '2' and active.toString() = 'true'", YES),
            ("name.trace('names').count() = 2 and birthDate.getValue().exists()", YES),
            (r"'a\'b\u0041' = 'a' & '\'' & 'bA'", YES),
        ],
    );
}

#[test]
fn dates_are_ordered_where_that_is_certain() {
    let of = |start: &str, end: &str| json!({ "resourceType": "Encounter", "period": { "start": start, "end": end } });
    let ordered = "period.start <= period.end";
    for (start, end, expected) in [
        ("2024-02", "2024-01-31", NO),
        ("2024-02", "2024-02-01", None),
        ("2024-02-01", "2024-02", None),
        ("2024-02-01", "2024-03", YES),
        ("2024-02-01T10:00:00+02:00", "2024-02-01T09:00:00Z", YES),
        ("2024-02-01", "2024-02-01", YES),
        ("2024-02-01T10:00:00Z", "2024-02-01T10:00:00Z", YES),
        ("2024-02-01", "2024-02-01T00:30:00+01:00", None),
        ("2024-02-01T23:30:00-05:00", "2024-02-01", None),
        ("2024-02-02", "2024-01-31T09:00:00Z", NO),
    ] {
        assert_eq!(holds(ordered, &of(start, end)), expected, "{start} {end}");
    }
}

#[test]
fn a_decimal_is_told_by_its_point() {
    let of: Value = serde_json::from_str(r#"{"resourceType": "Observation", "valueQuantity": {"value": 2.50}}"#)
        .expect("it is JSON");
    assert_eq!(holds("value.value = 2.5 and value.value > 2", &of), YES);
    assert_eq!(holds("value.value.toString().contains('.')", &of), YES);
}

#[test]
fn what_is_not_served_is_named() {
    for (text, named) in [
        ("subject.resolve().exists()", "resolve()"),
        ("code.memberOf('http://x')", "memberOf()"),
        ("name.where()", "where() with 0"),
        ("a.matches(b)", "not written out"),
        ("a.matches('(')", "the pattern"),
        ("today() > x", "today()"),
        ("%`vs-x` = 1", "'%vs-x'"),
        ("$index = 1", "'$index'"),
        ("a = @2024", "'@'"),
        ("a.b)", "')'"),
        ("(a", "its end"),
        ("'a", "without its end"),
        ("a ? b", "'?'"),
        ("", "its end"),
        (&"(".repeat(400), "deep"),
        (&"-".repeat(9_000), "parts"),
        (&"a.".repeat(4_000), "parts"),
        (&"a|".repeat(4_000), "parts"),
        (&"a".repeat(10_001), "bytes"),
    ] {
        let unserved = Expression::read(text).expect_err(text).to_string();
        assert!(unserved.contains(named), "{text}: {unserved}");
    }
}

#[test]
fn an_expression_ends_where_there_are_no_steps_left() {
    let entries: Vec<Value> = (0..3_000).map(|n| json!({ "fullUrl": format!("urn:{n}") })).collect();
    let of = json!({ "resourceType": "Bundle", "entry": entries });
    let whole = Node::of(&of);
    for text in [
        "entry.all(%resource.entry.all(fullUrl.exists()))",
        "entry.exists(%resource.entry.exists(fullUrl = 'x'))",
        "entry.where(%resource.entry.where(fullUrl = 'x').exists()).exists()",
    ] {
        let steps = Steps::new();
        let expression = Expression::read(text).expect("it is served");
        assert_eq!(expression.holds(whole, Resources { own: whole, root: whole }, &steps), None, "{text}");
        assert!(steps.are_over(), "{text}");
    }
}

#[test]
fn what_is_long_takes_steps_by_its_length() {
    let long = "x".repeat(1_000_000);
    let components: Vec<Value> = (0..1_000).map(|_| json!({ "code": { "coding": [{ "code": "a" }] } })).collect();
    let of = json!({ "resourceType": "Observation", "component": components, "code": { "coding": [{ "code": "b", "display": long }] } });
    let whole = Node::of(&of);
    for text in [
        "component.code.where(coding.intersect(%resource.code.coding).exists()).empty()",
        "component.where(%resource.code.coding.display & 'a' = 'b').empty()",
        "component.where(%resource.code.coding.display.matches('[a-y]{1,64}z')).empty()",
        "component.where(code.coding.code in %resource.code.coding.display.combine(%resource.code.coding)).empty()
         and component.where(%resource.code.coding = %resource.code.coding).empty()",
    ] {
        let steps = Steps::new();
        let holds =
            Expression::read(text).expect("it is served").holds(whole, Resources { own: whole, root: whole }, &steps);
        assert_eq!((holds, steps.are_over()), (None, true), "{text}");
    }
}

#[test]
fn the_longest_expressions_end_on_a_small_stack() {
    let chain = format!("a{}.empty()", ".a".repeat(140));
    let union = format!("(1{}).count() = 1", "|1".repeat(140));
    let nested = format!("{}true{}", "iif(true, ".repeat(35), ")".repeat(35));
    for text in [chain, union, nested] {
        assert_eq!(holds(&text, &patient()), YES, "{text}");
    }
}

#[test]
fn members_count_in_any_order() {
    let of: Value = serde_json::from_str(
        r#"{"resourceType": "Observation", "category": [{"coding": [{"system": "s", "code": "c"}]}],
        "code": {"coding": [{"code": "c", "system": "s"}]}, "_status": {"id": "a"}, "_issued": {"id": "b"}}"#,
    )
    .expect("it is JSON");
    assert_eq!(holds("code.coding.subsetOf(category.coding) and code.coding = category.coding", &of), YES);
    assert_eq!(holds("(status | issued).count() = 2", &of), YES);
}
