//! Times the checks of one resource: structure, the invariants of R4, a profile, and all of them with the reading of the text.
//!
//!     WELLGATE_CORPUS=/path/to/data cargo run --release --package mappings --example validation_speed
//!
//! Prints microseconds (p50 and p99) for examples of the guides, and for one that was made some 5 kB long.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use mappings::json::{self, Limits as JsonLimits};
use mappings::profile::{Limits, Profiles, Source, compile};
use mappings::r4::invariants;
use mappings::r4::structure::check;
use serde_json::Value;

const ROUNDS: usize = 2_000;
const FOLDERS: [&str; 3] = ["be-core", "ihe-pcf", "ihe-balp"];
const EXAMPLES: [&str; 4] = [
    "be-core/Patient-patient1.json",
    "ihe-pcf/Consent-ex-consent-intermediate-data.json",
    "ihe-balp/AuditEvent-ex-auditBasicCreate1.json",
    "ihe-balp/AuditEvent-ex-auditPoke-SAML-Comp.json",
];
/// Bytes of the long one.
const LONG: usize = 5 * 1024;

fn main() {
    #[expect(clippy::disallowed_methods, reason = "a program is told where the corpus is")]
    let corpus = std::env::var_os("WELLGATE_CORPUS").expect("WELLGATE_CORPUS names the corpus");
    let corpus = Path::new(&corpus);
    let begun = Instant::now();
    let profiles = load(corpus);
    println!("{} profiles compiled in {} ms", profiles.all().count(), begun.elapsed().as_millis());
    println!(
        "{:<60} {:>6}  {:>13}  {:>13}  {:>13}  {:>13}",
        "µs (p50 / p99)", "bytes", "structure", "invariants", "profile", "text and all"
    );
    for name in EXAMPLES {
        let text = std::fs::read_to_string(corpus.join(name)).expect("the example is there");
        let resource: Value = serde_json::from_str(&text).expect("the example is JSON");
        time(name, &profiles, &resource);
    }
    let text = std::fs::read_to_string(corpus.join(EXAMPLES[2])).expect("the example is there");
    let mut long: Value = serde_json::from_str(&text).expect("the example is JSON");
    while long.to_string().len() < LONG {
        let entity = long["entity"][0].clone();
        long["entity"].as_array_mut().expect("it has entities").push(entity);
    }
    // One entity is enough for the profile: the others are of a kind that it leaves open.
    for entity in long["entity"].as_array_mut().expect("it has entities").iter_mut().skip(2) {
        entity["type"]["code"] = Value::from("4");
    }
    time("the third, made long", &profiles, &long);
}

fn load(corpus: &Path) -> Profiles {
    let mut sources = Vec::new();
    for folder in FOLDERS {
        for entry in std::fs::read_dir(corpus.join(folder)).expect("the folder is there") {
            let path = entry.expect("it can be listed").path();
            let bytes = std::fs::read(&path).expect("the file can be read");
            let limits = JsonLimits { values_max: 5_000_000, ..JsonLimits::default() };
            let resource = json::parse(&bytes, limits).expect("the file is JSON");
            sources.push(Source { name: path.display().to_string(), resource });
        }
    }
    let limits = Limits { definitions_max: 1_000, elements_max: 1_000, codes_max: 10_000 };
    compile(&sources, limits).expect("the guides are right")
}

fn time(name: &str, profiles: &Profiles, resource: &Value) {
    let canonical = resource.pointer("/meta/profile/0").and_then(Value::as_str).expect("it claims a profile");
    let profile = profiles.find(canonical).expect("it is loaded");
    let text = resource.to_string();
    let structure = measure(|| check(resource).len());
    let of_r4 = measure(|| invariants::check(resource).len());
    let of_profile = measure(|| profiles.check(profile, resource).len() + profiles.check_extensions(resource).len());
    let all = measure(|| {
        let read = json::parse(text.as_bytes(), JsonLimits::default()).expect("it is JSON");
        let of_r4 = check(&read).len() + invariants::check(&read).len();
        of_r4 + profiles.check(profile, &read).len() + profiles.check_extensions(&read).len()
    });
    println!("{name:<60} {:>6}  {structure:>13}  {of_r4:>13}  {of_profile:>13}  {all:>13}", text.len());
}

/// p50 and p99 of a work, in microseconds.
fn measure(work: impl Fn() -> usize) -> String {
    let mut nanos: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            black_box(work());
            begun.elapsed().as_nanos()
        })
        .collect();
    nanos.sort_unstable();
    let micros = |part: usize| {
        let tenths = nanos[ROUNDS * part / 100] / 100;
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    format!("{} / {}", micros(50), micros(99))
}
