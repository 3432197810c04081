//! Loads resources from files over HTTP, as any client would: nothing is taken that the gateway would refuse.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use connectors::http::{Answer, HttpClient};
use reqwest::Method;
use reqwest::header::RETRY_AFTER;
use serde_json::{Value, json};

use super::CommandError;
use crate::cli::LoadArguments;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How often a gateway that has no room is asked again.
const TRIES_MAX: u32 = 10;
/// The wait where it does not say for how long.
const PAUSE: Duration = Duration::from_secs(1);
/// What others refer to, in the order in which it goes; all else comes after these, in the order of its files.
const FIRST: [&str; 12] = [
    "Organization",
    "Location",
    "Endpoint",
    "HealthcareService",
    "Practitioner",
    "PractitionerRole",
    "Questionnaire",
    "Patient",
    "RelatedPerson",
    "CareTeam",
    "Consent",
    "Encounter",
];

/// Where a resource stands: its file, and its line or entry.
#[derive(Clone, Debug)]
struct Place {
    path: PathBuf,
    at: String,
}

/// A resource that goes together with others.
#[derive(Clone, Debug)]
struct One {
    place: Place,
    resource: Value,
    /// The names by which others refer to it.
    names: Vec<String>,
}

/// How far it is.
#[derive(Debug, Default)]
struct Progress {
    taken: usize,
    refused: usize,
    files: (usize, usize),
}

struct Load<'a> {
    http: HttpClient,
    url: &'a str,
    token: String,
    together: usize,
    /// What each resource is called by the gateway, by the names in the files.
    ids: HashMap<String, String>,
    progress: Progress,
}

/// Loads files and folders.
///
/// # Errors
/// A file cannot be read, the gateway does not answer, or not everything was taken: what not is told on standard error.
pub async fn load(arguments: &LoadArguments) -> Result<(), CommandError> {
    let failed =
        |path: &Path, error: &dyn std::fmt::Display| CommandError::Failed(format!("{}: {error}", path.display()));
    let token = fs::read_to_string(&arguments.token_file).map_err(|error| failed(&arguments.token_file, &error))?;
    let mut files = Vec::new();
    for path in &arguments.paths {
        collect(path, &mut files).map_err(|error| failed(path, &error))?;
    }
    let mut ranked = Vec::new();
    for path in files {
        ranked.push((rank(&path).map_err(|error| failed(&path, &error))?, path));
    }
    ranked.sort();
    let http = HttpClient::new().map_err(|error| CommandError::Failed(error.to_string()))?;
    let mut load = Load {
        http,
        url: arguments.url.trim_end_matches('/'),
        token: token.trim().to_owned(),
        together: arguments.together.get(),
        ids: HashMap::new(),
        progress: Progress { files: (0, ranked.len()), ..Progress::default() },
    };
    for (_, path) in &ranked {
        load.file(path).await?;
        load.progress.files.0 += 1;
        load.progress.show();
    }
    load.progress.end()
}

/// The files of a path, in their order.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !fs::metadata(path)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    entries.sort();
    for entry in entries {
        let is_data =
            |path: &Path| path.extension().is_some_and(|extension| extension == "json" || extension == "ndjson");
        if entry.is_dir() || is_data(&entry) {
            collect(&entry, files)?;
        }
    }
    Ok(())
}

fn is_lines(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "ndjson")
}

/// When a file goes: by the first type in it. A Bundle that has no Patient is of what Patients refer to.
fn rank(path: &Path) -> io::Result<usize> {
    let mut first = String::new();
    if is_lines(path) {
        BufReader::new(File::open(path)?).read_line(&mut first)?;
    } else {
        first = fs::read_to_string(path)?;
    }
    let Ok(resource) = serde_json::from_str::<Value>(&first) else { return Ok(FIRST.len()) };
    let place = |name: &str| FIRST.iter().position(|first| *first == name).unwrap_or(FIRST.len());
    if resource["resourceType"] != "Bundle" {
        return Ok(place(resource["resourceType"].as_str().unwrap_or_default()));
    }
    let entries = resource["entry"].as_array().map_or(&[][..], Vec::as_slice);
    let has_person = entries.iter().any(|entry| entry["resource"]["resourceType"] == "Patient");
    Ok(if has_person { place("Patient") } else { 0 })
}

impl Load<'_> {
    async fn file(&mut self, path: &Path) -> Result<(), CommandError> {
        let unreadable = |error: io::Error| CommandError::Failed(format!("{}: {error}", path.display()));
        let place = |at: String| Place { path: path.to_owned(), at };
        let mut waiting = Vec::new();
        if is_lines(path) {
            for (n, line) in BufReader::new(File::open(path).map_err(unreadable)?).lines().enumerate() {
                let line = line.map_err(unreadable)?;
                if !line.trim().is_empty() {
                    self.read(&line, place(format!("line {}", n + 1)), &mut waiting).await?;
                }
            }
        } else {
            let text = fs::read_to_string(path).map_err(unreadable)?;
            self.read(&text, place(String::new()), &mut waiting).await?;
        }
        self.send(waiting).await
    }

    /// Takes up a text that is a resource.
    async fn read(&mut self, text: &str, place: Place, waiting: &mut Vec<One>) -> Result<(), CommandError> {
        let Ok(resource) = serde_json::from_str::<Value>(text) else {
            self.progress.refuse(&place, "this is not JSON");
            return Ok(());
        };
        if resource["resourceType"] != "Bundle" {
            return self.wait(One::of(place, resource, None), waiting).await;
        }
        if ["transaction", "batch"].iter().any(|kind| resource["type"] == **kind) {
            self.send(std::mem::take(waiting)).await?;
            let is_batch = resource["type"] == "batch";
            return self.bundle(text, is_batch, &place).await;
        }
        for (n, entry) in resource["entry"].as_array().map_or(&[][..], Vec::as_slice).iter().enumerate() {
            let place = Place { at: format!("{} entry[{n}]", place.at).trim().to_owned(), ..place.clone() };
            let full_url = entry["fullUrl"].as_str();
            self.wait(One::of(place, entry["resource"].clone(), full_url), waiting).await?;
        }
        Ok(())
    }

    async fn wait(&mut self, one: One, waiting: &mut Vec<One>) -> Result<(), CommandError> {
        waiting.push(one);
        if waiting.len() < self.together {
            return Ok(());
        }
        self.send(std::mem::take(waiting)).await
    }

    /// A transaction or batch, as it is.
    async fn bundle(&mut self, text: &str, is_batch: bool, place: &Place) -> Result<(), CommandError> {
        let answer = self.post("", text.to_owned(), is_batch).await?;
        if !answer.status.is_success() {
            self.progress.refuse(place, &said(&answer));
            return Ok(());
        }
        let answered: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        for (n, entry) in answered["entry"].as_array().map_or(&[][..], Vec::as_slice).iter().enumerate() {
            if entry["response"]["status"].as_str().is_some_and(|status| status.starts_with('2')) {
                self.progress.taken += 1;
            } else {
                let place = Place { at: format!("entry[{n}]"), ..place.clone() };
                self.progress.refuse(&place, &words(&entry["response"]["outcome"]));
            }
        }
        self.progress.show();
        Ok(())
    }

    /// Resources in one transaction; where that is refused each by itself, so that only what is wrong stays behind.
    async fn send(&mut self, together: Vec<One>) -> Result<(), CommandError> {
        if together.is_empty() {
            return Ok(());
        }
        let urns: Vec<String> = together.iter().map(|_| format!("urn:uuid:{}", uuid::Uuid::new_v4())).collect();
        let of_one = |(one, urn): (&'_ One, &String)| -> Vec<(String, String)> {
            one.names.iter().map(|name| (name.clone(), urn.clone())).collect()
        };
        let here: HashMap<String, String> = together.iter().zip(&urns).flat_map(of_one).collect();
        let names = [&here, &self.ids];
        let entry: Vec<Value> = together
            .iter()
            .zip(&urns)
            .map(|(one, urn)| {
                let request = json!({"method": "POST", "url": one.resource["resourceType"]});
                json!({"fullUrl": urn, "resource": one.renamed(names), "request": request})
            })
            .collect();
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entry});
        let answer = self.post("", bundle.to_string(), false).await?;
        if !answer.status.is_success() {
            for one in &together {
                self.alone(one).await?;
            }
            return Ok(());
        }
        let answered: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        for (n, one) in together.iter().enumerate() {
            self.took(one, answered["entry"][n]["response"]["location"].as_str());
        }
        self.progress.show();
        Ok(())
    }

    async fn alone(&mut self, one: &One) -> Result<(), CommandError> {
        let path = format!("/{}", one.resource["resourceType"].as_str().unwrap_or_default());
        let answer = self.post(&path, one.renamed([&self.ids, &self.ids]).to_string(), false).await?;
        if answer.status.is_success() {
            let location = answer.headers.get("location").and_then(|location| location.to_str().ok());
            self.took(one, location);
        } else {
            self.progress.refuse(&one.place, &said(&answer));
        }
        self.progress.show();
        Ok(())
    }

    /// Keeps what a resource is called now.
    fn took(&mut self, one: &One, location: Option<&str>) {
        self.progress.taken += 1;
        let path = location.map(|location| location.split("/_history/").next().unwrap_or_default());
        let mut parts = path.unwrap_or_default().rsplit('/');
        let (Some(id), Some(resource_type)) = (parts.next(), parts.next()) else { return };
        self.ids.extend(one.names.iter().map(|name| (name.clone(), format!("{resource_type}/{id}"))));
    }

    /// Sends a body; a gateway that has no room is asked again, under the same key: what it wrote the first time is not written twice.
    async fn post(&self, path: &str, body: String, is_batch: bool) -> Result<Answer, CommandError> {
        let failed = |error: &dyn std::fmt::Display| CommandError::Failed(format!("{}: {error}", self.url));
        let key = uuid::Uuid::new_v4().to_string();
        for tried in 1.. {
            let request = self.http.request(Method::POST, &format!("{}{path}", self.url)).bearer_auth(&self.token);
            let request = request.header("content-type", "application/fhir+json").body(body.clone());
            // A batch takes no key: its entries stand alone.
            let request = if is_batch { request } else { request.header("idempotency-key", &key) };
            let answer = self.http.send(request, ANSWER_BYTES_MAX).await.map_err(|error| failed(&error))?;
            match answer.status.as_u16() {
                401 => return Err(failed(&"the token is not accepted, or has expired")),
                429 | 503 if tried < TRIES_MAX => {
                    let said = answer.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
                    let wait = said.and_then(|text| text.parse().ok()).map_or(PAUSE, Duration::from_secs);
                    tokio::time::sleep(wait).await;
                }
                _ => return Ok(answer),
            }
        }
        Err(failed(&"it has no room"))
    }
}

impl One {
    fn of(place: Place, resource: Value, full_url: Option<&str>) -> Self {
        let own = resource["id"].as_str().zip(resource["resourceType"].as_str()).map(|(id, of)| format!("{of}/{id}"));
        let names = own.into_iter().chain(full_url.map(str::to_owned)).collect();
        Self { place, resource, names }
    }

    /// The resource with the names of others as they are now, and without an id of its own: that is the gateway's.
    fn renamed(&self, names: [&HashMap<String, String>; 2]) -> Value {
        let mut resource = self.resource.clone();
        if let Some(object) = resource.as_object_mut() {
            object.remove("id");
        }
        rename(&mut resource, names);
        resource
    }
}

fn rename(value: &mut Value, names: [&HashMap<String, String>; 2]) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "reference" => {
                        if let Some(now) = names.iter().find_map(|names| names.get(text.as_str())) {
                            text.clone_from(now);
                        }
                    }
                    _ => rename(member, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}

impl Progress {
    /// Tells what was not taken, and why.
    fn refuse(&mut self, place: &Place, why: &str) {
        self.refused += 1;
        let at = if place.at.is_empty() { String::new() } else { format!(", {}", place.at) };
        eprintln!("{}{}{at}: {why}", if io::stderr().is_terminal() { "\r\x1b[K" } else { "" }, place.path.display());
    }

    /// One line that changes, where somebody looks.
    fn show(&self) {
        const WIDTH: usize = 30;
        if !io::stderr().is_terminal() {
            return;
        }
        let (done, of) = self.files;
        let full = WIDTH * done / of.max(1);
        eprint!("\r[{}{}] {done} of {of} files, {} resources", "=".repeat(full), " ".repeat(WIDTH - full), self.taken);
        // A line that cannot be shown is not shown.
        let _ = io::stderr().flush();
    }

    fn end(&self) -> Result<(), CommandError> {
        if io::stderr().is_terminal() {
            eprintln!();
        }
        println!("{} resources are loaded.", self.taken);
        match self.refused {
            0 => Ok(()),
            refused => Err(CommandError::Wrong(format!("{refused} were not taken: see above"))),
        }
    }
}

/// The reason of a refusal, in the gateway's words.
fn said(answer: &Answer) -> String {
    let outcome: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    format!("{} {}", answer.status.as_u16(), words(&outcome))
}

fn words(outcome: &Value) -> String {
    let issues = outcome["issue"].as_array().map_or(&[][..], Vec::as_slice);
    let one = |issue: &Value| {
        let at = issue["expression"][0].as_str().map_or(String::new(), |at| format!("{at}: "));
        format!("{at}{}", issue["details"]["text"].as_str().unwrap_or_default())
    };
    issues.iter().map(one).collect::<Vec<_>>().join("; ")
}
