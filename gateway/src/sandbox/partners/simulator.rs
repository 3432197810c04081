//! One partner at work: what it is told to do wrong, what it took in, and whether it listens.

use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::faults::{Fault, Faults, Met, Nonsense, Planned};
use super::kept::{Arrival, Kept};
use super::{Asked, Partner, Reply, Speaks, Told};
use crate::clock::Clock;

/// Whether a partner is to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Up,
    /// Not before a moment, or not until it is told.
    Down(Option<Instant>),
}

/// A partner.
pub(super) struct Simulator {
    pub(super) name: &'static str,
    pub(super) url: String,
    pub(super) speaks: Speaks,
    clock: Clock,
    state: Mutex<State>,
    pub(super) wanted: watch::Sender<Wanted>,
    /// Whether it listens now.
    pub(super) listens: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    faults: Faults,
    kept: Kept,
    /// The answer to the last message.
    answered: Option<Reply>,
}

/// What becomes of a call.
pub(super) enum Fate {
    /// It is answered.
    Answered(Reply),
    /// Half of the answer comes, then the line is cut.
    CutShort(Reply),
    /// What comes back is no answer.
    Nonsense(Nonsense),
    /// The line is cut.
    Cut,
}

impl Simulator {
    pub(super) fn new(name: &'static str, url: String, speaks: Speaks, clock: Clock) -> Self {
        Self {
            name,
            url,
            speaks,
            clock,
            state: Mutex::default(),
            wanted: watch::Sender::new(Wanted::Up),
            listens: watch::Sender::new(true),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present moment, for whoever asks it.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Which faults a call meets; counts it.
    pub(super) fn meet(&self, is_message: bool) -> Met {
        let mut state = self.state();
        state.kept.calls += 1;
        state.faults.meet(is_message)
    }

    /// What becomes of a call over HTTP.
    pub(super) fn fate(&self, partner: &dyn Partner, asked: &Asked, fault: Option<Fault>) -> Fate {
        match fault {
            Some(Fault::Status(status, wait)) => {
                let reply = Reply::problem(status, "sandbox.fault", "the sandbox was told to answer this");
                return Fate::Answered(Reply { retry_after_seconds: wait, ..reply });
            }
            Some(Fault::CutBeforeAccept) => return Fate::Cut,
            _ => {}
        }
        let (reply, earlier) = self.take_in(partner, asked);
        match fault {
            Some(Fault::CutAfterAccept) => Fate::Cut,
            Some(Fault::Truncated) => Fate::CutShort(reply),
            Some(Fault::Nonsense(kind)) => Fate::Nonsense(kind),
            Some(Fault::Duplicate) => Fate::Answered(earlier.unwrap_or(reply)),
            Some(Fault::WrongPatient) => Fate::Answered(partner.about_another(&reply)),
            _ => Fate::Answered(reply),
        }
    }

    /// The answer to a call, and the one that was given to the message before.
    fn take_in(&self, partner: &dyn Partner, asked: &Asked) -> (Reply, Option<Reply>) {
        let mut state = self.state();
        let reply = partner.answer(asked, &state.kept);
        let Some(reference) = partner.reference(asked) else { return (reply, None) };
        let arrival = Arrival {
            reference,
            body: asked.body.clone(),
            status: reply.status,
            headers: asked.headers.clone(),
            now_ms: asked.now_ms,
        };
        state.kept.add(arrival, |before| before == 0);
        let earlier = state.answered.replace(reply.clone());
        (reply, earlier)
    }

    /// Keeps a mail: each that arrives is delivered, also one that came before.
    pub(super) fn keep_mail(&self, reference: String, body: Bytes) {
        let arrival = Arrival { reference, body, status: 250, headers: Vec::new(), now_ms: self.now_ms() };
        self.state().kept.add(arrival, |_| true);
    }

    /// Sets a fault.
    ///
    /// # Errors
    /// What is wrong with it, beginning with the name of the member.
    pub(super) fn set(&self, planned: Planned) -> Result<(), String> {
        if planned.fault == Fault::WrongPatient && matches!(self.speaks, Speaks::Smtp) {
            return Err("fault: a mail is about no patient".to_owned());
        }
        self.state().faults.add(planned)?;
        if let Fault::Down(time) = planned.fault {
            self.wanted.send_replace(Wanted::Down(time.map(|time| Instant::now() + time)));
        }
        Ok(())
    }

    /// Clears every fault.
    pub(super) fn clear(&self) {
        self.state().faults.clear();
        self.wanted.send_replace(Wanted::Up);
    }

    /// The time of being down is over.
    pub(super) fn come_up(&self) {
        self.state().faults.come_up();
        self.wanted.send_replace(Wanted::Up);
    }

    /// Forgets everything.
    pub(super) fn reset(&self) {
        *self.state() = State::default();
        if let Speaks::Http(partner) = &self.speaks {
            partner.reset();
        }
        self.wanted.send_replace(Wanted::Up);
    }

    /// What a tester tells the partner, or asks it, beside its faults; none where there is nothing to tell.
    pub(super) fn told(&self, told: Told<'_>) -> Option<Result<Value, String>> {
        let Speaks::Http(partner) = &self.speaks else { return None };
        let mut answer = partner.told(told)?;
        if let Ok(answer) = &mut answer {
            answer["partner"] = json!(self.name);
        }
        Some(answer)
    }

    /// The faults that wait.
    pub(super) fn faults(&self) -> Value {
        json!({"partner": self.name, "faults": self.state().faults.described()})
    }

    /// What arrived.
    pub(super) fn received(&self, reference: Option<&str>) -> Value {
        let mut received = self.state().kept.described(reference);
        received["partner"] = json!(self.name);
        received
    }
}
