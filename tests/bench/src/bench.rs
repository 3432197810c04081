//! The operations that are measured, each beside its floor.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use gateway::clock::Clock;
use tokio::runtime::Runtime;

use crate::cluster::Cluster;
use crate::deliveries::{self, Receiver};
use crate::process::{Process, children_cpu_us, free_address};
use crate::read_floor::Reader;
use crate::referral_floor::Template;
use crate::report::{Goal, Report};
use crate::subject::{Database, Subject};
use crate::{
    Arguments, billing, consents, export, fhir, load, overload, peer, read_floor, referral_floor, rows, search_floor,
    syncs, trail,
};

/// Clients of the figures on throughput.
const MANY: usize = 128;
/// Clients of the figures on commits.
const SOME: usize = 32;
const SOME_CONNECTIONS: u32 = 32;
/// Records that are read around and around.
const READ_RECORDS: usize = 1_000;
/// Resources of the database that is searched.
const SEARCHED: usize = 1_000_000;
/// Referrals of one round, on each side.
const REFERRALS: usize = 2_000;
const WARM_UP: Duration = Duration::from_millis(500);

/// One database, and the gateway on it.
pub(crate) struct Bench<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) directory: &'a Path,
    pub(crate) runtime: &'a Runtime,
    pub(crate) cluster: Option<&'a Cluster>,
    pub(crate) url: String,
}

/// A figure of the gateway with the CPU time that it took.
struct Driven {
    per_second: f64,
    cpu_us: f64,
    p50_ms: f64,
    note: String,
}

impl Bench<'_> {
    fn wants(&self, operation: &str) -> bool {
        operation.starts_with(&self.arguments.only) || self.arguments.only.is_empty()
    }

    fn time(&self) -> Duration {
        Duration::from_secs(self.arguments.seconds)
    }

    /// Measures what the arguments name.
    pub(crate) fn run(&self, subject: Subject, report: &mut Report) -> io::Result<()> {
        eprintln!("{}", subject.name);
        match self.arguments.only.as_str() {
            "billing" => return self.billing(&subject, report),
            "search" => return self.search(&subject, report),
            "fhir" => return self.fhir(subject, report),
            "rows" => return rows::measure(&subject, (self.arguments.rounds, self.time()), self.runtime, report),
            "peer" => {
                let program =
                    self.arguments.peer.as_ref().ok_or_else(|| io::Error::other("--peer says where it is"))?;
                let place = (program.as_path(), self.directory, self.arguments.corpus.as_deref());
                return peer::measure(&subject, place, (self.arguments.rounds, self.time()), report);
            }
            "export" => return self.export(subject, report),
            "trail" => return self.trail(&subject, report),
            "deliveries" => return self.deliveries(subject, report),
            _ => {}
        }
        let ids = subject.make_records(READ_RECORDS)?;
        subject.database.settle(self.runtime)?;
        if self.arguments.only == "overload" {
            return (0..self.arguments.rounds).try_for_each(|_| overload::measure(&subject, &ids, self.time(), report));
        }
        let metadata = load::bodies(subject.process.address, vec![load::get("/fhir/metadata", "")], 1)?;
        let patient = load::get(&format!("/fhir/Patient/{}", ids[0]), &subject.sender);
        let patient = load::bodies(subject.process.address, vec![patient], 1)?;
        let bare_metadata = self.bare("metadata", &metadata[0])?;
        let bare_patient = self.bare("patient", &patient[0])?;
        let of_many = if self.wants("consents") { Some(consents::make(&subject, report)?) } else { None };
        let template = if self.wants("referral") { Some(self.template(&subject)?) } else { None };
        for round in 1..=self.arguments.rounds {
            eprintln!(" round {round}, load {}", std::fs::read_to_string("/proc/loadavg")?.trim());
            subject.database.settle(self.runtime)?;
            if self.wants("metadata") {
                self.metadata(&subject, &bare_metadata, report)?;
            }
            if self.wants("read") {
                self.reads(&subject, &ids, &bare_patient, report)?;
            }
            if let Some(patient) = &of_many {
                self.consents(&subject, patient, report)?;
            }
            if let Some(template) = &template {
                self.referrals(&subject, template, report)?;
            }
        }
        if self.wants("start") {
            self.start(subject, report)?;
        }
        Ok(())
    }

    fn metadata(&self, subject: &Subject, bare: &Process, report: &mut Report) -> io::Result<()> {
        let requests = [load::get("/fhir/metadata", "")];
        let floor = self.drive(bare, &requests, MANY)?;
        let figure = self.drive(&subject.process, &requests, MANY)?;
        let name = format!("metadata, {MANY} clients, {}", subject.name);
        report.add(&name, ("/s", Goal::AtLeast(0.7)), (figure.per_second, Some(floor.per_second)), &figure.note);
        let name = format!("metadata, CPU, {}", subject.name);
        report.add(&name, ("µs", Goal::None), (figure.cpu_us, Some(floor.cpu_us)), "");
        Ok(())
    }

    fn reads(&self, subject: &Subject, ids: &[String], bare: &Process, report: &mut Report) -> io::Result<()> {
        let of =
            |token: &str| ids.iter().map(|id| load::get(&format!("/fhir/Patient/{id}"), token)).collect::<Vec<_>>();
        for (reader, who) in [(Reader::Receiver, "by consent"), (Reader::Sender, "by the custodian")] {
            let requests = of(if reader == Reader::Receiver { &subject.receiver } else { &subject.sender });
            let floor = self.read_floor(subject, reader, ids)?;
            let bare = self.drive(bare, &requests, MANY)?;
            let figure = self.audited(subject, &requests, MANY)?;
            let name = format!("read {who}, {MANY} clients, {}", subject.name);
            report.add(&name, ("/s", Goal::AtLeast(0.35)), (figure.per_second, Some(floor)), &figure.note);
            let name = format!("read {who}, CPU, {}", subject.name);
            report.add(&name, ("µs", Goal::AtMost(8.0)), (figure.cpu_us, Some(bare.cpu_us)), "");
        }
        if let Some(cluster) = self.cluster {
            let scripts = read_floor::audited_scripts(self.directory, ids, Clock::System.now_ms())?;
            let floor = cluster.pgbench(&scripts, SOME, self.arguments.seconds)?;
            let figure = self.audited(subject, &of(&subject.receiver), SOME)?;
            let name = format!("read by consent ÷ naive audited read, {SOME} clients, {}", subject.name);
            report.add(&name, ("/s", Goal::AtLeast(0.8)), (figure.per_second, Some(floor)), &figure.note);
        }
        Ok(())
    }

    /// One reader, permitted by one of very many rules, beside the custodian.
    fn consents(&self, subject: &Subject, patient: &str, report: &mut Report) -> io::Result<()> {
        let of = |token: &str| [load::get(&format!("/fhir/Patient/{patient}"), token)];
        let custodian = self.audited(subject, &of(&subject.sender), 1)?;
        let reader = self.audited(subject, &of(&subject.receiver), 1)?;
        let name = format!("read under many Consents ÷ by the custodian, p50, 1 client, {}", subject.name);
        report.add(&name, ("ms", Goal::AtMost(1.25)), (reader.p50_ms, Some(custodian.p50_ms)), &reader.note);
        Ok(())
    }

    fn read_floor(&self, subject: &Subject, reader: Reader, ids: &[String]) -> io::Result<f64> {
        let now_ms = Clock::System.now_ms();
        match (&subject.database, self.cluster) {
            (Database::Postgres(_), Some(cluster)) => {
                let scripts = read_floor::read_scripts(self.directory, reader, ids, now_ms)?;
                cluster.pgbench(&scripts, usize::try_from(read_floor::CONNECTIONS).unwrap_or(1), self.arguments.seconds)
            }
            (Database::Sqlite(_, path), _) => {
                read_floor::sqlite_reads(path, reader, (ids, now_ms), self.time(), self.runtime)
            }
            (Database::Postgres(_), None) => Err(io::Error::other("there is no cluster")),
        }
    }

    /// One referral by the gateway, as the template of the floor's.
    fn template(&self, subject: &Subject) -> io::Result<Template> {
        let records = subject.make_records(1)?;
        load::bodies(subject.process.address, subject.referrals(&records), 1)?;
        let template = Template::of(&subject.database, &records[0], self.runtime)?;
        eprintln!(" a referral writes {}", template.shape());
        Ok(template)
    }

    fn referrals(&self, subject: &Subject, template: &Template, report: &mut Report) -> io::Result<()> {
        let mut records = subject.make_records(2 * REFERRALS)?;
        let of_floor = records.split_off(REFERRALS);
        subject.database.settle(self.runtime)?;
        let floor =
            referral_floor::write(&subject.database, &self.url, template, (&of_floor, SOME_CONNECTIONS), self.runtime)?;
        subject.database.settle(self.runtime)?;
        let tasks = "SELECT COUNT(*) FROM referral_task";
        let placed = "SELECT COUNT(*) FROM audit_event WHERE subtype = 'place'";
        let before = (subject.database.number(tasks, self.runtime)?, subject.database.number(placed, self.runtime)?);
        let cpu = subject.process.cpu_us();
        let database_cpu = self.database_cpu_us();
        let mut measured = load::once(subject.process.address, subject.referrals(&records), SOME)?;
        let (cpu, database_cpu) = (subject.process.cpu_us() - cpu, self.database_cpu_us() - database_cpu);
        failed(&measured)?;
        let after = (subject.database.number(tasks, self.runtime)?, subject.database.number(placed, self.runtime)?);
        let expected = i64::try_from(REFERRALS).unwrap_or_default();
        if (after.0 - before.0, after.1 - before.1) != (2 * expected, expected) {
            return Err(io::Error::other("not every accepted referral has its two Tasks and its event"));
        }
        let name = format!("referral, {SOME} clients, {}", subject.name);
        let note = note(&mut measured, cpu, database_cpu);
        report.add(&name, ("/s", Goal::AtLeast(1.0)), (measured.per_second(), Some(floor)), &note);
        Ok(())
    }

    /// A file of an export, as large as a dossier of a region.
    fn export(&self, subject: Subject, report: &mut Report) -> io::Result<()> {
        let subject = subject.with("WELLGATE_BULK_SETTLE_SECONDS", "0".to_owned())?;
        let ids = subject.make_records(READ_RECORDS / 100)?;
        search_floor::fill(&subject.database, &ids, export::RESOURCES, self.runtime)?;
        for round in 1..=self.arguments.rounds {
            eprintln!(" round {round}, load {}", std::fs::read_to_string("/proc/loadavg")?.trim());
            subject.database.settle(self.runtime)?;
            export::measure(&subject, report)?;
        }
        Ok(())
    }

    /// What leaves the gateway: how soon, how fast, and past whom.
    fn deliveries(&self, subject: Subject, report: &mut Report) -> io::Result<()> {
        let receiver = Receiver::start(Duration::ZERO, self.runtime)?;
        let slow = Receiver::start(deliveries::SLOW, self.runtime)?;
        let origins = format!("http://{},http://{}", receiver.address, slow.address);
        let subject = subject.with("WELLGATE_OUTBOUND_PRIVATE", origins)?;
        let slow_one = consents::others().swap_remove(0);
        let template = self.template(&subject)?;
        // Before anybody is told anything: what the floor queues is not to be sent.
        let of_floor = subject.make_records(REFERRALS)?;
        let connections = (&*of_floor, SOME_CONNECTIONS);
        let floor = referral_floor::write(&subject.database, &self.url, &template, connections, self.runtime)?;
        subject.database.execute("UPDATE delivery SET state = 'void' WHERE state = 'waiting'", self.runtime)?;
        for round in 1..=self.arguments.rounds {
            eprintln!(" round {round}, load {}", std::fs::read_to_string("/proc/loadavg")?.trim());
            subject.database.settle(self.runtime)?;
            deliveries::measure_routed(&subject, (&receiver, &slow, &slow_one), self.runtime, report)?;
            let figure = deliveries::sustained(&subject, &receiver, (REFERRALS, SOME))?;
            let name = format!("referrals until the last has arrived, {SOME} clients, {}", subject.name);
            report.add(&name, ("/s", Goal::AtLeast(0.35)), (figure, Some(floor)), "");
        }
        deliveries::drained(&subject, &receiver, self.runtime, report)
    }

    /// A large month, on databases of its own.
    fn billing(&self, subject: &Subject, report: &mut Report) -> io::Result<()> {
        for round in 1..=self.arguments.rounds {
            eprintln!(" round {round}, load {}", std::fs::read_to_string("/proc/loadavg")?.trim());
            let url = if self.cluster.is_some() {
                subject.database.execute(&format!("CREATE DATABASE billing_{round}"), self.runtime)?;
                self.url.replace("/wellgate?", &format!("/billing_{round}?"))
            } else {
                format!("sqlite:{}", self.directory.join(format!("billing-{round}.sqlite")).display())
            };
            billing::measure(subject.name, &url, self.directory, report)?;
        }
        Ok(())
    }

    /// A caller who may see a thousand of a million resources: pages, the last like the first, and the total.
    fn search(&self, subject: &Subject, report: &mut Report) -> io::Result<()> {
        let seen = subject.make_records(search_floor::SEEN / search_floor::PER_RECORD)?;
        search_floor::fill(&subject.database, &seen, SEARCHED, self.runtime)?;
        subject.database.settle(self.runtime)?;
        let get = |query: &str| load::get(&format!("/fhir/Observation?{query}"), &subject.receiver);
        let total = load::bodies(subject.process.address, vec![get("_summary=count")], 1)?;
        if !total[0].contains(&format!("\"total\":{}", search_floor::SEEN)) {
            return Err(io::Error::other(format!("another total: {}", total[0])));
        }
        let (first, last) = pages(subject)?;
        for round in 1..=self.arguments.rounds {
            eprintln!(" round {round}, load {}", std::fs::read_to_string("/proc/loadavg")?.trim());
            subject.database.settle(self.runtime)?;
            let floor = self.search_floor(subject)?;
            let figure = self.drive(&subject.process, &[get(&format!("_count={}", search_floor::PAGE))], SOME)?;
            let name = format!("search, first page, {SOME} clients, {}", subject.name);
            report.add(&name, ("/s", Goal::AtLeast(0.45)), (figure.per_second, Some(floor)), &figure.note);
            let page =
                |request: &Bytes| load::cycle(subject.process.address, std::slice::from_ref(request), 1, self.time());
            let (first, last) = (page(&first)?.percentile_ms(50), page(&last)?.percentile_ms(50));
            let name = format!("search, page 1,000 ÷ page 1, 1 client, {}", subject.name);
            report.add(&name, ("ms", Goal::AtMost(1.3)), (last, Some(first)), "");
        }
        Ok(())
    }

    /// Whose data a client reached, in a trail of ten million events. The gateway runs beside it, with nothing to do: it has sealed
    /// an event of its own before, so that it leaves the others alone.
    fn trail(&self, subject: &Subject, report: &mut Report) -> io::Result<()> {
        subject.make_records(1)?;
        let begun = std::time::Instant::now();
        while subject.database.number("SELECT COUNT(*) FROM audit_seal", self.runtime)? == 0 {
            if begun.elapsed() > Duration::from_secs(30) {
                return Err(io::Error::other("nothing is sealed"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        trail::fill(&subject.database, self.runtime)?;
        subject.database.settle(self.runtime)?;
        for round in 1..=self.arguments.rounds {
            eprintln!(" round {round}, load {}", std::fs::read_to_string("/proc/loadavg")?.trim());
            let (took, records) = trail::reached(subject)?;
            if records != trail::REACHED {
                return Err(io::Error::other(format!("{records} records are told, not {}", trail::REACHED)));
            }
            let name = format!("whose data a client reached, {} events, {}", trail::EVENTS, subject.name);
            report.add(&name, ("s", Goal::AtMost(60.0)), (took.as_secs_f64(), None), "");
        }
        Ok(())
    }

    /// A search by patient and code, large transactions, and dossiers that are loaded.
    fn fhir(&self, subject: Subject, report: &mut Report) -> io::Result<()> {
        let subject = subject.with("WELLGATE_FHIR_TYPES", "all".to_owned())?;
        let searched = fhir::searched(&subject)?;
        for round in 1..=self.arguments.rounds {
            eprintln!(" round {round}, load {}", std::fs::read_to_string("/proc/loadavg")?.trim());
            subject.database.settle(self.runtime)?;
            let floor = match (&subject.database, self.cluster) {
                (Database::Postgres(_), Some(cluster)) => {
                    let scripts = read_floor::scripts_of(self.directory, &searched.sql, &searched.records)?;
                    let clients = usize::try_from(read_floor::CONNECTIONS).unwrap_or(1);
                    cluster.pgbench(&scripts, clients, self.arguments.seconds)?
                }
                (Database::Sqlite(_, path), _) => {
                    read_floor::sqlite_rate_of(path, &searched.sql, &searched.records, self.time(), self.runtime)?
                }
                (Database::Postgres(_), None) => return Err(io::Error::other("there is no cluster")),
            };
            let figure = self.drive(&subject.process, &searched.requests, SOME)?;
            let name = format!("search by patient and code, {SOME} clients, {}", subject.name);
            report.add(&name, ("/s", Goal::AtLeast(0.45)), (figure.per_second, Some(floor)), &figure.note);
            fhir::transactions(&subject, self.time(), self.runtime, report)?;
            fhir::synthea(&subject, self.arguments.corpus.as_deref(), report)?;
        }
        Ok(())
    }

    fn search_floor(&self, subject: &Subject) -> io::Result<f64> {
        let now_ms = Clock::System.now_ms();
        match (&subject.database, self.cluster) {
            (Database::Postgres(_), Some(cluster)) => {
                let script = search_floor::script(self.directory, now_ms)?;
                let clients = usize::try_from(read_floor::CONNECTIONS).unwrap_or(1);
                cluster.pgbench(&script, clients, self.arguments.seconds)
            }
            (Database::Sqlite(_, path), _) => {
                let sql = search_floor::sql(now_ms);
                read_floor::sqlite_rate(path, &sql, self.time(), self.runtime)
            }
            (Database::Postgres(_), None) => Err(io::Error::other("there is no cluster")),
        }
    }

    /// Start, memory and syncs: each on the database as the rounds left it.
    fn start(&self, subject: Subject, report: &mut Report) -> io::Result<()> {
        let mut subject = subject;
        let loaded = subject.process.memory_mb();
        for _ in 0..self.arguments.rounds {
            let (restarted, first_answer) = subject.restart()?;
            subject = restarted;
            let name = format!("start to first answer, {}", subject.name);
            report.add(&name, ("s", Goal::AtMost(0.3)), (first_answer.as_secs_f64(), None), "");
        }
        std::thread::sleep(Duration::from_secs(2));
        let idle = subject.process.memory_mb();
        report.add(&format!("idle memory, {}", subject.name), ("MB", Goal::AtMost(40.0)), (idle, None), "");
        report.add(&format!("memory after the load, {}", subject.name), ("MB", Goal::None), (loaded, None), "");
        let processes = || self.cluster.map_or_else(|| vec![subject.process.id()], Cluster::backends);
        let syncs = syncs::per_write(&subject, processes, self.directory, self.runtime)?;
        report.add(&format!("syncs per write, 1 client, {}", subject.name), ("", Goal::AtMost(1.0)), (syncs, None), "");
        Ok(())
    }

    /// Reads by the gateway, each of which must have left one event in the trail.
    fn audited(&self, subject: &Subject, requests: &[Bytes], clients: usize) -> io::Result<Driven> {
        let events = "SELECT COUNT(*) FROM audit_event";
        let before = subject.database.number(events, self.runtime)?;
        let (driven, answers) = self.drive_counted(&subject.process, requests, clients)?;
        let written = subject.database.number(events, self.runtime)? - before;
        if u64::try_from(written).ok() == Some(answers) {
            return Ok(driven);
        }
        Err(io::Error::other(format!("{answers} answers and {written} audit events")))
    }

    fn drive(&self, process: &Process, requests: &[Bytes], clients: usize) -> io::Result<Driven> {
        self.drive_counted(process, requests, clients).map(|(driven, _)| driven)
    }

    /// Figure and number of answers, those of the warm-up included.
    fn drive_counted(&self, process: &Process, requests: &[Bytes], clients: usize) -> io::Result<(Driven, u64)> {
        let warm_up = load::cycle(process.address, requests, clients, WARM_UP)?;
        let (cpu, database_cpu) = (process.cpu_us(), self.database_cpu_us());
        let mut measured = load::cycle(process.address, requests, clients, self.time())?;
        let (cpu, database_cpu) = (process.cpu_us() - cpu, self.database_cpu_us() - database_cpu);
        failed(&warm_up).and_then(|()| failed(&measured))?;
        let (note, per_second) = (note(&mut measured, cpu, database_cpu), measured.per_second());
        let (cpu_us, p50_ms) = (per_answer(cpu, measured.answers), measured.percentile_ms(50));
        Ok((Driven { per_second, cpu_us, p50_ms, note }, warm_up.answers + measured.answers))
    }

    fn database_cpu_us(&self) -> f64 {
        self.cluster.map_or(0.0, |cluster| children_cpu_us(cluster.postmaster()))
    }

    /// Starts the bare handler with a body.
    fn bare(&self, name: &str, body: &str) -> io::Result<Process> {
        let file = self.directory.join(format!("bare-{name}"));
        std::fs::write(&file, body)?;
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--bare").arg(address.to_string()).arg(file);
        Process::start(command, address).map(|(process, _)| process)
    }
}

/// The requests of the first page and of the thousandth, one match each.
fn pages(subject: &Subject) -> io::Result<(Bytes, Bytes)> {
    let first = load::get("/fhir/Observation?_count=1", &subject.receiver);
    let mut page = first.clone();
    for _ in 1..search_floor::SEEN {
        let body = load::bodies(subject.process.address, vec![page], 1)?.pop().unwrap_or_default();
        let next = body.split_once("\"relation\":\"next\",\"url\":\"").and_then(|(_, rest)| rest.split_once('"'));
        let (url, _) = next.ok_or_else(|| io::Error::other("a page without a next one"))?;
        let path = url.find("/fhir/").map_or(url, |begin| &url[begin..]);
        page = load::get(path, &subject.receiver);
    }
    Ok((first, page))
}

fn failed(measured: &load::Measured) -> io::Result<()> {
    match &measured.first_failure {
        None => Ok(()),
        Some(first) => Err(io::Error::other(format!("{} answers outside 2xx, the first: {first}", measured.failures))),
    }
}

fn per_answer(cpu_us: f64, answers: u64) -> f64 {
    cpu_us / f64::from(u32::try_from(answers.max(1)).unwrap_or(u32::MAX))
}

fn note(measured: &mut load::Measured, cpu: f64, database_cpu: f64) -> String {
    format!(
        "p50 {:.1} ms, p99 {:.1} ms, CPU {:.0} µs, of the database server {:.0} µs",
        measured.percentile_ms(50),
        measured.percentile_ms(99),
        per_answer(cpu, measured.answers),
        per_answer(database_cpu, measured.answers)
    )
}
