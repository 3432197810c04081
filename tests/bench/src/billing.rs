//! Third-party billing: lines taken in, checked and written into files, beside inserting and selecting the same rows; how the time grows with them, and the
//! memory.
//!
//! It runs in a process of its own, so that its memory is nobody else's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use gateway::app::App;
use gateway::audit::Actor;
use gateway::auth::Issuer;
use gateway::billing::{BillingParty, Books, InsuredPerson, NewLine, Progress, Source};
use gateway::clock::Clock;
use gateway::config::Config;
use gateway::gateway::{assemble, store_settings};
use gateway::sandbox::make_keys;
use gateway::storage::Store;
use gateway::storage::billing::LineFilter;
use mappings::billing::Date;
use mappings::claim_line::Service;
use mappings::identifiers::Nihdi;
use mappings::tariff::Stated;
use serde_json::{Value, json};

use crate::billing_floor;
use crate::report::{Goal, Report};

/// Lines that are measured, and so many by which it is seen how the time grows.
const MANY: usize = 100_000;
const FEW: usize = 1_000;
/// Lines of one person.
const OF_PERSON: usize = 20;
/// Lines that are taken in at once, as an import does.
const AT_ONCE: usize = 1_000;
/// A number is of one organisation: each has its own, by its last digit.
const PARTIES: [&str; 3] = ["71000436000", "71000436001", "71000436002"];
const PROVIDER: &str = "12345625004";
const MUTUALITIES: [u16; 5] = [131, 206, 306, 403, 509];
const MONTH: i64 = 202_602;
/// 2026-03-01T12:00:00Z: the made-up tariffs have prices for the month before.
const NOW_MS: i64 = 1_772_366_400_000;

/// Measures it on a database of its own, and adds what it came to.
pub(crate) fn measure(name: &str, url: &str, directory: &Path, report: &mut Report) -> io::Result<()> {
    let directory = directory.join(format!("billing-{}", uuid::Uuid::new_v4().simple()));
    fs::create_dir_all(&directory)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--billing").arg(url).arg(&directory).stdout(Stdio::piped());
    let output = command.output()?;
    let told: Value = serde_json::from_slice(&output.stdout).map_err(io::Error::other)?;
    let [few_s, many_s, floor_s, grown_mb] =
        ["few_s", "many_s", "floor_s", "grown_mb"].map(|member| told[member].as_f64().unwrap_or(f64::NAN));
    let lines = 100_000.0;
    let operation = format!("billing, {MANY} lines taken in, checked and written, {name}");
    let parts = told["parts"].as_str().unwrap_or_default();
    report.add(&operation, ("/s", Goal::AtLeast(0.3)), (lines / many_s, Some(lines / floor_s)), parts);
    let operation = format!("billing, time of {MANY} ÷ of {FEW} lines, {name}");
    report.add(&operation, ("", Goal::AtMost(120.0)), (many_s / few_s, None), "linear: 100");
    let operation = format!("billing, memory that it takes at its peak, {name}");
    report.add(&operation, ("MB", Goal::AtMost(64.0)), (grown_mb, None), "");
    Ok(())
}

/// The process that does it: on an empty database, with its keys in a directory. Says on standard output what it came to.
pub(crate) fn run(url: &str, directory: &str) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let app = app(url, Path::new(directory)).await?;
        // What is made once is made.
        month(&app, ("organization/bench-a", PARTIES[0], FEW)).await?;
        let few = month(&app, ("organization/bench-b", PARTIES[1], FEW)).await?;
        fs::write("/proc/self/clear_refs", "5")?;
        let before = memory_mb("VmRSS:");
        let many = month(&app, ("organization/bench-c", PARTIES[2], MANY)).await?;
        let grown_mb = memory_mb("VmHWM:") - before;
        let floor_s = billing_floor::measure(&app.store, url, "organization/bench-c").await?;
        let parts = format!("taken in {:.1} s, checked {:.1} s, written {:.1} s", many[0], many[1], many[2]);
        let sum = |parts: [f64; 3]| parts.iter().sum::<f64>();
        let told =
            json!({"few_s": sum(few), "many_s": sum(many), "floor_s": floor_s, "grown_mb": grown_mb, "parts": parts});
        println!("{told}");
        Ok(())
    })
}

/// A gateway on this database, as far as billing needs one.
async fn app(url: &str, directory: &Path) -> io::Result<App> {
    let settings = BTreeMap::from([
        ("WELLGATE_DATABASE_URL".to_owned(), url.to_owned()),
        ("WELLGATE_BILLING_ONE_FILE_A_DAY".to_owned(), "unlimited".to_owned()),
    ]);
    let config = Config::sandbox(None, directory, &settings);
    let config = config.map_err(|errors| io::Error::other(format!("{} settings are wrong", errors.len())))?;
    let secret = Issuer::generate_key().map_err(io::Error::other)?;
    let issuer = Issuer::new("https://issuer.example.org", &config.auth.audience, &secret).map_err(io::Error::other)?;
    fs::write(directory.join("jwks.json"), issuer.jwks())?;
    fs::write(directory.join("issuer-key.pkcs8"), &secret)?;
    make_keys(&config).map_err(io::Error::other)?;
    let settings = store_settings(&config).map_err(io::Error::other)?;
    let store = Store::open(&settings).await.map_err(io::Error::other)?;
    let (app, _) = assemble(&config, store, Clock::fixed(NOW_MS)).await.map_err(io::Error::other)?;
    Ok(app)
}

/// A month of so many lines, from nothing to sealed files; how many seconds each part took: taken in, checked, written.
async fn month(app: &App, (compartment, number, count): (&str, &str, usize)) -> io::Result<[f64; 3]> {
    let party = BillingParty {
        nihdi: number.to_owned(),
        enterprise: "0123456749".to_owned(),
        iban: "BE71096123456769".to_owned(),
        bic: "GKCCBEBB".to_owned(),
        sector: "ambulatory".to_owned(),
        contact_name: "Peeters".to_owned(),
        contact_first_name: "An".to_owned(),
        contact_phone: 470_000_000,
        ..BillingParty::default()
    };
    let record = serde_json::to_string(&party).map_err(io::Error::other)?;
    app.store.put_billing_party((compartment, number), &record).await.map_err(io::Error::other)?;
    let books = Books::new(app, compartment, Actor::gateway());
    let mut took = [0.0; 3];
    let begun = Instant::now();
    for from in (0..count).step_by(AT_ONCE) {
        let lines: Vec<NewLine> =
            (from..(from + AT_ONCE).min(count)).map(|n| line(n, number)).collect::<Option<_>>().unwrap_or_default();
        books.take_in(&lines).await.map_err(failed)?;
    }
    took[0] = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    books.check(number, MONTH, &Progress::default()).await.map_err(failed)?;
    took[1] = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    for ready in books.ready(number, MONTH).await.map_err(failed)? {
        let sending = books.seal(&ready.wanted).await.map_err(failed)?;
        if sending.state != "sealed" {
            return Err(io::Error::other(format!("a file is {}: {}", sending.state, sending.remark)));
        }
        app.clock.advance(1);
    }
    took[2] = begun.elapsed().as_secs_f64();
    let filter = LineFilter { states: vec!["sealed"], ..LineFilter::default() };
    let counts = app.store.claim_counts(compartment, &filter).await.map_err(io::Error::other)?;
    let sealed: i64 = counts.iter().map(|count| count.lines).sum();
    if usize::try_from(sealed).ok() == Some(count) {
        Ok(took)
    } else {
        Err(io::Error::other(format!("{sealed} of {count} lines are in a file")))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what an error is mapped by")]
fn failed(failure: gateway::error::Failure) -> io::Error {
    io::Error::other(format!("{failure:?}"))
}

/// The nth line: a person has one on each of twenty days.
fn line(n: usize, number: &str) -> Option<NewLine> {
    let (person, day) = (n / OF_PERSON, Date::parse(&format!("2026-02-{:02}", 1 + n % OF_PERSON))?);
    let born = format!("7{}{:02}{:02}{:03}", person % 10, 1 + person % 12, 1 + person % 28, 1 + person / 28);
    let check = 97 - born.parse::<u64>().ok()? % 97;
    Some(NewLine {
        person: InsuredPerson {
            ssin: format!("{born}{check:02}"),
            affiliation: MUTUALITIES.get(person % MUTUALITIES.len()).copied(),
            ct1: Some(110),
            ct2: Some(110),
            ..InsuredPerson::default()
        },
        third_party: number.to_owned(),
        service: Service {
            code: 990_010,
            first_day: day,
            last_day: day,
            units: 1,
            provider: Nihdi::parse(PROVIDER).ok()?,
            stated: Stated::default(),
            prescriber: None,
            place: None,
            convention: None,
            relative_code: None,
            time: None,
            agreed: None,
            admitted: None,
        },
        contact: None,
        source: Source::Import,
        source_key: Some(format!("line-{n}")),
    })
}

/// Memory of this process, now (`VmRSS:`) or at its peak (`VmHWM:`).
fn memory_mb(what: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().map_or(0.0, |kb| kb / 1024.0)
}
