//! PostgreSQL for tests: an empty database for each call, on one server.
//!
//! The server is that of `WELLGATE_TEST_POSTGRES`; without it, one that this process starts with `tests/postgres` and that
//! ends with this process. That script drops a database once the process that its name tells is gone.

use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use reqwest::Url;
use uuid::Uuid;

use crate::{project, variable};

/// A server of this process. It ends when its standard input does, which is when this process ends, in whatever way.
struct Server {
    url: String,
    _owner: Child,
}

static SERVER: OnceLock<Option<Server>> = OnceLock::new();

/// The URL of a new, empty database, whose owner is no superuser; `None`, with a message, where PostgreSQL is not installed.
///
/// # Panics
/// The server is there but makes no database.
pub fn database_url() -> Option<String> {
    let server = match variable("WELLGATE_TEST_POSTGRES") {
        Some(url) => url,
        None => SERVER.get_or_init(start).as_ref()?.url.clone(),
    };
    let name = format!("test_{}_{}", std::process::id(), Uuid::now_v7().simple());
    query(&server, &format!("CREATE DATABASE {name}"));
    let mut url = Url::parse(&server).expect("WELLGATE_TEST_POSTGRES is a postgres:// URL");
    url.set_path(&name);
    Some(url.into())
}

/// What `psql` prints for one statement: the values only, a line for each row.
///
/// For arranging and looking at a database from outside, where the gateway's own storage would prove itself.
///
/// # Panics
/// The statement fails.
pub fn query(url: &str, sql: &str) -> String {
    let mut psql = Command::new("psql");
    psql.args([
        "--no-psqlrc",
        "--quiet",
        "--tuples-only",
        "--no-align",
        "--set=ON_ERROR_STOP=1",
        "--command",
        sql,
        url,
    ]);
    let output = psql.stdin(Stdio::null()).output().expect("psql is installed: tests/setup does it");
    assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// Everything in a database, as SQL.
///
/// # Panics
/// The program fails.
pub fn dump(url: &str) -> String {
    let mut dump = Command::new("pg_dump");
    let dump = dump.args(["--no-owner", url]).stdin(Stdio::null()).output().expect("pg_dump comes with psql");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    String::from_utf8_lossy(&dump.stdout).into_owned()
}

/// Copies a database into an empty one, as a backup and its restoration would.
///
/// # Panics
/// One of the two programs fails.
pub fn copy(from: &str, to: &str) {
    let mut psql = Command::new("psql");
    psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", to]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut psql = psql.spawn().expect("psql is installed: tests/setup does it");
    psql.stdin.take().expect("a pipe").write_all(dump(from).as_bytes()).expect("it reads");
    assert!(psql.wait().expect("it is ours").success(), "the copy is restored");
}

fn start() -> Option<Server> {
    let mut script = Command::new(project().join("tests/postgres"));
    // In a group of its own: the runner ends a test that hangs by its group, and the script must live on to clean up.
    script.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut owner = script.spawn().expect("tests/postgres can be run");
    let mut url = String::new();
    let output = owner.stdout.take().expect("its output is a pipe");
    BufReader::new(output).read_line(&mut url).expect("its output is text");
    if url.is_empty() {
        // It has said all it will, and ends.
        let _ = owner.wait();
        println!("SKIPPED on PostgreSQL: `tests/postgres` starts no server; `tests/setup` installs one");
        return None;
    }
    Some(Server { url: url.trim_end().to_owned(), _owner: owner })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_is_empty_and_its_own() {
        let Some(first) = database_url() else { return };
        let second = database_url().expect("the server is still there");
        query(&first, "CREATE TABLE only_here (id BIGINT)");
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!((query(&first, tables).as_str(), query(&second, tables).as_str()), ("1", "0"));
    }

    #[test]
    fn the_server_syncs_every_commit_and_its_user_has_no_special_rights() {
        let Some(url) = database_url() else { return };
        assert_eq!(query(&url, "SHOW fsync"), "on");
        assert_eq!(query(&url, "SHOW synchronous_commit"), "on");
        assert_eq!(query(&url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"), "f");
    }
}
