//! Another FHIR server beside ours: Helios HFS, on SQLite as it is by default, with the same data and the same requests, in turns.
//!
//! It asks nobody who they are and keeps no trail here; the gateway checks the token, the Consents and the record's holder, and has committed the
//! event of each answer before the answer leaves.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::fhir::{self, ENTRIES, RECORDS, dossier};
use crate::load;
use crate::process::{Process, free_address};
use crate::report::{Goal, Report};
use crate::subject::Subject;

/// Records to which single resources are written.
const WRITTEN: usize = 10;
/// Clients of all but the transactions, which one sends.
const CLIENTS: usize = 32;

/// The official search parameters within the corpus: without them the peer passes over what it does not know.
const PARAMETERS: &str = "r4-definitions/search-parameters.json.gz";

/// Starts the peer on an empty database of its own.
fn start(program: &Path, directory: &Path, corpus: Option<&Path>) -> io::Result<Process> {
    let address = free_address()?;
    let folder = directory.join("peer");
    fs::create_dir_all(&folder)?;
    let packed = corpus.unwrap_or(Path::new("../shared/data")).join(PARAMETERS);
    let parameters = Command::new("gzip").arg("-dc").arg(&packed).output()?;
    if !parameters.status.success() {
        return Err(io::Error::other(format!("{} cannot be read", packed.display())));
    }
    fs::write(folder.join("search-parameters-r4.json"), parameters.stdout)?;
    let mut command = Command::new(program);
    command.env_clear().current_dir(&folder).stdout(Stdio::null()).stderr(Stdio::null());
    command
        .env("HFS_SERVER_HOST", "127.0.0.1")
        .env("HFS_SERVER_PORT", address.port().to_string())
        .env("HFS_STORAGE_BACKEND", "sqlite")
        .env("HFS_DATABASE_URL", folder.join("peer.db"))
        .env("HFS_DATA_DIR", &folder)
        .env("HFS_LOG_LEVEL", "error");
    Process::start(command, address).map(|(process, _)| process)
}

/// What is asked of a side.
type Requests = fn(&Side) -> Vec<Bytes>;

/// One of the two servers, with what is asked of it.
struct Side {
    address: SocketAddr,
    /// Where its API begins.
    base: &'static str,
    token: String,
    records: Vec<String>,
}

impl Side {
    /// Fills it with records, each one transaction.
    fn filled(address: SocketAddr, base: &'static str, token: &str) -> io::Result<Self> {
        let records = (0..RECORDS).map(|_| fhir::transaction(address, base, token)).collect::<io::Result<_>>()?;
        Ok(Self { address, base, token: token.to_owned(), records })
    }

    /// What lies below the base.
    fn path(&self, below: &str) -> String {
        format!("{}/{below}", self.base.trim_end_matches('/'))
    }

    /// How many matches the first search has.
    fn matches(&self) -> io::Result<usize> {
        let found = load::bodies(self.address, self.searches().into_iter().take(1).collect(), 1)?;
        Ok(found[0].matches("\"resourceType\":\"Observation\"").count())
    }

    /// The faster server writes more: nothing is written to these.
    fn searched(&self) -> &[String] {
        &self.records[..RECORDS - WRITTEN]
    }

    fn reads(&self) -> Vec<Bytes> {
        self.searched().iter().map(|id| load::get(&self.path(&format!("Patient/{id}")), &self.token)).collect()
    }

    fn searches(&self) -> Vec<Bytes> {
        let path = |id| self.path(&format!("Observation?patient={id}&code=http://loinc.org|code-7&_count=20"));
        self.searched().iter().map(|id| load::get(&path(id), &self.token)).collect()
    }

    fn creates(&self) -> Vec<Bytes> {
        let observation = |id| {
            let coding = json!({"coding": [{"system": "http://loinc.org", "code": "code-new"}]});
            let subject = json!({"reference": format!("Patient/{id}")});
            json!({
                "resourceType": "Observation", "status": "final", "code": coding, "subject": subject,
                "effectiveDateTime": "2026-01-01", "valueString": "x".repeat(200),
            })
        };
        let post = |id| load::post(&self.path("Observation"), &self.token, &observation(id).to_string());
        self.records[RECORDS - WRITTEN..].iter().map(post).collect()
    }

    /// Answers a second, and the median in milliseconds.
    fn rate(&self, requests: &[Bytes], clients: usize, time: Duration) -> io::Result<(f64, f64)> {
        load::cycle(self.address, requests, clients, Duration::from_millis(500))?;
        let mut measured = load::cycle(self.address, requests, clients, time)?;
        match &measured.first_failure {
            Some(first) => Err(io::Error::other(format!("{} failed: {first}", self.base))),
            None => Ok((measured.per_second(), measured.percentile_ms(50))),
        }
    }
}

/// Both servers in turns; what is ours stands as the figure, what is the peer's as the floor.
pub(crate) fn measure(
    subject: &Subject,
    (program, directory, corpus): (&Path, &Path, Option<&Path>),
    (rounds, time): (usize, Duration),
    report: &mut Report,
) -> io::Result<()> {
    let peer = start(program, directory, corpus)?;
    let theirs = Side::filled(peer.address, "/", "none")?;
    let ours = Side::filled(subject.process.address, "/fhir", &subject.sender)?;
    let matches = (theirs.matches()?, ours.matches()?);
    if matches.0 != matches.1 || matches.0 == 0 {
        return Err(io::Error::other(format!("the two find different numbers of matches: {matches:?}")));
    }
    for round in 1..=rounds {
        eprintln!(" round {round}, load {}", fs::read_to_string("/proc/loadavg")?.trim());
        let each: [(&str, usize, Requests); 4] = [
            ("create", CLIENTS, Side::creates),
            ("read", CLIENTS, Side::reads),
            ("search by patient and code", CLIENTS, Side::searches),
            ("transaction of 300 entries", 1, |side| {
                (0..RECORDS).map(|_| load::post(side.base, &side.token, &dossier(ENTRIES))).collect()
            }),
        ];
        for (name, clients, requests) in each {
            let (theirs, their_p50) = theirs.rate(&requests(&theirs), clients, time)?;
            let (ours, our_p50) = ours.rate(&requests(&ours), clients, time)?;
            let note = format!("p50 {our_p50:.1} ms, of the peer {their_p50:.1} ms");
            let name = format!("{name} ÷ Helios, {clients} clients, {}", subject.name);
            report.add(&name, ("/s", Goal::AtLeast(1.0)), (ours, Some(theirs)), &note);
        }
    }
    let memory = format!("memory after that, {}", subject.name);
    report.add(&memory, ("MB", Goal::None), (subject.process.memory_mb(), Some(peer.memory_mb())), "beside the peer's");
    Ok(())
}
