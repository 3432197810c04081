//! A PostgreSQL server of the bench's own: a fresh cluster with every durable setting on, on a unix socket.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::process::children;

/// Everything durable; checkpoints are kept apart from what is measured.
const SETTINGS: &str = "fsync = on\nsynchronous_commit = on\nfull_page_writes = on\nlisten_addresses = ''\n\
     max_connections = 100\nshared_buffers = 256MB\nmax_wal_size = 8GB\ncheckpoint_timeout = 1h\n";
const PORT: &str = "5432";

/// The running server; it is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    programs: PathBuf,
    data: PathBuf,
    sockets: PathBuf,
    user: String,
}

impl Cluster {
    pub(crate) fn start(directory: &Path) -> io::Result<Self> {
        let user = first_line(&Command::new("id").arg("-un").output()?);
        // PostgreSQL refuses to run as root; its packages bring a user along.
        let user = if user == "root" { "postgres".to_owned() } else { user };
        let programs = PathBuf::from(first_line(&Command::new("pg_config").arg("--bindir").output()?));
        let cluster = Self { programs, data: directory.join("cluster"), sockets: directory.join("sockets"), user };
        for path in [&cluster.data, &cluster.sockets] {
            succeed(Command::new("install").args(["-d", "-m", "700", "-o", &cluster.user]).arg(path))?;
        }
        let data = cluster.data.display().to_string();
        cluster
            .run("initdb", &["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-k"])?;
        let settings = format!("{SETTINGS}port = {PORT}\nunix_socket_directories = '{}'\n", cluster.sockets.display());
        fs::write(cluster.data.join("postgresql.auto.conf"), settings)?;
        let log = cluster.data.join("log").display().to_string();
        cluster.run("pg_ctl", &["-D", &data, "-l", &log, "-w", "start"])?;
        cluster.run("createdb", &["-h", &cluster.host(), "-p", PORT, "-U", "postgres", "wellgate"])?;
        Ok(cluster)
    }

    fn host(&self) -> String {
        self.sockets.display().to_string()
    }

    /// For the gateway and for sqlx.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@localhost:{PORT}/wellgate?host={}", self.host())
    }

    /// The process whose children serve the connections.
    pub(crate) fn postmaster(&self) -> u32 {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        text.lines().next().and_then(|line| line.parse().ok()).unwrap_or_default()
    }

    /// The processes that serve the connections of this moment.
    pub(crate) fn backends(&self) -> Vec<u32> {
        children(self.postmaster(), |command| command.contains("[local]"))
    }

    /// Runs pgbench over the scripts, each as likely as any other; answers transactions a second.
    pub(crate) fn pgbench(&self, scripts: &Path, clients: usize, seconds: u64) -> io::Result<f64> {
        let mut command = Command::new(self.programs.join("pgbench"));
        command.args(["-h", &self.host(), "-p", PORT, "-U", "postgres", "-n", "-M", "prepared", "-j", "2"]);
        command.args(["-c", &clients.to_string(), "-T", &seconds.to_string()]);
        for entry in fs::read_dir(scripts)? {
            command.arg("-f").arg(entry?.path());
        }
        let output = succeed(command.arg("wellgate"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        tps.ok_or_else(|| io::Error::other(format!("pgbench says no figure: {text}")))
    }

    fn run(&self, program: &str, arguments: &[&str]) -> io::Result<Output> {
        let mut command = Command::new("runuser");
        if first_line(&Command::new("id").arg("-un").output()?) == self.user {
            command = Command::new(self.programs.join(program));
        } else {
            command.args(["-u", &self.user, "--"]).arg(self.programs.join(program));
        }
        succeed(command.args(arguments).current_dir("/"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.data.display().to_string();
        let _ = self.run("pg_ctl", &["-D", &data, "-m", "immediate", "-w", "stop"]);
    }
}

fn first_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned()
}

fn succeed(command: &mut Command) -> io::Result<Output> {
    // pg_ctl's server keeps what it inherits open: it must not be a pipe that is read to its end.
    let log = std::env::temp_dir().join(format!("wellgate-bench-{}.out", uuid::Uuid::new_v4().simple()));
    let output = command.stdout(fs::File::create(&log)?).stderr(std::process::Stdio::inherit()).status();
    let stdout = fs::read(&log)?;
    fs::remove_file(&log)?;
    let status = output?;
    if status.success() {
        Ok(Output { status, stdout, stderr: Vec::new() })
    } else {
        Err(io::Error::other(format!("{command:?}: {status}")))
    }
}
