//! Bulk Data: every export that a viewer may ask for, every file of it read to its end, and nothing hidden in any of it.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::client::Request;
use crate::compare::shows;
use crate::report::Difference;
use crate::run::Run;
use crate::scenarios::made_of;
use crate::twins::Twin;

/// How often the status of an export is asked, a second apart.
const POLLS_MAX: u32 = 120;

/// What is asked: everything, what is of Patients, and what changed since before there was anything.
const KICK_OFFS: [&str; 3] = ["$export", "Patient/$export", "$export?_since=2000-01-01T00:00:00Z"];

/// Exports all that can be exported, and looks for what is hidden in it.
///
/// # Errors
/// The server does not answer, or an export does not become ready.
pub async fn exports(run: &mut Run<'_>, hidden: &[Twin]) -> Result<(), String> {
    run.offered("export");
    for path in KICK_OFFS {
        let request = Request::get(path).with("prefer", "respond-async").with("accept", "application/fhir+json");
        let accepted = run.viewer.send(&request).await?;
        let mut answers = vec![(path.to_owned(), accepted.clone())];
        let status = accepted.header("content-location").map(|url| run.viewer.path_of(url));
        if let (202, Some(status)) = (accepted.status, status) {
            let manifest = ready(run, &status).await?;
            for member in ["output", "deleted", "error"] {
                let files = manifest[member].as_array().cloned().unwrap_or_default();
                for url in files.iter().filter_map(|entry| entry["url"].as_str()) {
                    let file = run.viewer.path_of(url);
                    let request = Request::get(&file).with("accept", "application/fhir+ndjson");
                    answers.push((file, run.viewer.send(&request).await?));
                }
            }
            answers.push((status.clone(), run.viewer.send(&Request::get(&status)).await?));
            run.viewer.send(&Request::new(Method::DELETE, status)).await?;
        }
        for twin in hidden {
            let own = Twin { kind: twin.kind, names: made_of(twin) };
            for (asked, answer) in &answers {
                let difference = shows(answer, &own).map(|shown| Difference {
                    asked: asked.clone(),
                    of: twin.kind.name().to_owned(),
                    answered: shown,
                    otherwise: "nothing of it".to_owned(),
                });
                run.report.check("export", path, difference);
            }
        }
    }
    Ok(())
}

/// The manifest, once there is one.
async fn ready(run: &Run<'_>, status: &str) -> Result<Value, String> {
    for _ in 0..POLLS_MAX {
        let answer = run.viewer.send(&Request::get(status)).await?;
        match answer.status {
            200 => return Ok(answer.json()),
            202 => tokio::time::sleep(Duration::from_secs(1)).await,
            other => return Err(format!("the status of an export: {other} {}", answer.body)),
        }
    }
    Err("an export does not become ready".to_owned())
}
