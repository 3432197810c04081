//! What waits for those who sent: given at each get until it is confirmed.

use serde_json::{Value, json};

/// Messages that one insurer keeps, confirmed ones among them.
pub(super) const MESSAGES_MAX: usize = 5_000;
/// What those that are not confirmed come to together.
const BYTES_MAX: usize = 128 * 1024 * 1024;
/// What one get gives at most.
const PAGE_BYTES_MAX: usize = 30 * 1024 * 1024;

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// What its envelope states, which of a forged one is not that of its content.
    pub(super) hash: String,
    pub(super) name: String,
    /// Who asks for it.
    pub(super) third_party: String,
    /// Whom its envelope names, which of a forged one is somebody else.
    pub(super) recipient: String,
    pub(super) destination: u16,
    pub(super) reference: String,
    pub(super) content: Vec<u8>,
    /// It shows at the get after so many.
    pub(super) late: u64,
    /// How often it is still given after it was confirmed.
    pub(super) again: u32,
    pub(super) is_forged: bool,
}

#[derive(Debug)]
struct Kept {
    waiting: Waiting,
    gets: u64,
    is_confirmed: bool,
}

/// The inbox.
#[derive(Debug, Default)]
pub(super) struct Inbox(Vec<Kept>);

impl Inbox {
    /// Whether there is room for more.
    pub(super) fn has_room(&self) -> bool {
        let open: usize = self.0.iter().map(|kept| kept.waiting.content.len()).sum();
        open < BYTES_MAX && self.0.iter().filter(|kept| !kept.is_confirmed).count() < MESSAGES_MAX / 2
    }

    pub(super) fn add(&mut self, waiting: Waiting) {
        while self.0.len() >= MESSAGES_MAX {
            let oldest = self.0.iter().position(|kept| kept.is_confirmed).unwrap_or(0);
            self.0.remove(oldest);
        }
        self.0.push(Kept { waiting, gets: 0, is_confirmed: false });
    }

    /// What is given to who asks, in its order, and whether there is more.
    pub(super) fn give(&mut self, third_party: &str, destination: u16, max: usize) -> (Vec<Waiting>, bool) {
        let (mut given, mut bytes) = (Vec::new(), 0);
        for kept in &mut self.0 {
            let one = &kept.waiting;
            if kept.is_confirmed || one.third_party != third_party || one.destination != destination {
                continue;
            }
            kept.gets += 1;
            if kept.gets <= one.late {
                continue;
            }
            if given.len() == max || bytes + one.content.len() > PAGE_BYTES_MAX && !given.is_empty() {
                return (given, true);
            }
            bytes += one.content.len();
            given.push(one.clone());
        }
        (given, false)
    }

    /// Takes what is confirmed out; answers which of the hashes it has.
    pub(super) fn confirm(&mut self, third_party: &str, destination: u16, hashes: &[String]) -> Vec<String> {
        let mut known = Vec::new();
        for kept in &mut self.0 {
            let one = &mut kept.waiting;
            let is_meant = one.third_party == third_party && one.destination == destination && !one.is_forged;
            if !is_meant || !hashes.contains(&one.hash) {
                continue;
            }
            known.push(one.hash.clone());
            if kept.is_confirmed {
                continue;
            }
            if one.again > 0 {
                one.again -= 1;
                continue;
            }
            kept.is_confirmed = true;
            one.content = Vec::new();
        }
        known
    }

    /// Forged ones go with the wish that brought them.
    pub(super) fn drop_forged(&mut self) {
        self.0.retain(|kept| !kept.waiting.is_forged);
    }

    pub(super) fn described(&self) -> Value {
        let described = |kept: &Kept| {
            let Waiting { hash, name, third_party, destination, reference, content, .. } = &kept.waiting;
            json!({"hash": hash, "name": name, "thirdParty": third_party, "federation": destination, "reference": reference,
                "gets": kept.gets, "confirmed": kept.is_confirmed, "bytes": content.len()})
        };
        self.0.iter().map(described).collect()
    }
}
