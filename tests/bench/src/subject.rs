//! The gateway under measurement on one database: set up by its own commands, filled over HTTP, asked by SQL what it kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use gateway::audit::seal_key::SealKey;
use gateway::auth::{Issuer, TokenGrant};
use gateway::clock::Clock;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, PgPool, Row as _, SqlitePool};
use tokio::runtime::Runtime;

use crate::consents;
use crate::load;
use crate::overload;
use crate::process::{Process, free_address};
use crate::samples;

/// Holds the records.
pub(crate) const SENDER: &str = "edpbw-bench";
/// Is permitted to read by a Consent of each record, and is referred to.
pub(crate) const RECEIVER: &str = "elp-bench";
const AUDIENCE: &str = "https://gateway.example.org/fhir";
const ISSUER: &str = "https://issuer.example.org";

/// A connection to the gateway's database, past the gateway.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    Sqlite(SqlitePool, PathBuf),
    Postgres(PgPool),
}

/// One gateway and its database.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) database: Database,
    pub(crate) process: Process,
    pub(crate) sender: String,
    pub(crate) receiver: String,
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    /// Settings beside those of the file, by their variables.
    settings: Vec<(&'static str, String)>,
}

impl Subject {
    /// Registers the organisations with the gateway's own commands and starts it.
    pub(crate) fn start(
        name: &'static str,
        url: &str,
        (program, directory, log): (&Path, &Path, &Path),
        runtime: &Runtime,
    ) -> io::Result<Self> {
        let issuer =
            Issuer::generate_key().and_then(|key| Issuer::new(ISSUER, AUDIENCE, &key)).map_err(io::Error::other)?;
        let (config, jwks) = (directory.join(format!("{name}.toml")), directory.join(format!("{name}.jwks.json")));
        fs::write(&jwks, issuer.jwks())?;
        let address = free_address()?;
        let seal_key = directory.join(format!("{name}.evidence-key.pem"));
        fs::write(&seal_key, SealKey::generate().map_err(io::Error::other)?)?;
        fs::write(&config, configuration(&address.to_string(), url, &jwks, &seal_key))?;
        let made = command(program).args(["vault", "new-key", "--config"]).arg(&config).output()?;
        if !made.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
        }
        for (id, kind) in [(SENDER, "edpbw"), (RECEIVER, "elp")] {
            register(program, &config, id, kind)?;
        }
        for id in consents::others() {
            register(program, &config, &id, "other")?;
        }
        let token = |id: &str| {
            let grant = TokenGrant {
                client_id: id,
                organization_id: id,
                practitioner_id: None,
                fhir_user: None,
                purpose: "TREAT",
                scope: "system/*.cruds",
                certificate: None,
                lifetime_seconds: 24 * 60 * 60,
            };
            issuer.issue(&grant, id, Clock::System.now_ms()).map_err(io::Error::other)
        };
        let (sender, receiver) = (token(SENDER)?, token(RECEIVER)?);
        let (process, _) = Process::start(serve(program, &config, log)?, address)?;
        let database = runtime.block_on(Database::open(url)).map_err(io::Error::other)?;
        let (program, log, settings) = (program.to_owned(), log.to_owned(), Vec::new());
        Ok(Self { name, database, process, sender, receiver, program, config, log, settings })
    }

    /// Stops the gateway and starts it again on the same database; answers the time to the first answer.
    pub(crate) fn restart(self) -> io::Result<(Self, Duration)> {
        let Self { name, database, process, sender, receiver, program, config, log, settings } = self;
        let address = process.address;
        drop(process);
        let begun = std::time::Instant::now();
        let mut command = serve(&program, &config, &log)?;
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        let (process, _) = Process::start(command, address)?;
        load::bodies(address, vec![load::get("/fhir/metadata", "")], 1)?;
        let first_answer = begun.elapsed();
        Ok((Self { name, database, process, sender, receiver, program, config, log, settings }, first_answer))
    }

    /// The same, started again with a further setting.
    pub(crate) fn with(mut self, name: &'static str, value: String) -> io::Result<Self> {
        self.settings.push((name, value));
        self.restart().map(|(subject, _)| subject)
    }

    /// A further gateway on the same database.
    pub(crate) fn replica(&self) -> io::Result<Process> {
        let address = free_address()?;
        let mut command = serve(&self.program, &self.config, &self.log)?;
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.env("WELLGATE_SERVER_LISTEN", address.to_string());
        Process::start(command, address).map(|(process, _)| process)
    }

    /// Registers an organisation's own FHIR server, past the command: that takes `https` alone, and the bench's is on this machine.
    pub(crate) fn tell(&self, organization: &str, base_url: &str, runtime: &Runtime) -> io::Result<()> {
        let sql = format!(
            "INSERT INTO channel (partner, kind, address) VALUES ('organization/{organization}', 'ehr', '{base_url}') \
             ON CONFLICT (partner) DO UPDATE SET kind = excluded.kind, address = excluded.address"
        );
        self.database.execute(&sql, runtime)
    }

    /// The program, for a command of its own.
    pub(crate) fn command(&self) -> Command {
        command(&self.program)
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// Makes records over HTTP, each a Patient and a Consent that permits the receiver; answers the Patients' ids.
    pub(crate) fn make_records(&self, count: usize) -> io::Result<Vec<String>> {
        let post = |n| load::post("/fhir", &self.sender, &samples::record(n, RECEIVER));
        let bodies = load::bodies(self.process.address, (0..count).map(post).collect(), 64)?;
        let id = |body: &String| body.split_once("/Patient/")?.1.split_once('/').map(|(id, _)| id.to_owned());
        let ids: Vec<String> = bodies.iter().filter_map(id).collect();
        if ids.len() == count {
            Ok(ids)
        } else {
            Err(io::Error::other("a transaction answered without the Patient's id"))
        }
    }

    /// The requests that place a referral of each record.
    pub(crate) fn referrals(&self, records: &[String]) -> Vec<Bytes> {
        let post = |id: &String| load::post("/fhir/ServiceRequest", &self.sender, &samples::order(id, RECEIVER));
        records.iter().map(post).collect()
    }
}

/// The program without settings from the surroundings.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    command
}

fn register(program: &Path, config: &Path, id: &str, kind: &str) -> io::Result<()> {
    let mut command = command(program);
    command.args(["organization", "add", "--config"]).arg(config).args(["--id", id, "--name", id, "--kind", kind]);
    command.args(["--client", id, "--purpose", "TREAT"]).stdout(Stdio::null());
    if command.status()?.success() { Ok(()) } else { Err(io::Error::other(format!("{command:?} failed"))) }
}

impl Database {
    async fn open(url: &str) -> Result<Self, sqlx::Error> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(10));
            return Ok(Self::Sqlite(SqlitePool::connect_with(options).await?, PathBuf::from(path)));
        }
        Ok(Self::Postgres(PgPool::connect(url).await?))
    }

    /// One number.
    pub(crate) fn number(&self, sql: &str, runtime: &Runtime) -> io::Result<i64> {
        let sql = AssertSqlSafe(sql.to_owned());
        let number = runtime.block_on(async {
            match self {
                Self::Sqlite(pool, _) => sqlx::query(sql).fetch_one(pool).await.map(|row| row.get(0)),
                Self::Postgres(pool) => sqlx::query(sql).fetch_one(pool).await.map(|row| row.get(0)),
            }
        });
        number.map_err(io::Error::other)
    }

    /// One statement.
    pub(crate) fn execute(&self, sql: &str, runtime: &Runtime) -> io::Result<()> {
        let sql = AssertSqlSafe(sql.to_owned());
        let done = runtime.block_on(async {
            match self {
                Self::Sqlite(pool, _) => sqlx::query(sql).execute(pool).await.map(|_| ()),
                Self::Postgres(pool) => sqlx::query(sql).execute(pool).await.map(|_| ()),
            }
        });
        done.map_err(io::Error::other)
    }

    /// What is done between rounds, so that it does not fall into one: what autovacuum would have done by then, and a checkpoint.
    pub(crate) fn settle(&self, runtime: &Runtime) -> io::Result<()> {
        let done = runtime.block_on(async {
            match self {
                Self::Sqlite(pool, _) => sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(pool).await.map(|_| ()),
                Self::Postgres(pool) => {
                    sqlx::query("VACUUM (ANALYZE)").execute(pool).await?;
                    sqlx::query("CHECKPOINT").execute(pool).await.map(|_| ())
                }
            }
        });
        done.map_err(io::Error::other)
    }
}

/// Everything as it is by default, the log included, but for the limits that this one client would meet.
fn serve(program: &Path, config: &Path, log: &Path) -> io::Result<Command> {
    let mut command = command(program);
    let log = fs::OpenOptions::new().create(true).append(true).open(log)?;
    command.args(["serve", "--config"]).arg(config).stdout(Stdio::null()).stderr(log);
    Ok(command)
}

fn configuration(address: &str, url: &str, jwks: &Path, seal_key: &Path) -> String {
    format!(
        "[vault]\nkey_store = \"sqlite:{keys}\"\nkey_ring_file = \"{ring}\"\n\n[server]\nlisten = \"{address}\"\nbase_url = \"http://{address}/fhir\"\n\n[database]\nurl = \"{url}\"\n\n\
         [auth]\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\njwks_file = \"{}\"\n\n\
         [evidence]\nsigning_key_file = \"{seal_key}\"\n\n\
         [limits]\nclient_requests_per_second_max = 0\nconnections_max = {connections}\n\
         connections_per_address_max = {connections}\n",
        jwks.display(),
        seal_key = seal_key.display(),
        connections = overload::CONNECTIONS,
        keys = jwks.with_extension("keys").display(),
        ring = jwks.with_extension("ring").display(),
    )
}
