//! The auditor's commands. Those that prove or tell something read a database that they do not believe, and change nothing but that it is
//! on record whose data was asked for.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::CommandError;
use super::acts::{ADOPT, OperatorAct, REACHED};
use crate::audit::check::{Report, Trust};
use crate::audit::seal_key::SealPublicKey;
use crate::cli::{AuditAction, AuditErase, AuditReached, AuditSource, AuditVerify};
use crate::clock::{Clock, format_instant};
use crate::config::{self, Config};
use crate::evidence::erasure::{Erased, erase};
use crate::evidence::{Sealer, verify};
use crate::gateway::{self, StartError, database_url};
use crate::storage::read_seal_key;
use crate::storage::trail::{ReachedBy, Trail};

/// What the trail proves, and whose data was reached.
///
/// # Errors
/// The database or a key cannot be read; [`CommandError::Tampered`] where the trail is not as it was sealed.
pub async fn audit(action: AuditAction) -> Result<(), CommandError> {
    match action {
        AuditAction::Verify(arguments) => verify_trail(&arguments).await,
        AuditAction::Head(source) => print_head(&source).await,
        AuditAction::PublicKey(config) => {
            let config = load(config.config.as_deref())?;
            print!("{}", public_key(&config)?.to_pem());
            Ok(())
        }
        AuditAction::Reached(arguments) => print_reached(&arguments).await,
        AuditAction::Erase(arguments) => Box::pin(erase_events(&arguments)).await,
        AuditAction::Adopt(config) => adopt(&load(config.config.as_deref())?).await,
    }
}

fn load(file: Option<&Path>) -> Result<Config, CommandError> {
    Ok(Config::load(file, &config::environment())?)
}

fn failed(error: impl std::fmt::Display) -> CommandError {
    CommandError::Failed(error.to_string())
}

fn no_key() -> CommandError {
    CommandError::Wrong("evidence.signing_key_file: is not set, so the trail is not sealed".to_owned())
}

fn public_key(config: &Config) -> Result<SealPublicKey, CommandError> {
    let file = config.evidence.signing_key_file.as_ref().ok_or_else(no_key)?;
    Ok(read_seal_key(file).map_err(failed)?.public().clone())
}

/// The trail that is meant, and the configuration where one was needed to find it.
async fn open(source: &AuditSource) -> Result<(Trail, Option<Config>), CommandError> {
    let (url, config) = if let Some(url) = &source.database {
        (url.clone(), None)
    } else {
        let config = load(source.config.config.as_deref())?;
        (database_url(&config.database.url), Some(config))
    };
    let trail = Trail::open(&url).await.map_err(StartError::Open)?;
    Ok((trail, config))
}

/// The keys in some files.
fn read_public_keys(files: &[PathBuf]) -> Result<Vec<SealPublicKey>, CommandError> {
    let mut keys = Vec::new();
    for file in files {
        let wrong = |error: &dyn std::fmt::Display| CommandError::Wrong(format!("{}: {error}", file.display()));
        let content = std::fs::read(file).map_err(|error| wrong(&error))?;
        keys.extend(SealPublicKey::read_all(&content).map_err(|error| wrong(&error))?);
    }
    Ok(keys)
}

/// By which keys a restored trail is proved: those that are given, or else the configured one; none where there is neither.
///
/// # Errors
/// A file holds no such key.
pub(super) fn restored_trust(config: &Config, files: &[PathBuf]) -> Result<Option<Trust>, CommandError> {
    if !files.is_empty() {
        // What was marked by an earlier key is none of the configured one's, so its secret has no part in it.
        return Ok(Some(Trust { keys: read_public_keys(files)?, ..Trust::default() }));
    }
    let Some(file) = &config.evidence.signing_key_file else { return Ok(None) };
    let key = read_seal_key(file).map_err(failed)?;
    Ok(Some(Trust { keys: vec![key.public().clone()], secret: Some(key), ..Trust::default() }))
}

/// Proves the trail of the configured database: what a restore ends with.
///
/// # Errors
/// [`CommandError::Tampered`], or it cannot be read.
pub(super) async fn prove(config: &Config, trust: Trust) -> Result<(), CommandError> {
    let trail = Trail::open(&database_url(&config.database.url)).await.map_err(StartError::Open)?;
    let report = verify(&trail, trust).await.map_err(StartError::Storage)?;
    trail.close().await;
    print_report(&report);
    if report.is_clean() { Ok(()) } else { Err(CommandError::Tampered(findings(&report))) }
}

async fn verify_trail(arguments: &AuditVerify) -> Result<(), CommandError> {
    let mut trust = Trust { head: arguments.head.clone(), ..Trust::default() };
    trust.keys = read_public_keys(&arguments.public_keys)?;
    if arguments.between.is_limited() {
        trust.recorded = Some(arguments.between.bounds());
    }
    let (trail, config) = open(&arguments.source).await?;
    if let Some(file) = config.as_ref().and_then(|config| config.evidence.signing_key_file.as_ref()) {
        let key = read_seal_key(file);
        if trust.keys.is_empty() {
            trust.keys.push(key.as_ref().map_err(failed)?.public().clone());
        }
        trust.secret = key.ok();
    }
    if trust.keys.is_empty() {
        return Err(CommandError::Wrong("--public-key: is needed, for no key is configured".to_owned()));
    }
    let report = verify(&trail, trust).await.map_err(StartError::Storage)?;
    trail.close().await;
    print_report(&report);
    if report.is_clean() { Ok(()) } else { Err(CommandError::Tampered(findings(&report))) }
}

fn findings(report: &Report) -> String {
    let mut lines = report.findings.clone();
    if report.findings_more > 0 {
        lines.push(format!("… and {} more", report.findings_more));
    }
    format!("The trail is not as it was sealed. In the order of the seals:\n{}", lines.join("\n"))
}

fn print_report(report: &Report) {
    println!("{} seals, {} events as they were sealed", report.seals, report.sealed);
    for (count, what) in [
        (report.erased, "erased, by an act in the trail"),
        (report.adopted, "of those there before they were first sealed: as they were then"),
        (
            report.late,
            "of those sealed more than five minutes after they were recorded: a gateway was killed, or a clock moved",
        ),
        (report.unsealed, "not sealed yet"),
    ] {
        if count > 0 {
            println!("{count} {what}");
        }
    }
    if let Some(head) = &report.head {
        println!("head {head}");
    }
}

async fn print_head(source: &AuditSource) -> Result<(), CommandError> {
    let (trail, _) = open(source).await?;
    let last = trail.last_seal().await.map_err(StartError::Storage)?;
    trail.close().await;
    let Some(seal) = last else { return Err(CommandError::Failed("there is no seal yet".to_owned())) };
    println!("{}", seal.head());
    println!("signature {}", seal.signature);
    println!("key {}, sealed {}", seal.key_id, format_instant(seal.sealed_ms));
    Ok(())
}

async fn print_reached(arguments: &AuditReached) -> Result<(), CommandError> {
    let (trail, config) = open(&arguments.source).await?;
    if let Some(config) = &config {
        keep_reached(config, arguments).await?;
    }
    let organization = arguments.organization.as_ref().map(|id| format!("organization/{id}")).unwrap_or_default();
    let (from_ms, until_ms) = arguments.between.bounds();
    let by = ReachedBy {
        client: arguments.client.as_deref().unwrap_or_default(),
        organization: &organization,
        from_ms,
        until_ms,
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut written = Ok(());
    let tell = |reached: crate::storage::trail::Reached| {
        let (first, last) = (format_instant(reached.first_ms), format_instant(reached.last_ms));
        let line = writeln!(out, "Patient/{}\t{}\t{first}\t{last}", reached.record, reached.events);
        if written.is_ok() {
            written = line;
        }
    };
    trail.reached(by, tell).await.map_err(StartError::Storage)?;
    trail.close().await;
    written.and_then(|()| out.flush()).map_err(failed)
}

/// Who is told whose data was reached has that on record; of a copy there is no trail to keep it in.
async fn keep_reached(config: &Config, arguments: &AuditReached) -> Result<(), CommandError> {
    let moment = |ms: Option<i64>| ms.map(format_instant).unwrap_or_default();
    let (from, to) = (moment(arguments.between.from), moment(arguments.between.to));
    let details = [
        ("client", arguments.client.as_deref().unwrap_or_default()),
        ("organization", arguments.organization.as_deref().unwrap_or_default()),
        ("from", &from),
        ("to", &to),
    ];
    let store = gateway::open(config).await.map_err(StartError::Open)?;
    let act = OperatorAct { act: REACHED, organization: None, about: ("AuditEvent", ""), details: &details };
    let kept = act.keep(&store).await;
    store.close().await;
    kept
}

async fn erase_events(arguments: &AuditErase) -> Result<(), CommandError> {
    let config = load(arguments.config.config.as_deref())?;
    let store = gateway::open(&config).await.map_err(StartError::Open)?;
    let what = match (&arguments.event, &arguments.record) {
        (Some(id), _) => Erased::Event(id),
        (None, record) => Erased::Record(record.as_deref().unwrap_or_default()),
    };
    let now_ms = Clock::System.now_ms();
    let head_file = config.evidence.head_file.as_deref();
    let erased = erase(&store, what, (&arguments.order, now_ms), head_file).await.map_err(StartError::Storage)?;
    store.close().await;
    println!("{erased} events are erased.");
    Ok(())
}

async fn adopt(config: &Config) -> Result<(), CommandError> {
    let store = gateway::open(config).await.map_err(StartError::Open)?;
    let mut sealer = Sealer::new(&store, config.evidence.head_file.as_deref()).ok_or_else(no_key)?;
    OperatorAct::on_all(ADOPT).keep(&store).await?;
    let now_ms = Clock::System.now_ms();
    let adopted = sealer.adopt(now_ms).await.map_err(StartError::Storage)?;
    sealer.pass(now_ms, true).await.map_err(StartError::Storage)?;
    store.close().await;
    println!("{adopted} events are taken into the trail, as they stand now.");
    Ok(())
}
