//! FHIR in depth: a search by patient and code, a large transaction, and whole dossiers that are loaded, each beside its floor.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::load;
use crate::report::{Goal, Report};
use crate::subject::{Database, SENDER, Subject};

/// Records that are searched, and observations of each.
pub(crate) const RECORDS: usize = 100;
const OF_RECORD: usize = 300;
/// Codes among which they are spread.
pub(crate) const CODES: usize = 30;
/// Entries of a large transaction.
pub(crate) const ENTRIES: usize = 300;
/// Rows that the floor writes in one statement.
const ROWS: usize = 500;
/// Dossiers that are loaded at the same time.
const LOADERS: usize = 2;

/// What the searches of this run are about.
pub(crate) struct Searched {
    /// By the holder of the records: each of them, and one code.
    pub(crate) requests: Vec<Bytes>,
    /// The hand-written statement for the same answer, of the record that is `$1`.
    pub(crate) sql: String,
    pub(crate) records: Vec<String>,
}

/// Makes records with observations, and the searches for ten of each.
pub(crate) fn searched(subject: &Subject) -> io::Result<Searched> {
    let mut records = Vec::new();
    for _ in 0..RECORDS {
        records.push(transaction(subject.process.address, "/fhir", &subject.sender)?);
    }
    let code = "http://loinc.org|code-7";
    let requests = records
        .iter()
        .map(|id| load::get(&format!("/fhir/Observation?patient={id}&code={code}&_count=20"), &subject.sender))
        .collect();
    // SQLite else goes through all rows of the record.
    let by = if matches!(subject.database, Database::Sqlite(..)) { " INDEXED BY search_index_of_value" } else { "" };
    let sql = format!(
        "SELECT r.id, r.version_id, r.last_updated_ms, r.body FROM record o CROSS JOIN search_index c{by} CROSS JOIN resource r \
         WHERE o.compartment = $1 AND o.custodian = 'organization/{SENDER}' AND c.compartment = o.compartment \
         AND c.resource_type = 'Observation' AND c.parameter = 'code' AND c.system = 'http://loinc.org' AND c.value = 'code-7' \
         AND r.compartment = c.compartment AND r.resource_type = c.resource_type AND r.id = c.id AND r.deleted = 0 \
         AND NOT EXISTS (SELECT 1 FROM closure x WHERE x.compartment = r.compartment AND x.grantee = 'organization/{SENDER}') \
         ORDER BY r.id LIMIT 21"
    );
    Ok(Searched { requests, sql, records })
}

/// One record and its observations, in one transaction to the base of an API; answers the Patient's id.
pub(crate) fn transaction(address: SocketAddr, base: &str, token: &str) -> io::Result<String> {
    let bodies = load::bodies(address, vec![load::post(base, token, &dossier(OF_RECORD))], 1)?;
    let id = bodies.first().and_then(|body| body.split_once("Patient/")?.1.split(['/', '"']).next());
    id.map(str::to_owned).ok_or_else(|| io::Error::other("a transaction answered without the Patient's id"))
}

/// A Patient and so many entries in all.
pub(crate) fn dossier(entries: usize) -> String {
    let patient = format!("urn:uuid:{}", uuid::Uuid::new_v4());
    let mut entry = vec![json!({
        "fullUrl": patient,
        "resource": {"resourceType": "Patient", "active": true},
        "request": {"method": "POST", "url": "Patient"},
    })];
    entry.extend((1..entries).map(|n| {
        let coding = json!({"coding": [{"system": "http://loinc.org", "code": format!("code-{}", n % CODES)}], "text": "x".repeat(200)});
        json!({
            "fullUrl": format!("urn:uuid:{}", uuid::Uuid::new_v4()),
            "resource": {
                "resourceType": "Observation", "status": "final", "code": coding, "subject": {"reference": patient},
                "effectiveDateTime": format!("2026-01-{:02}", 1 + n % 28), "valueString": "x".repeat(200),
            },
            "request": {"method": "POST", "url": "Observation"},
        })
    }));
    json!({"resourceType": "Bundle", "type": "transaction", "entry": entry}).to_string()
}

/// Large transactions, one after the other, beside one statement that writes five hundred rows.
pub(crate) fn transactions(
    subject: &Subject,
    time: Duration,
    runtime: &Runtime,
    report: &mut Report,
) -> io::Result<()> {
    let body = "x".repeat(700);
    let (numbers, id) = match &subject.database {
        Database::Sqlite(..) => (
            format!(
                "(WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS}) SELECT n FROM n) AS n"
            ),
            "LOWER(HEX(RANDOMBLOB(16)))",
        ),
        Database::Postgres(_) => (format!("generate_series(1, {ROWS}) AS n(n)"), "CAST(gen_random_uuid() AS TEXT)"),
    };
    let table = "CREATE TABLE IF NOT EXISTS bench_row (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL)";
    subject.database.execute(table, runtime)?;
    let insert = format!("INSERT INTO bench_row SELECT {id}, '{body}' FROM {numbers}");
    let rate = |once: &dyn Fn() -> io::Result<()>| -> io::Result<f64> {
        once()?;
        let (begun, mut done) = (Instant::now(), 0_u32);
        while begun.elapsed() < time {
            once()?;
            done += 1;
        }
        Ok(f64::from(done) / begun.elapsed().as_secs_f64())
    };
    let floor = rate(&|| subject.database.execute(&insert, runtime))?;
    let figure = rate(&|| {
        let request = load::post("/fhir", &subject.sender, &dossier(ENTRIES));
        load::bodies(subject.process.address, vec![request], 1).map(|_| ())
    })?;
    let name = format!("transaction of {ENTRIES} entries ÷ {ROWS} rows by SQL, 1 client, {}", subject.name);
    report.add(&name, ("/s", Goal::AtLeast(0.15)), (figure, Some(floor)), "");
    Ok(())
}

/// Synthea's made-up dossiers, where they are: resources a second, with the validation that is always on.
pub(crate) fn synthea(subject: &Subject, corpus: Option<&Path>, report: &mut Report) -> io::Result<()> {
    let folder = corpus.map_or_else(|| PathBuf::from("../shared/data"), Path::to_owned).join("synthea");
    let Ok(files) = fs::read_dir(&folder) else {
        eprintln!(" no dossiers at {}: not loaded", folder.display());
        return Ok(());
    };
    let mut paths: Vec<PathBuf> = files.map(|file| Ok(file?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    let texts: Vec<(bool, String)> = paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| Ok((path.to_string_lossy().contains("Information"), fs::read_to_string(path)?)))
        .collect::<io::Result<_>>()?;
    let entries = |text: &String| {
        serde_json::from_str::<Value>(text).map_or(0, |bundle| bundle["entry"].as_array().map_or(0, Vec::len))
    };
    // What the dossiers refer to comes first, and is no dossier.
    let post = |text: &String| load::post("/fhir", &subject.sender, text);
    let first = texts.iter().filter(|(is_first, _)| *is_first).map(|(_, text)| post(text)).collect();
    load::bodies(subject.process.address, first, 1)?;
    let dossiers: Vec<&String> = texts.iter().filter(|(is_first, _)| !is_first).map(|(_, text)| text).collect();
    let resources: usize = dossiers.iter().map(|text| entries(text)).sum();
    let begun = Instant::now();
    load::bodies(subject.process.address, dossiers.iter().map(|text| post(text)).collect(), LOADERS)?;
    let rate = f64::from(u32::try_from(resources).unwrap_or(u32::MAX)) / begun.elapsed().as_secs_f64();
    let name = format!("Synthea's dossiers, {LOADERS} clients, {}", subject.name);
    report.add(&name, ("resources/s", Goal::AtLeast(700.0)), (rate, None), &format!("{resources} resources"));
    Ok(())
}
