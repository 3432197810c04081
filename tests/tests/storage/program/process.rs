//! The built program as a process: started on a folder or a database, asked for a token, and killed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;
use wellgate_tests::program::wellgate;

/// Longer than the program takes for anything: what hangs is to be seen where it hangs.
const PATIENCE: Duration = Duration::from_mins(1);

/// Its own connections, as another organisation's program has.
#[expect(clippy::disallowed_methods, reason = "these tests are the program's clients, not a part of it")]
pub(super) fn client() -> Client {
    Client::builder().timeout(PATIENCE).build().expect("nothing of it can fail")
}

/// A running sandbox on one database.
pub(super) struct Gateway {
    pub(super) child: Child,
    pub(super) root: String,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where a sandbox keeps its things, whichever run of it.
pub(super) struct Place {
    pub(super) directory: tempfile::TempDir,
    /// A PostgreSQL database; without it the sandbox's own file.
    pub(super) postgres: Option<String>,
}

impl Place {
    pub(super) fn new(kind: &str) -> Option<Self> {
        let postgres = if kind == "postgres" { Some(wellgate_tests::postgres::database_url()?) } else { None };
        Some(Self { directory: tempfile::tempdir().expect("there is room"), postgres })
    }

    pub(super) fn url(&self) -> String {
        let file = || format!("sqlite:{}", self.directory.path().join("sandbox.sqlite").display());
        self.postgres.clone().unwrap_or_else(file)
    }

    /// The command that starts it; `before` runs in front of it, in a shell.
    pub(super) fn command(&self, before: Option<&str>) -> Command {
        let program = wellgate();
        let mut command = match before {
            Some(before) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{before}; exec \"$0\" \"$@\"")]).arg(program.get_program());
                for (name, _) in program.get_envs() {
                    shell.env_remove(name);
                }
                shell
            }
            None => program,
        };
        command.args(["sandbox", "--listen", "127.0.0.1:0", "--data"]).arg(self.directory.path());
        command.envs(self.postgres.as_ref().map(|url| ("WELLGATE_DATABASE_URL", url)));
        // One client writes here as fast as it can.
        command.env("WELLGATE_LIMITS_CLIENT_REQUESTS_PER_SECOND_MAX", "0");
        // What a killed one was sending is looked at again soon.
        command.env("WELLGATE_DELIVERIES_LEASE_SECONDS", "4");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    /// What the sessions of the database do, for whoever looks why something hangs.
    fn sessions(&self) -> String {
        let sql = "SELECT pid, state, wait_event_type, wait_event, pg_blocking_pids(pid), LEFT(query, 200) \
                   FROM pg_stat_activity WHERE datname = current_database()";
        self.postgres.as_ref().map(|url| wellgate_tests::postgres::query(url, sql)).unwrap_or_default()
    }

    pub(super) async fn start(&self) -> Gateway {
        self.start_after(None).await
    }

    pub(super) async fn start_after(&self, before: Option<&str>) -> Gateway {
        let mut child = self.command(before).spawn().expect("the program is built");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("it is text");
        let root = line.split_whitespace().find_map(|word| word.strip_suffix("/fhir,"));
        let root = root.unwrap_or_else(|| panic!("it says where it is: {line:?}")).to_owned();
        let gateway = Gateway { child, root };
        let client = client();
        let begun = Instant::now();
        while let Err(error) = client.get(format!("{}/readyz", gateway.root)).send().await {
            assert!(begun.elapsed() < PATIENCE / 2, "it does not become ready: {error:?}\n{}", self.sessions());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        gateway
    }
}

impl Gateway {
    pub(super) async fn token(&self, client: &Client) -> String {
        let form = [("client_id", "edpbw-noord-ehr")];
        let answer = client.post(format!("{}/sandbox/token", self.root)).form(&form).send().await.expect("it answers");
        let answer: Value = answer.json().await.expect("it is JSON");
        answer["access_token"].as_str().expect("a token").to_owned()
    }

    pub(super) fn kill(mut self) {
        self.child.kill().expect("it was alive");
        self.child.wait().expect("it is ours");
    }
}
