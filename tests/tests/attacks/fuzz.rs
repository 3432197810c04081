//! The readers of what comes from outside, under inputs that nobody would write: none panics, none takes what the strict rules refuse,
//! and what is taken means the same when it is read again.
//!
//! Each run tries the committed inputs and a sample made from them with a fixed seed; `tests/long/fuzz` goes on for as long as it is told.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use gateway::auth::{Issuer, KeySet, TokenGrant, Verifier, claimed_client, verify_assertion};
use gateway::config::TokenAlgorithm;
use gateway::consent::{ActorReference, ConsentId, Grantee, read};
use gateway::search::query::{QueryLimits, parse as parse_query};
use mappings::json::spans::{replace_references, set_members};
use mappings::json::{JsonError, Limits, parse};
use mappings::r4::structure::{ISSUES_MAX, check};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use wellgate_tests::corpus::examples;
use wellgate_tests::mutate::{Chance, mutated, seeds};
use wellgate_tests::{project, variable};

const SAMPLE: usize = 4_000;
const NOW_MS: i64 = 1_772_366_400_000;
const ISSUER: &str = "https://login.example.org";
const AUDIENCE: &str = "https://gateway.example.org/fhir";
/// Examples of the corpus that are mixed in, and the longest of them.
const EXAMPLES: usize = 200;
const EXAMPLE_BYTES_MAX: usize = 16 * 1024;

/// Holds a property to the committed inputs, then to mutants of them and of `further`: so many, or for as long as is asked.
fn holds(name: &str, further: Vec<Vec<u8>>, property: impl Fn(&[u8])) {
    let mut inputs = seeds(name);
    for input in &inputs {
        held(name, input, &property);
    }
    inputs.extend(further);
    let minutes: Option<u64> = variable("WELLGATE_FUZZ_MINUTES").map(|text| text.parse().expect("it is a number"));
    let seed = variable("WELLGATE_FUZZ_SEED").map_or(1, |text| text.parse().expect("it is a number"));
    let mut chance = Chance::new(seed);
    let (begun, time) = (Instant::now(), minutes.map(|minutes| Duration::from_secs(60 * minutes)));
    let mut tried = 0_usize;
    while time.map_or(tried < SAMPLE, |time| begun.elapsed() < time) {
        held(name, &mutated(&inputs, &mut chance), &property);
        tried += 1;
    }
    println!("{name}: {tried} inputs, seed {seed}");
}

/// An input that does not hold is kept, to be committed with what mends it.
fn held(name: &str, input: &[u8], property: &impl Fn(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| property(input))) {
        let file = project().join("tests/seeds").join(name).join(format!("found-{:016x}", fingerprint(input)));
        let _ = std::fs::write(&file, input);
        println!("{name}: {} does not hold: {}", file.display(), String::from_utf8_lossy(input));
        std::panic::resume_unwind(panic);
    }
}

/// FNV-1a: a name for an input.
fn fingerprint(input: &[u8]) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn of_corpus(filter: impl Fn(&str) -> bool) -> Vec<Vec<u8>> {
    let all = ["ihe-pcf", "r4-examples", "be-core"].into_iter().flat_map(examples);
    let all = all.filter(|example| filter(&example.name) && example.bytes.len() < EXAMPLE_BYTES_MAX);
    all.map(|example| example.bytes).take(EXAMPLES).collect()
}

/// JSON as another reader sees it, with every member of every object.
enum Tree {
    Leaf,
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    fn depth(&self) -> usize {
        match self {
            Self::Leaf => 0,
            Self::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Object(members) => 1 + members.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
        }
    }

    fn has_twins(&self) -> bool {
        match self {
            Self::Leaf => false,
            Self::List(items) => items.iter().any(Self::has_twins),
            Self::Object(members) => {
                let mut names = HashSet::new();
                members.iter().any(|(name, value)| !names.insert(name) || value.has_twins())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Tree;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("JSON")
            }
            fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
                Ok(Tree::Leaf)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
                Ok(Tree::Leaf)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
                Ok(Tree::Leaf)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
                Ok(Tree::Leaf)
            }
            fn visit_str<E>(self, _: &str) -> Result<Tree, E> {
                Ok(Tree::Leaf)
            }
            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Leaf)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Tree::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Tree::Object(members))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

fn json_is_read_in_one_way(input: &[u8]) {
    let limits = Limits::default();
    let other = serde_json::from_slice::<Tree>(input);
    match (parse(input, limits), other) {
        (Ok(value), Ok(tree)) => {
            assert!(matches!(tree, Tree::Object(_)) && !tree.has_twins() && tree.depth() <= limits.depth_max);
            assert_eq!(serde_json::from_slice::<Value>(input).ok(), Some(value.clone()), "both read the same");
            edits_touch_nothing_else(std::str::from_utf8(input).expect("it was taken"), &value);
            assert!(check(&value).len() <= ISSUES_MAX);
        }
        (Ok(_), Err(error)) => panic!("another reader refuses it: {error}"),
        (Err(JsonError::Syntax { .. } | JsonError::NotUtf8 { .. }), Ok(_)) => panic!("it is JSON"),
        (Err(JsonError::DuplicateKey { .. }), Ok(tree)) => assert!(tree.has_twins()),
        (Err(JsonError::TooDeep { .. }), Ok(tree)) => assert!(tree.depth() > limits.depth_max),
        (Err(_), _) => {}
    }
}

fn edits_touch_nothing_else(text: &str, value: &Value) {
    assert_eq!(replace_references(text, &|_| None), text);
    let edited = set_members(text, &[("id", "\"TEST\""), ("meta", "{\"versionId\":\"1\"}")]);
    let mut edited =
        parse(edited.as_bytes(), Limits { depth_max: 100, ..Limits::default() }).expect("it is JSON still");
    assert_eq!((&edited["id"], &edited["meta"]["versionId"]), (&json!("TEST"), &json!("1")));
    let mut value = value.clone();
    for one in [&mut edited, &mut value] {
        let object = one.as_object_mut().expect("an object");
        object.shift_remove("id");
        object.shift_remove("meta");
    }
    assert_eq!(edited, value);
}

#[test]
fn fuzz_json() {
    holds("json", of_corpus(|_| true), json_is_read_in_one_way);
}

#[test]
fn fuzz_search() {
    holds("search", Vec::new(), |input| {
        let pairs: Vec<(String, String)> =
            reqwest::Url::parse(&format!("http://x/?{}", String::from_utf8_lossy(input).replace('#', "%23")))
                .map(|url| url.query_pairs().into_owned().collect())
                .unwrap_or_default();
        let limits = QueryLimits::default();
        for resource_type in ["Patient", "Consent", "Task", "AuditEvent", "Observation"] {
            let parsed = parse_query(resource_type, &pairs, limits);
            if let Ok(query) = &parsed {
                assert!(query.criteria.len() <= limits.criteria_max && query.sort.len() <= limits.sort_max);
                assert!(query.count <= limits.count_max);
            }
            assert_eq!(parsed.is_ok(), parse_query(resource_type, &pairs, limits).is_ok());
        }
    });
}

#[test]
fn fuzz_token() {
    let issuer = Issuer::new(ISSUER, AUDIENCE, &Issuer::generate_key().expect("a key")).expect("a good key");
    let keys = KeySet::from_jwks(issuer.jwks(), &[TokenAlgorithm::Es256]).expect("a key");
    let verifier = Verifier::new(ISSUER, AUDIENCE, Duration::ZERO, keys);
    let of_client = KeySet::of_client(issuer.jwks()).expect("a key");
    let grant = |purpose, scope| TokenGrant {
        client_id: "elp-1-ehr",
        organization_id: "elp-1",
        practitioner_id: None,
        fhir_user: None,
        purpose,
        scope,
        certificate: None,
        lifetime_seconds: 300,
    };
    let token = |grant, id| issuer.issue(grant, id, NOW_MS).expect("signed");
    let tokens = [token(&grant("TREAT", "system/*.rs"), "1"), token(&grant("HPAYMT", "system/Claim.cruds"), "2")];
    let known = tokens.each_ref().map(|text| verifier.verify(text, NOW_MS).expect("it is good"));
    let further = tokens.iter().map(|text| text.clone().into_bytes()).collect();
    holds("token", further, |input| {
        let text = String::from_utf8_lossy(input);
        let _ = claimed_client(&text);
        let of_token = verify_assertion(&text, ("elp-1-ehr", &of_client), AUDIENCE, NOW_MS);
        assert!(of_token.is_err(), "a token is no assertion");
        if let Ok(claims) = verifier.verify(&text, NOW_MS) {
            assert!(known.contains(&claims), "only what was signed is believed: {claims:?}");
        }
    });
}

#[test]
fn fuzz_keys() {
    holds("keys", Vec::new(), |input| {
        let text = String::from_utf8_lossy(input);
        for set in [KeySet::of_client(&text), KeySet::from_jwks(&text, &[TokenAlgorithm::Es256])].into_iter().flatten()
        {
            assert!(!set.is_empty() && set.names().count() <= set.len());
        }
    });
}

fn registered(actor: &ActorReference<'_>) -> Option<Grantee> {
    match actor {
        ActorReference::Organization(id) => Some(Grantee::organization(id)),
        ActorReference::Practitioner(id) => Some(Grantee::practitioner(id)),
        _ => None,
    }
}

#[test]
fn fuzz_consent() {
    let examples = of_corpus(|name| name.contains("onsent"));
    holds("consent", examples, |input| {
        let Ok(value) = parse(input, Limits::default()) else { return };
        let id = || ConsentId("TEST".to_owned());
        let first = read(id(), &value, &registered);
        assert_eq!(first, read(id(), &value, &registered), "read twice it says the same");
        let Ok(consent) = first else { return };
        assert!(consent.patient.starts_with("Patient/"));
        // What may be given in force is a list: whatever else stands there could mean something that nobody enforces.
        let mut stranger = value.clone();
        stranger["unheardOf"] = json!(1);
        stranger["status"] = json!("active");
        assert!(read(id(), &stranger, &registered).is_err(), "nothing unknown is in force");
        let mut modified = value;
        modified["status"] = json!("active");
        modified["modifierExtension"] = json!([{"url": "urn:x", "valueBoolean": true}]);
        assert!(read(id(), &modified, &registered).is_err(), "nothing that turns the meaning is in force");
    });
}
