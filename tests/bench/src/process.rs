//! Processes under measurement: started, asked for their CPU time and memory, and stopped with the bench.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Microseconds of a clock tick: Linux counts CPU time in hundredths of a second for every process.
const TICK_US: f64 = 10_000.0;
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A server process; it is stopped when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts a server and waits until it takes connections; answers how long that took as well.
    pub(crate) fn start(mut command: Command, address: SocketAddr) -> io::Result<(Self, Duration)> {
        let begun = Instant::now();
        let child = command.spawn()?;
        let mut process = Self { child, address };
        while TcpStream::connect(address).is_err() {
            if let Some(status) = process.child.try_wait()? {
                return Err(io::Error::other(format!("the server ended at its start: {status}")));
            }
            if begun.elapsed() > START_TIMEOUT {
                return Err(io::Error::other("the server does not listen"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok((process, begun.elapsed()))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// User and system time so far.
    pub(crate) fn cpu_us(&self) -> f64 {
        cpu_us(self.id())
    }

    /// Resident memory in MB.
    pub(crate) fn memory_mb(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<f64>().map_or(0.0, |kb| kb / 1024.0)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let id = self.id().to_string();
        // The gentle way first, so that the gateway closes its database.
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(10) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time of a process so far; 0 where it is gone.
fn cpu_us(id: u32) -> f64 {
    stat(id).map_or(0.0, |(_, ticks)| ticks * TICK_US)
}

/// User and system time of the living children of a process: the backends of a PostgreSQL server.
pub(crate) fn children_cpu_us(parent: u32) -> f64 {
    children(parent, |_| true).into_iter().filter_map(stat).map(|(_, ticks)| ticks * TICK_US).sum()
}

/// The living children of a process with a certain command line.
pub(crate) fn children(parent: u32, is_meant: impl Fn(&str) -> bool) -> Vec<u32> {
    let ids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let command = |id: u32| fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
    ids.filter(|id| stat(*id).is_some_and(|(of, _)| of == parent) && is_meant(&command(*id))).collect()
}

/// Parent and ticks of CPU time.
fn stat(id: u32) -> Option<(u32, f64)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in brackets may hold spaces: what is counted begins after it.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |n: usize| fields.get(n)?.parse::<f64>().ok();
    Some((fields.get(1)?.parse().ok()?, ticks(11)? + ticks(12)?))
}

/// A free port of this machine.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()
}
