//! The bench: starts the release binary on PostgreSQL and on SQLite, drives it, and prints each operation beside its floor
//! from the same run. `README.md` says how, and what it came to.

mod bench;
mod billing;
mod billing_floor;
mod cluster;
mod consents;
mod deliveries;
mod export;
mod fhir;
mod load;
mod overload;
mod peer;
mod process;
mod read_floor;
mod referral_floor;
mod report;
mod rows;
mod samples;
mod search_floor;
mod subject;
mod syncs;
mod tokens;
mod trail;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::http::header;
use axum::routing::get;
use bytes::Bytes;
use clap::Parser;
use tokio::runtime::Runtime;

use bench::Bench;
use cluster::Cluster;
use report::Report;
use subject::Subject;

/// As the gateway has it, a part of which is measured in this process.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
struct Arguments {
    /// The binary under measurement; by default the `wellgate` beside this program.
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// Rounds of figure and floor, one after the other.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each figure in a round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Only one database: `postgres` or `sqlite`.
    #[arg(long)]
    database: Option<String>,
    /// Only the operations whose name begins so: `token`, `metadata`, `read`, `consents`, `referral`, `start`. `search` fills a database with a million
    /// resources, `trail` one with ten million events, `deliveries` queues a hundred thousand, `billing` makes a month of as many lines, `export` reads as many resources, `fhir` loads dossiers, `peer` asks another server the same, `rows` searches among ten million resources, and `overload` needs 32,000 open files, so these are measured only where they
    /// are named.
    #[arg(long, default_value = "")]
    only: String,
    /// Where the databases lie while it runs: on a real disk, or the figures of commits mean nothing.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Where the gateway's log goes: by default where nobody reads it.
    #[arg(long, default_value = "/dev/null")]
    log: PathBuf,
    /// Where the published examples lie: Synthea's dossiers are loaded from there.
    #[arg(long)]
    corpus: Option<PathBuf>,
    /// The program `hfs` of Helios HFS, for `--only peer`.
    #[arg(long)]
    peer: Option<PathBuf>,
    /// Serves this file as the bare handler (the bench calls itself so).
    #[arg(long, hide = true, num_args = 2)]
    bare: Option<Vec<String>>,
    /// Bills on this database, with keys in this directory (the bench calls itself so).
    #[arg(long, hide = true, num_args = 2)]
    billing: Option<Vec<String>>,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    if let Some(bare) = &arguments.bare {
        return serve_bare(&bare[0], &bare[1]);
    }
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    if let Some(billing) = &arguments.billing {
        return billing::run(&billing[0], &billing[1]);
    }
    let parent = arguments.directory.clone().unwrap_or_else(std::env::temp_dir);
    let directory = parent.join(format!("wellgate-bench-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&directory)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut report = Report::default();
    let measured = measure(&arguments, &directory, &runtime, &mut report);
    // What was measured before a failure is worth as much as ever.
    println!("{}", report.table());
    std::fs::remove_dir_all(&directory)?;
    measured
}

fn measure(arguments: &Arguments, directory: &Path, runtime: &Runtime, report: &mut Report) -> io::Result<()> {
    let beside = std::env::current_exe()?.with_file_name("wellgate");
    let program = arguments.gateway.clone().unwrap_or(beside);
    let chosen = |name: &str| arguments.database.as_deref().is_none_or(|database| database == name);
    if "token".starts_with(&arguments.only) {
        tokens::measure(report, arguments.rounds)?;
    }
    if chosen("postgres") {
        let cluster = Cluster::start(directory)?;
        let subject = Subject::start("PostgreSQL", &cluster.url(), (&program, directory, &arguments.log), runtime)?;
        let bench = Bench { arguments, directory, runtime, cluster: Some(&cluster), url: cluster.url() };
        bench.run(subject, report)?;
    }
    if chosen("sqlite") {
        let url = format!("sqlite:{}", directory.join("bench.sqlite").display());
        let subject = Subject::start("SQLite", &url, (&program, directory, &arguments.log), runtime)?;
        let bench = Bench { arguments, directory, runtime, cluster: None, url };
        bench.run(subject, report)?;
    }
    Ok(())
}

/// The bare handler: axum's own server, one route that answers any path with the same bytes.
fn serve_bare(address: &str, file: &str) -> io::Result<()> {
    let body = Bytes::from(std::fs::read(file)?);
    let answer = move || async move { ([(header::CONTENT_TYPE, "application/fhir+json")], body) };
    let router = Router::new().route("/{*path}", get(answer));
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { axum::serve(tokio::net::TcpListener::bind(address).await?, router).await })
}
