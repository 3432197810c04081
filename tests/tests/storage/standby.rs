//! 11: PostgreSQL dies while its standby hears nothing, and the standby takes over. Where commits wait for the standby nothing acknowledged is
//! lost; where they do not, what it had not heard is, and nothing else.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use gateway::audit::Outcome;
use gateway::storage::{Store, StoreSettings};
use serde_json::json;
use tempfile::TempDir;
use wellgate_tests::postgres::query;

use crate::world::{NOW_MS, beginning, event, first, key};

/// Writes before the standby is deaf, and after.
const BEFORE: usize = 20;
const AFTER: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory for clusters, and what runs them.
struct Place {
    directory: TempDir,
    programs: PathBuf,
    is_root: bool,
}

/// A server that ends with this.
struct Cluster<'p> {
    place: &'p Place,
    data: String,
    port: u16,
}

fn first_line(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned())
}

impl Place {
    /// None where PostgreSQL's programs are not installed.
    fn new() -> Option<Self> {
        let programs = PathBuf::from(first_line("pg_config", "--bindir")?);
        let has_all = ["initdb", "pg_basebackup"].iter().all(|program| programs.join(program).exists());
        let directory = tempfile::Builder::new().prefix("wellgate-standby.").tempdir().expect("a directory");
        let is_root = first_line("id", "-u").as_deref() == Some("0");
        if is_root {
            // The server refuses to run as root; its packages bring a user along.
            let owned = Command::new("chown").arg("postgres").arg(directory.path()).status();
            assert!(owned.is_ok_and(|status| status.success()));
        }
        has_all.then_some(Self { directory, programs, is_root })
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = if self.is_root { Command::new("runuser") } else { Command::new(&program) };
        if self.is_root {
            command.args(["-u", "postgres", "--"]).arg(&program);
        }
        // What a server inherits open it keeps: no pipes.
        command.args(arguments).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().expect("it is installed");
        assert!(status.success(), "{} {arguments:?}: {status}", program.display());
    }

    fn cluster(&self, name: &str) -> Cluster<'_> {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let data = self.directory.path().join(name).display().to_string();
        Cluster { place: self, data, port: port.expect("a free port").port() }
    }
}

impl Cluster<'_> {
    fn settings(&self, more: &str) {
        let sockets = self.place.directory.path().display();
        let text = format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = '{sockets}'\nport = {}\nfsync = on\n{more}",
            self.port
        );
        std::fs::write(Path::new(&self.data).join("wellgate.conf"), text).expect("the cluster is there");
    }

    fn start(&self) {
        let log = format!("{}.log", self.data);
        self.place.run("pg_ctl", &["-D", &self.data, "-l", &log, "-w", "start"]);
    }

    fn stop(&self) {
        self.place.run("pg_ctl", &["-D", &self.data, "-m", "immediate", "-w", "stop"]);
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    fn ask(&self, sql: &str) -> String {
        query(&self.url("postgres"), sql)
    }

    fn until(&self, sql: &str) {
        let begun = Instant::now();
        while self.ask(sql) != "t" {
            assert!(begun.elapsed() < PATIENCE, "{sql}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Cluster<'_> {
    fn drop(&mut self) {
        if Path::new(&self.data).join("postmaster.pid").exists() {
            self.stop();
        }
    }
}

/// A server with a standby that has all of it.
fn with_standby(place: &Place, commits_wait: bool) -> (Cluster<'_>, Cluster<'_>) {
    let (primary, standby) = (place.cluster("primary"), place.cluster("standby"));
    place.run("initdb", &["-D", &primary.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]);
    let include = Path::new(&primary.data).join("postgresql.conf");
    let text = std::fs::read_to_string(&include).expect("it was made") + "\ninclude 'wellgate.conf'\n";
    std::fs::write(&include, text).expect("it is ours");
    primary.settings("");
    primary.start();
    primary.ask("CREATE DATABASE wellgate");
    let port = primary.port.to_string();
    let from =
        ["-D", &standby.data, "-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-R", "-X", "stream", "-c", "fast"];
    place.run("pg_basebackup", &from);
    standby.settings("");
    standby.start();
    if commits_wait {
        primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'");
        primary.ask("SELECT pg_reload_conf()");
        primary.until("SELECT EXISTS (SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync')");
    }
    (primary, standby)
}

fn id(n: usize) -> String {
    format!("standby{n}")
}

/// Whether a write was acknowledged.
async fn writes(store: &Store, n: usize, patience: Duration) -> bool {
    let id = id(n);
    let mut set = beginning(&id, "a", vec![first(key(&id, "Patient", &id), &json!({"n": n}))]);
    set.audit.push(event(&id, NOW_MS, Outcome::Success));
    matches!(tokio::time::timeout(patience, store.apply(set)).await, Ok(Ok(())))
}

async fn takes_over(commits_wait: bool) {
    let Some(place) = Place::new() else { return };
    let (primary, standby) = with_standby(&place, commits_wait);
    let store = Store::open(&StoreSettings::new(primary.url("wellgate"))).await.expect("it is there");
    for n in 0..BEFORE {
        assert!(writes(&store, n, PATIENCE).await, "{n}");
    }
    let written = primary.ask("SELECT pg_current_wal_flush_lsn()");
    standby.until(&format!("SELECT pg_last_wal_replay_lsn() >= '{written}'"));
    let receiver = standby.ask("SELECT pid FROM pg_stat_wal_receiver");
    let signal = |signal: &str| Command::new("kill").args([signal, &receiver]).status().expect("kill is there");
    assert!(signal("-STOP").success(), "the standby hears nothing any more");
    let mut acknowledged = 0;
    for n in BEFORE..BEFORE + AFTER {
        let patience = if commits_wait { Duration::from_millis(300) } else { PATIENCE };
        acknowledged += usize::from(writes(&store, n, patience).await);
    }
    assert_eq!(acknowledged, if commits_wait { 0 } else { AFTER });
    primary.stop();
    assert!(signal("-KILL").success());
    standby.stop();
    standby.start();
    place.run("pg_ctl", &["-D", &standby.data, "-w", "promote"]);
    let store = Store::open(&StoreSettings::new(standby.url("wellgate"))).await.expect("it took over");
    let mut lost = 0;
    for n in 0..BEFORE + acknowledged {
        let is_there = store.locate("Patient", &id(n)).await.expect("it answers").is_some();
        assert!(is_there || n >= BEFORE, "{n} was there before");
        lost += usize::from(!is_there);
    }
    println!("commits wait for the standby: {commits_wait}; {} acknowledged, {lost} lost", BEFORE + acknowledged);
    assert_eq!(lost, acknowledged, "what it had not heard, and nothing else");
    assert!(writes(&store, BEFORE + AFTER, PATIENCE).await, "and it goes on there");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_11_where_commits_wait_for_the_standby_nothing_acknowledged_is_lost() {
    takes_over(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_11_where_they_do_not_wait_what_the_standby_had_not_heard_is_lost_and_nothing_else() {
    takes_over(false).await;
}
