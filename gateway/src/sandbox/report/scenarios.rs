//! What a tester's client has shown that it can do, from the requests that the gateway saw and how they were answered. Pure.
//!
//! Of what was asked only digests are kept, and so many of each: neither an id of a record nor anything of a body.

use std::collections::VecDeque;

/// Things of one kind that a client has begun and not ended; the oldest is forgotten for a new one.
const OPEN_MAX: usize = 200;
/// Looks at what is gone, after the first, that are no hammering: a person may press a button again.
const LOOKS_MAX: u32 = 3;

/// What a client can be seen to handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scenario {
    /// An order was refused (403), and then its record got a Consent, or an order that was permitted.
    RefusedReferral,
    /// A pick-up came too late (412), and the Task was read again before anything else was written to it.
    LostPickUp,
    /// A request was sent again under its `Idempotency-Key`, unchanged.
    Retry,
    /// What could be read is gone (404) since a Consent was withdrawn or changed, and the client left it at that.
    Withdrawal,
    /// A notice to a subscriber was acknowledged.
    Subscription,
}

impl Scenario {
    pub(super) const ALL: [Self; 5] =
        [Self::RefusedReferral, Self::LostPickUp, Self::Retry, Self::Withdrawal, Self::Subscription];

    /// Its name in the report.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::RefusedReferral => "refused-referral",
            Self::LostPickUp => "lost-pick-up",
            Self::Retry => "retry",
            Self::Withdrawal => "withdrawal",
            Self::Subscription => "subscription",
        }
    }

    /// What passes it, for whoever has not.
    pub(super) const fn means(self) -> &'static str {
        match self {
            Self::RefusedReferral => {
                "after a 403 for an order, record a Consent of the person or place an order that is permitted"
            }
            Self::LostPickUp => "after a 412 for a pick-up, read the Task again before writing to it",
            Self::Retry => "send a request again under the same Idempotency-Key, with the same body",
            Self::Withdrawal => "when what you read is 404 after a withdrawal, stop asking for it",
            Self::Subscription => "acknowledge a notice to your subscription",
        }
    }
}

/// How often a client did well at something, and what it did last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: u32,
    pub(super) failed: u32,
    pub(super) last: Option<bool>,
}

impl Tally {
    fn note(&mut self, is_well: bool) {
        let count = if is_well { &mut self.passed } else { &mut self.failed };
        *count = count.saturating_add(1);
        self.last = Some(is_well);
    }
}

/// A digest of something that was asked.
pub(super) type Digest = u64;

/// A request as far as it matters, and how it was answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) method: String,
    /// The path below the base: `Task/1`.
    pub(super) path: String,
    pub(super) status: u16,
    /// Of the record that an order or a Consent is about.
    pub(super) record: Option<Digest>,
    /// Of the idempotency key.
    pub(super) key: Option<Digest>,
    /// Of the body, where there is a key.
    pub(super) body: Digest,
    /// Of the path.
    pub(super) address: Digest,
    /// When it was answered, by the count of requests.
    pub(super) at: u64,
}

impl Seen {
    fn is_done(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn is_of(&self, resource_type: &str) -> bool {
        self.path.split(['/', '?']).next() == Some(resource_type)
    }

    /// Whether it may take sight away from somebody.
    pub(super) fn withdraws(&self) -> bool {
        self.is_done() && self.is_of("Consent") && self.method != "GET"
    }
}

/// What is known of one client.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) requests: u64,
    tallies: [Tally; Scenario::ALL.len()],
    /// Records for which an order was refused.
    refused: VecDeque<Digest>,
    /// Tasks whose pick-up came too late.
    lost: VecDeque<Digest>,
    /// Keys, with the body and the status of the first answer.
    keys: VecDeque<(Digest, Digest)>,
    /// What was read, and when.
    read: VecDeque<(Digest, u64)>,
    /// What is gone, and how often it was looked for since.
    gone: VecDeque<(Digest, u32)>,
}

/// Keeps a thing in place of the oldest.
fn keep<T>(things: &mut VecDeque<T>, thing: T) {
    if things.len() >= OPEN_MAX {
        things.pop_front();
    }
    things.push_back(thing);
}

/// Takes a thing out, if it is there.
fn take<T>(things: &mut VecDeque<T>, is_it: impl Fn(&T) -> bool) -> Option<T> {
    let place = things.iter().position(is_it)?;
    things.remove(place)
}

impl Known {
    pub(super) fn tally(&self, scenario: Scenario) -> Tally {
        self.tallies[scenario as usize]
    }

    /// Whether something was begun that is not ended.
    pub(super) fn is_open(&self, scenario: Scenario) -> bool {
        match scenario {
            Scenario::RefusedReferral => !self.refused.is_empty(),
            Scenario::LostPickUp => !self.lost.is_empty(),
            Scenario::Retry | Scenario::Withdrawal | Scenario::Subscription => false,
        }
    }

    pub(super) fn note(&mut self, scenario: Scenario, is_well: bool) {
        self.tallies[scenario as usize].note(is_well);
    }

    /// Takes in a request. `withdrawn_at`: when a Consent was written last, by anybody.
    pub(super) fn saw(&mut self, seen: &Seen, withdrawn_at: u64) {
        self.requests = self.requests.saturating_add(1);
        self.saw_order(seen);
        self.saw_pick_up(seen);
        self.saw_key(seen);
        self.saw_read(seen, withdrawn_at);
    }

    fn saw_order(&mut self, seen: &Seen) {
        let Some(record) = seen.record.filter(|_| seen.method == "POST") else { return };
        let is_order = seen.is_of("ServiceRequest");
        if is_order && seen.status == 403 {
            if self.refused.contains(&record) {
                // The very order again, and nothing had changed.
                self.note(Scenario::RefusedReferral, false);
            } else {
                keep(&mut self.refused, record);
            }
        } else if seen.is_done()
            && (is_order || seen.is_of("Consent"))
            && take(&mut self.refused, |one| *one == record).is_some()
        {
            self.note(Scenario::RefusedReferral, true);
        }
    }

    fn saw_pick_up(&mut self, seen: &Seen) {
        if !seen.is_of("Task") {
            return;
        }
        match seen.method.as_str() {
            "PUT" => {
                if take(&mut self.lost, |one| *one == seen.address).is_some() {
                    self.note(Scenario::LostPickUp, false);
                }
                if seen.status == 412 {
                    keep(&mut self.lost, seen.address);
                }
            }
            // A read of the Task tells; so does a search, which shows what still waits.
            "GET" if !seen.path.contains('/') => {
                for _ in 0..std::mem::take(&mut self.lost).len() {
                    self.note(Scenario::LostPickUp, true);
                }
            }
            "GET" if take(&mut self.lost, |one| *one == seen.address).is_some() => {
                self.note(Scenario::LostPickUp, true);
            }
            _ => {}
        }
    }

    fn saw_key(&mut self, seen: &Seen) {
        // While the first is worked on it is 409, and says nothing yet.
        let Some(key) = seen.key.filter(|_| seen.status != 409 && seen.status < 500) else { return };
        match self.keys.iter().find(|(known, _)| *known == key) {
            Some((_, body)) => {
                let is_same = *body == seen.body && seen.status != 422;
                self.note(Scenario::Retry, is_same);
            }
            None => keep(&mut self.keys, (key, seen.body)),
        }
    }

    fn saw_read(&mut self, seen: &Seen, withdrawn_at: u64) {
        if seen.method != "GET" || !seen.path.contains('/') {
            return;
        }
        match seen.status {
            200 => {
                take(&mut self.read, |(address, _)| *address == seen.address);
                take(&mut self.gone, |(address, _)| *address == seen.address);
                keep(&mut self.read, (seen.address, seen.at));
            }
            404 => {
                if let Some((_, looks)) = self.gone.iter_mut().find(|(address, _)| *address == seen.address) {
                    *looks += 1;
                    if *looks == LOOKS_MAX + 1 {
                        self.note(Scenario::Withdrawal, false);
                    }
                } else if take(&mut self.read, |(address, at)| *address == seen.address && *at < withdrawn_at).is_some()
                {
                    keep(&mut self.gone, (seen.address, 0));
                    self.note(Scenario::Withdrawal, true);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests as `method path status`, of a record, with a key and a body; a Consent is withdrawn where a line says so.
    fn after(lines: &[(&str, Option<Digest>, Option<Digest>, Digest)]) -> Known {
        let (mut known, mut withdrawn_at) = (Known::default(), 0);
        for (at, (line, record, key, body)) in (1..).zip(lines) {
            let words: Vec<&str> = line.split(' ').collect();
            let [method, path, status] = words[..] else {
                withdrawn_at = at;
                continue;
            };
            let address = path.bytes().fold(7, |hash: Digest, byte| hash.wrapping_mul(31) + Digest::from(byte));
            let (record, key, body, status) = (*record, *key, *body, status.parse().expect("a status"));
            let [method, path] = [method, path].map(str::to_owned);
            known.saw(&Seen { method, path, status, record, key, body, address, at }, withdrawn_at);
        }
        known
    }

    fn told(known: &Known, scenario: Scenario) -> (u32, u32, Option<bool>) {
        let Tally { passed, failed, last } = known.tally(scenario);
        (passed, failed, last)
    }

    fn plain(lines: &[&'static str]) -> Known {
        after(&lines.iter().map(|line| (*line, None, None, 0)).collect::<Vec<_>>())
    }

    #[test]
    fn a_refused_order_is_handled_by_a_consent_or_a_permitted_order_of_the_same_record() {
        let order = |status: &'static str, record| (status, Some(record), None, 0);
        let (refused, placed) = ("POST ServiceRequest 403", "POST ServiceRequest 201");
        let open = after(&[order(refused, 1)]);
        assert_eq!(told(&open, Scenario::RefusedReferral), (0, 0, None));
        assert!(open.is_open(Scenario::RefusedReferral));
        let other = after(&[order(refused, 1), order(placed, 2), ("POST Consent 201", Some(2), None, 0)]);
        assert_eq!(told(&other, Scenario::RefusedReferral), (0, 0, None), "of another record");
        for well in ["POST Consent 201", placed] {
            let known = after(&[order(refused, 1), order(well, 1)]);
            assert_eq!(told(&known, Scenario::RefusedReferral), (1, 0, Some(true)), "{well}");
            assert!(!known.is_open(Scenario::RefusedReferral));
        }
        let blind = after(&[order(refused, 1), order(refused, 1), order("POST Consent 422", 1)]);
        assert_eq!(told(&blind, Scenario::RefusedReferral), (0, 1, Some(false)), "the same again");
        assert_eq!(told(&after(&[order(placed, 1)]), Scenario::RefusedReferral), (0, 0, None), "nothing was refused");
    }

    #[test]
    fn a_lost_pick_up_is_handled_by_reading_before_writing() {
        for (lines, expected) in [
            (&["PUT Task/1 412"][..], (0, 0, None)),
            (&["PUT Task/1 200", "GET Task/1 200"], (0, 0, None)),
            (&["PUT Task/1 412", "GET Task/2 200"], (0, 0, None)),
            (&["PUT Task/1 412", "GET Task/1 200"], (1, 0, Some(true))),
            (&["PUT Task/1 412", "GET Task/1 404"], (1, 0, Some(true))),
            (&["PUT Task/1 412", "GET Task?status=requested 200"], (1, 0, Some(true))),
            (&["PUT Task/1 412", "PUT Task/1 200"], (0, 1, Some(false))),
            (&["PUT Task/1 412", "PUT Task/1 412", "GET Task/1 200"], (1, 1, Some(true))),
            (&["PUT Patient/1 412", "GET Patient/1 200"], (0, 0, None)),
        ] {
            assert_eq!(told(&plain(lines), Scenario::LostPickUp), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_retry_is_one_under_the_same_key_with_the_same_body() {
        let post = |status: &'static str, key, body| (status, None, key, body);
        let created = "POST Patient 201";
        for (lines, expected) in [
            (&[post(created, Some(1), 5)][..], (0, 0, None)),
            (&[post(created, None, 5), post(created, None, 5)], (0, 0, None)),
            (&[post(created, Some(1), 5), post(created, Some(2), 5)], (0, 0, None)),
            (&[post(created, Some(1), 5), post(created, Some(1), 5)], (1, 0, Some(true))),
            (&[post(created, Some(1), 5), post("POST Patient 409", Some(1), 5)], (0, 0, None)),
            (&[post("POST Patient 503", Some(1), 5), post(created, Some(1), 5)], (0, 0, None)),
            (&[post(created, Some(1), 5), post("POST Patient 422", Some(1), 6)], (0, 1, Some(false))),
        ] {
            assert_eq!(told(&after(lines), Scenario::Retry), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_withdrawal_is_handled_by_whoever_stops_asking() {
        let gone = ["GET Patient/1 200", "withdrawn", "GET Patient/1 404"];
        let with = |more: usize| [gone.to_vec(), vec!["GET Patient/1 404"; more]].concat();
        assert_eq!(told(&plain(&gone[..2]), Scenario::Withdrawal), (0, 0, None), "it has not looked yet");
        assert_eq!(told(&plain(&gone), Scenario::Withdrawal), (1, 0, Some(true)));
        assert_eq!(told(&plain(&with(3)), Scenario::Withdrawal), (1, 0, Some(true)));
        assert_eq!(told(&plain(&with(4)), Scenario::Withdrawal), (1, 1, Some(false)));
        assert_eq!(told(&plain(&with(40)), Scenario::Withdrawal), (1, 1, Some(false)), "told once");
        let never = ["withdrawn", "GET Patient/1 404", "GET Patient/1 404"];
        assert_eq!(told(&plain(&never), Scenario::Withdrawal), (0, 0, None), "it never saw it");
        let passed_on = ["withdrawn", "GET Patient/1 200", "GET Patient/1 404"];
        assert_eq!(told(&plain(&passed_on), Scenario::Withdrawal), (0, 0, None), "gone for another reason");
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let mut known = Known::default();
        for number in 0..10_000 {
            for (method, path, status) in
                [("POST", "ServiceRequest", 403), ("PUT", "Task/1", 412), ("GET", "Patient/1", 200)]
            {
                let [method, path] = [method, path].map(str::to_owned);
                let (record, key) = (Some(number), Some(number));
                known.saw(&Seen { method, path, status, record, key, body: 1, address: number, at: number }, 0);
            }
        }
        for length in [known.refused.len(), known.lost.len(), known.keys.len(), known.read.len(), known.gone.len()] {
            assert!(length <= OPEN_MAX, "{length}");
        }
    }
}
