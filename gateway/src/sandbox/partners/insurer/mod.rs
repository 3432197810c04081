//! An insurer, made up: the mutualities, or the care funds. It takes files of invoices in, reads them by the independent reader, and puts its answers
//! into an inbox, from which they are given until they are confirmed.
//!
//! What it answers follows from the file and from what a tester wished for, and from nothing else. The envelope is that of `docs/billing-transport.md`.

mod envelope;
mod inbox;
mod messages;
mod requests;
mod settle;
mod wishes;

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::http::Method;
use serde_json::{Value, json};

use super::invoice_file::{Expected, FormFault, Place, Reading, fault_position, read};
use super::kept::Kept;
use super::{Asked, Partner, Reply, Told};
use crate::clock::format_instant;
use envelope::{Envelope, hash};
use inbox::{Inbox, Waiting};
use wishes::{Answer, Forged, Wishes};

pub(super) const BASE_PATH: &str = "/gen-async/v1";
/// The longest message that is taken: a file of some 60,000 records in base64.
const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
const PAGE_MAX: usize = 200;
/// Receipts and files that are remembered.
const REMEMBERED_MAX: usize = 10_000;
/// The federations of the mutualities, urgent medical aid and the railways among them.
const FEDERATIONS: [u16; 8] = [100, 200, 300, 400, 500, 600, 690, 900];

/// The partner: mutualities, or care funds.
pub(super) struct Insurer {
    are_funds: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    wishes: Wishes,
    inbox: Inbox,
    /// The receipts by our reference, the oldest first.
    tacks: VecDeque<(String, Value)>,
    /// What became of a file by third party, year and number: refused as a whole with the month that it had, or taken.
    files: HashMap<(String, String, String), Fate>,
    /// Requests by their 14 digits.
    requests: VecDeque<(String, requests::Request)>,
    /// The messages that it wrote, which numbers them.
    count: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fate {
    Taken,
    Refused { month: String },
}

impl Insurer {
    pub(super) fn new(are_funds: bool) -> Self {
        Self { are_funds, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_in(&self, asked: &Asked) -> Reply {
        let envelope = match Envelope::read(&asked.json(), self.are_funds) {
            Ok(envelope) => envelope,
            Err(detail) => return Reply::problem(400, "envelope", &detail),
        };
        let mut state = self.state();
        let state = &mut *state;
        if let Some((_, tack)) = state.tacks.iter().find(|(reference, _)| *reference == envelope.reference) {
            return Reply::json(200, &json!({"tack": tack}));
        }
        if !state.inbox.has_room() {
            return Reply::problem(503, "full", "nobody confirms what waits in the inbox");
        }
        let wishes = state.wishes.take(envelope.is_request);
        let refusal = wishes.iter().find_map(|wish| match wish {
            Answer::Tack { class, code } => Some((class.clone(), code.clone())),
            _ => None,
        });
        let refusal = refusal.or_else(|| self.refusal(&envelope).map(|code| ("message".to_owned(), code.to_owned())));
        let tack = envelope.tack(refusal.as_ref(), state.tacks.len() + 1);
        match &refusal {
            // It could not be taken in: it may come again under the same reference.
            Some((class, _)) if class == "technical" => return Reply::json(200, &json!({"tack": tack})),
            Some(_) => {}
            None if envelope.is_request => requests::arrive(state, &envelope, &wishes),
            None => self.treat(state, &envelope, &wishes, today(asked.now_ms)),
        }
        state.tacks.push_back((envelope.reference, tack.clone()));
        if state.tacks.len() > REMEMBERED_MAX {
            state.tacks.pop_front();
        }
        Reply::json(200, &json!({"tack": tack}))
    }

    /// Why a message is not taken, whatever is in it.
    fn refusal(&self, envelope: &Envelope) -> Option<&'static str> {
        if !self.are_funds && !FEDERATIONS.contains(&envelope.destination) {
            Some("unknown-destination")
        } else if envelope.content.is_none() {
            Some("unreadable-content")
        } else if envelope.content.as_deref().map(hash).as_ref() != Some(&envelope.hash) {
            Some("wrong-hash")
        } else {
            None
        }
    }

    /// Reads a file, and puts the answers into the inbox.
    fn treat(&self, state: &mut State, envelope: &Envelope, wishes: &[Answer], today: u32) {
        let expected = Expected {
            third_party: &envelope.third_party,
            destination: envelope.destination,
            reference: &envelope.input_reference,
            today,
            is_fund: self.are_funds,
        };
        let bytes = envelope.content.as_deref().unwrap_or_default();
        let reading = read(bytes, &expected);
        let mut faults = reading.as_ref().map_or_else(uncut, |reading| reading.faults.clone());
        for wish in wishes {
            if let Answer::Form { zone, fault } = wish {
                faults.push(FormFault { place: place(*zone), zone: *zone, fault });
            }
        }
        let mut put = Answers { envelope, wishes, state };
        let reference = envelope.input_reference.as_str();
        let key = reading.as_ref().map(|reading| {
            let year = reading.second.text(14, 17).to_owned();
            (envelope.third_party.clone(), year, reading.second.text(9, 11).to_owned())
        });
        let month = reading.as_ref().map(|reading| reading.second.text(1, 6).to_owned()).unwrap_or_default();
        match key.as_ref().and_then(|key| put.state.files.get(key)) {
            Some(Fate::Taken) => faults.push(FormFault { place: Place::Second, zone: 301, fault: "40" }),
            // A refused file goes to a care fund again as what it was.
            Some(Fate::Refused { month: before }) if self.are_funds && *before != month => {
                faults.push(FormFault { place: Place::Second, zone: 300, fault: "21" });
            }
            _ => {}
        }
        let is_repeated = key.as_ref().is_some_and(|key| put.state.files.get(key) == Some(&Fate::Taken));
        let (Some(reading), true) = (&reading, faults.is_empty()) else {
            let name = if self.are_funds { "DF012" } else { "920999" };
            put.add(name, |own| messages::refusal(reading.as_ref(), &faults, reference, own));
            if let Some(key) = key.filter(|_| !is_repeated) {
                put.state.files.insert(key, Fate::Refused { month });
            }
            return;
        };
        put.add(if self.are_funds { "DF011" } else { "931000" }, |own| messages::receipt(reading, reference, own));
        let fate = put.settle(reading, month);
        if put.state.files.len() >= REMEMBERED_MAX {
            put.state.files.clear();
        }
        put.state.files.extend(key.map(|key| (key, fate)));
    }

    fn tack_of(&self, asked: &Asked) -> Reply {
        let wanted = asked.parameter("reference");
        let state = self.state();
        let tack = state.tacks.iter().find(|(reference, _)| reference == wanted).map(|(_, tack)| tack);
        Reply::json(200, &json!({"reference": wanted, "tack": tack}))
    }

    fn page(&self, asked: &Asked) -> Reply {
        let (third_party, destination) = (asked.parameter("nihdi"), asked.parameter("destination").parse::<u16>());
        let max = asked.parameter("max").parse::<usize>().ok().filter(|max| (1..=PAGE_MAX).contains(max));
        let (Ok(destination), Some(max), false) = (destination, max, third_party.is_empty()) else {
            return Reply::problem(400, "envelope", "nihdi, destination and max (1 to 200): all three are needed");
        };
        let (given, has_more) = self.state().inbox.give(third_party, destination, max);
        let given: Vec<Value> = given.iter().map(envelope::given).collect();
        Reply::json(
            200,
            &json!({"nihdi": third_party, "destination": destination, "messages": given, "more": has_more}),
        )
    }

    fn confirm(&self, asked: &Asked) -> Reply {
        let body = asked.json();
        let destination = body.get("destination").and_then(Value::as_u64).and_then(|one| u16::try_from(one).ok());
        let hashes = body.get("hashes").and_then(Value::as_array).filter(|hashes| hashes.len() <= PAGE_MAX);
        let (Some(third_party), Some(destination), Some(hashes)) =
            (body.get("nihdi").and_then(Value::as_str), destination, hashes)
        else {
            return Reply::problem(
                400,
                "envelope",
                "nihdi, destination and hashes (at most 200): all three are needed",
            );
        };
        let hashes: Vec<String> = hashes.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Reply::json(200, &json!({"confirmed": self.state().inbox.confirm(third_party, destination, &hashes)}))
    }
}

impl Partner for Insurer {
    fn reference(&self, asked: &Asked) -> Option<String> {
        let is_message = asked.method == Method::POST && asked.below(BASE_PATH) == Some("/messages");
        is_message.then(|| asked.json().get("reference").and_then(Value::as_str).unwrap_or("none").to_owned())
    }

    fn answer(&self, asked: &Asked, _kept: &Kept) -> Reply {
        match (&asked.method, asked.below(BASE_PATH)) {
            (&Method::POST, Some("/messages")) => self.take_in(asked),
            (&Method::GET, Some("/messages")) => self.page(asked),
            (&Method::GET, Some("/tacks")) => self.tack_of(asked),
            (&Method::POST, Some("/confirm")) => self.confirm(asked),
            _ => Reply::not_found(),
        }
    }

    fn about_another(&self, reply: &Reply) -> Reply {
        let mut body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        body["tack"]["reference"] = json!("somebody-else");
        Reply::json(reply.status, &body)
    }

    fn message_bytes_max(&self) -> usize {
        MESSAGE_BYTES_MAX
    }

    fn reset(&self) {
        *self.state() = State::default();
    }

    fn told(&self, told: Told<'_>) -> Option<Result<Value, String>> {
        let mut state = self.state();
        Some(Ok(match told {
            Told::Inbox => json!({"inbox": state.inbox.described()}),
            Told::Answers => json!({"answers": state.wishes.described()}),
            Told::Clear => {
                state.wishes.clear();
                state.inbox.drop_forged();
                json!({"answers": []})
            }
            Told::Answer(body) => {
                let added = state.wishes.add(body).and_then(|answer| match answer {
                    Answer::Decide { state: decided, reason, request: Some(request) } if self.are_funds => {
                        requests::decide(&mut state, &request, (&decided, &reason))
                    }
                    Answer::Decide { request: Some(_), .. } => Err("request: a mutuality has none".to_owned()),
                    _ => Ok(()),
                });
                if let Err(error) = added {
                    return Some(Err(error));
                }
                json!({"answers": state.wishes.described()})
            }
        }))
    }
}

/// What is said of a file that cannot be cut into records.
fn uncut() -> Vec<FormFault> {
    vec![FormFault { place: Place::First, zone: 200, fault: "01" }]
}

/// Where a zone is that a tester names.
fn place(zone: u16) -> Place {
    match zone / 100 {
        2 => Place::First,
        3 => Place::Second,
        4 => Place::Recap(0),
        _ => Place::Total,
    }
}

/// The day of a moment in Belgium, as `YYYYMMDD`: it begins at least an hour before that of UTC.
fn today(now_ms: i64) -> u32 {
    const AHEAD_MS: i64 = 60 * 60 * 1_000;
    let day: String = format_instant(now_ms + AHEAD_MS).chars().take(10).filter(char::is_ascii_digit).collect();
    day.parse().unwrap_or(0)
}

/// What is answered to one message.
struct Answers<'a> {
    envelope: &'a Envelope,
    wishes: &'a [Answer],
    state: &'a mut State,
}

impl Answers<'_> {
    /// Settles a file whose form holds.
    fn settle(&mut self, reading: &Reading<'_>, month: String) -> Fate {
        let reference = self.envelope.input_reference.as_str();
        let verdict = settle::judge(reading, self.wishes);
        if self.wishes.contains(&Answer::Unknown) {
            self.add("920950", |own| messages::unknown(reading, reference, own));
        }
        if verdict.rejected.is_some() {
            self.add("920099", |own| messages::rejection(reading, &verdict, reference, own));
            return Fate::Refused { month };
        }
        if !verdict.remarks.is_empty() {
            self.add("920098", |own| messages::information(reading, &verdict, reference, own));
        }
        self.add("920900", |own| messages::settlement(reading, &verdict, reference, own));
        Fate::Taken
    }

    /// Puts a message into the inbox, as the wishes have it.
    fn add(&mut self, name: &str, write: impl FnOnce(u64) -> Vec<u8>) {
        self.state.count += 1;
        let content = write(self.state.count);
        if self.wishes.contains(&Answer::Never) {
            return;
        }
        let late = self.wishes.iter().filter_map(|wish| if let Answer::Late(gets) = wish { Some(*gets) } else { None });
        let waiting = Waiting {
            hash: hash(&content),
            name: name.to_owned(),
            third_party: self.envelope.third_party.clone(),
            recipient: self.envelope.third_party.clone(),
            destination: self.envelope.destination,
            reference: self.envelope.input_reference.clone(),
            content,
            late: late.max().unwrap_or(0),
            again: u32::from(self.wishes.contains(&Answer::Twice)),
            is_forged: false,
        };
        for wish in self.wishes {
            if let Answer::Forged(what) = wish {
                self.state.inbox.add(forged(&waiting, *what));
            }
        }
        self.state.inbox.add(waiting);
    }
}

/// A copy with something wrong.
fn forged(waiting: &Waiting, what: Forged) -> Waiting {
    let mut forged = Waiting { is_forged: true, again: 0, ..waiting.clone() };
    match what {
        Forged::Hash => forged.hash = hash(b"something else"),
        Forged::ThirdParty => "00000097000".clone_into(&mut forged.recipient),
        // It is somebody's number, which must not get into a log.
        Forged::Reference => "90010199992".clone_into(&mut forged.reference),
    }
    forged
}
