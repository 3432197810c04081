//! Checks the trail against its seals, in one pass and in order, and says what is amiss: the first of it first.
//!
//! Pure: rows and seals are handed in, as a database that nobody trusts tells them. It holds no more than a number a chain and the
//! ids of what was erased.

use std::collections::{BTreeMap, BTreeSet};

use super::seal::{self, Entry, Head, NO_SEAL, Seal, TrailRow};
use super::seal_key::{SealKey, SealPublicKey};

/// The act that records the erasure of an event: its `resource_id` is the id of what was erased.
pub const ERASURE: &str = "erase-audit-event";
/// How long an event may stand unsealed, and a seal come after it.
pub const LAG_MS_MAX: i64 = 5 * 60 * 1_000;
/// Findings that are told one by one; more are counted.
const FINDINGS_MAX: usize = 100;

/// By what the trail is checked.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Whose seals are believed; never empty.
    pub keys: Vec<SealPublicKey>,
    /// The secret key, where it is at hand: then unsealed events are checked too.
    pub secret: Option<SealKey>,
    /// A head that was published.
    pub head: Option<Head>,
    /// Only events recorded from this moment on, and before that.
    pub recorded: Option<(i64, i64)>,
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What is amiss, in the order of the seals; the first of it at most, see `findings_more`.
    pub findings: Vec<String>,
    /// Findings beyond.
    pub findings_more: u64,
    /// Seals that were gone through.
    pub seals: i64,
    /// The last of them.
    pub head: Option<Head>,
    /// Events that are as they were sealed.
    pub sealed: u64,
    /// Events that were erased, by an act in the trail.
    pub erased: u64,
    /// Events that were there before they were first sealed: they are as they were then.
    pub adopted: u64,
    /// Events that were sealed later than [`LAG_MS_MAX`].
    pub late: u64,
    /// Events that wait for their seal.
    pub unsealed: u64,
}

impl Report {
    /// Whether nothing is amiss.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// A check under way.
#[derive(Debug)]
pub struct Check {
    trust: Trust,
    report: Report,
    /// The last number that is sealed, by chain.
    sealed_to: BTreeMap<i64, i64>,
    last_sealed_ms: Option<i64>,
    /// When the earliest and the latest of the events were recorded that wait for their seal.
    unsealed_ms: Option<(i64, i64)>,
    /// What was erased, with the act that says so.
    erasures: BTreeMap<u128, u128>,
    acts: BTreeSet<u128>,
    /// Acts on which it rests that something is gone; each must prove to be sealed.
    relied_on: BTreeMap<u128, String>,
    proven: BTreeSet<u128>,
}

impl Check {
    /// Before the first seal. `erasures`: the id of each act of erasure in the trail, with that of what it erased.
    pub fn new(trust: Trust, erasures: impl IntoIterator<Item = (String, String)>) -> Self {
        let numbers = |(act, erased): (String, String)| Some((seal::id_number(&erased)?, seal::id_number(&act)?));
        let erasures: BTreeMap<u128, u128> = erasures.into_iter().filter_map(numbers).collect();
        Self {
            trust,
            report: Report::default(),
            sealed_to: BTreeMap::new(),
            last_sealed_ms: None,
            unsealed_ms: None,
            acts: erasures.values().copied().collect(),
            erasures,
            relied_on: BTreeMap::new(),
            proven: BTreeSet::new(),
        }
    }

    /// Notes that something is amiss.
    pub fn find(&mut self, finding: String) {
        if self.report.findings.len() < FINDINGS_MAX {
            self.report.findings.push(finding);
        } else {
            self.report.findings_more += 1;
        }
    }

    /// Takes the next seal. Answers whether the rows of its stretch are to be handed in, by [`Check::rows`].
    pub fn seal(&mut self, seal: &Seal) -> bool {
        let number = seal.number;
        let (expected, previous) = self
            .report
            .head
            .as_ref()
            .map_or((1, NO_SEAL.to_owned()), |head| (head.number.saturating_add(1), head.hash.clone()));
        if number != expected {
            self.find(format!("seal {expected}: is gone; the next that is there is {number}"));
        } else if seal.previous != previous {
            self.find(format!("seal {number}: does not follow the one before it"));
        }
        if seal.computed_hash() != seal.hash {
            self.find(format!("seal {number}: was changed: its hash does not fit it"));
        }
        match self.trust.keys.iter().find(|key| key.id() == seal.key_id) {
            None => self.find(format!("seal {number}: is signed by key {}, which is not given", seal.key_id)),
            Some(key) if !key.verifies(&seal.head().signed_text(), &seal.signature) => {
                self.find(format!("seal {number}: its signature is not that of key {}", seal.key_id));
            }
            Some(_) => {}
        }
        let sealed_to = self.sealed_to.get(&seal.chain).copied().unwrap_or(0);
        if number == expected && seal.first_sequence.checked_sub(1) != Some(sealed_to) {
            self.find(missing_before(seal.chain, (sealed_to, seal.first_sequence)));
        }
        if self.trust.head.as_ref().is_some_and(|head| head.number == number && head.hash != seal.hash) {
            self.find(format!("seal {number}: is not the one that was published"));
        }
        self.sealed_to.insert(seal.chain, seal.last_sequence.max(sealed_to));
        self.report.seals += 1;
        self.report.head = Some(seal.head());
        self.last_sealed_ms = Some(seal.sealed_ms);
        self.is_asked_for(seal)
    }

    fn is_asked_for(&self, seal: &Seal) -> bool {
        let Some((from_ms, until_ms)) = self.trust.recorded else { return true };
        let has_act = || {
            let entries = seal.unpacked().unwrap_or_default();
            entries.iter().any(|entry| self.acts.contains(&entry.id))
        };
        (seal.last_ms >= from_ms && seal.first_ms < until_ms) || has_act()
    }

    /// Takes every row of a seal's chain with a number from its first to its last, in their order.
    pub fn rows(&mut self, seal: &Seal, rows: &[TrailRow]) {
        let Some(entries) = seal.unpacked() else {
            self.find(format!("seal {}: its list of events is not readable", seal.number));
            return;
        };
        let mut rows = rows.iter().peekable();
        for (sequence, entry) in (seal.first_sequence..).zip(&entries) {
            match rows.next_if(|row| row.sequence == sequence) {
                Some(row) => self.row(seal, entry, row),
                None => self.gone(seal, sequence, entry),
            }
            while let Some(row) = rows.next_if(|row| row.sequence == sequence) {
                self.find(format!("{}: was put into the trail: its place belongs to another", name(row)));
            }
        }
        for row in rows {
            self.find(format!("{}: was put into the trail: its place belongs to another", name(row)));
        }
    }

    fn row(&mut self, seal: &Seal, entry: &Entry, row: &TrailRow) {
        let place = (row.chain, row.sequence);
        if seal::commitment(&row.event.columns(), place, &row.mark) != entry.commitment {
            let sealed = entry.event_id().filter(|id| *id != row.event.id);
            let sealed = sealed.map(|id| format!("; AuditEvent/{id} was sealed there")).unwrap_or_default();
            self.find(format!("{}: is not as it was sealed, by seal {}{sealed}", name(row), seal.number));
            return;
        }
        if !entry.is_marked {
            self.find(format!(
                "{}: was written or changed by somebody without the key, before it was sealed",
                name(row)
            ));
            return;
        }
        self.report.sealed += 1;
        if row.chain < 0 {
            self.report.adopted += 1;
        } else if seal.sealed_ms.saturating_sub(row.event.recorded_ms) > LAG_MS_MAX {
            self.report.late += 1;
        }
        if row.event.subtype == ERASURE {
            self.proven.insert(entry.id);
        }
    }

    fn gone(&mut self, seal: &Seal, sequence: i64, entry: &Entry) {
        let what = entry.event_id().map_or_else(String::new, |id| format!("AuditEvent/{id} "));
        let finding = format!("{what}({sequence} of chain {}): is gone; seal {} has it", seal.chain, seal.number);
        match self.erasures.get(&entry.id) {
            Some(act) => {
                self.report.erased += 1;
                self.relied_on.insert(*act, finding);
            }
            None => self.find(finding),
        }
    }

    /// Takes, after the last seal, the rows of a chain beyond what is sealed of it, in their order.
    pub fn unsealed(&mut self, chain: i64, rows: &[TrailRow]) {
        for row in rows {
            let expected = self.sealed_to(chain).saturating_add(1);
            if row.sequence > expected {
                self.find(missing_before(chain, (expected - 1, row.sequence)));
            }
            let is_amiss = match (&self.trust.secret, self.last_sealed_ms) {
                (Some(secret), _) => !seal::is_marked(secret, row),
                (None, Some(sealed_ms)) => row.event.recorded_ms < sealed_ms.saturating_sub(LAG_MS_MAX),
                (None, None) => false,
            };
            if row.sequence < expected {
                self.find(format!("{}: was put into the trail: its place belongs to another", name(row)));
            } else if is_amiss {
                self.find(format!("{}: is not sealed, and no gateway left it so", name(row)));
            } else {
                self.report.unsealed += 1;
                let (first_ms, last_ms) = self.unsealed_ms.unwrap_or((row.event.recorded_ms, row.event.recorded_ms));
                self.unsealed_ms = Some((first_ms.min(row.event.recorded_ms), last_ms.max(row.event.recorded_ms)));
            }
            self.sealed_to.insert(chain, row.sequence.max(expected - 1));
        }
    }

    /// How far a chain is sealed.
    pub fn sealed_to(&self, chain: i64) -> i64 {
        self.sealed_to.get(&chain).copied().unwrap_or(0)
    }

    /// What was found in all.
    pub fn end(mut self) -> Report {
        let unproven: Vec<String> = self
            .relied_on
            .iter()
            .filter(|(act, _)| !self.proven.contains(act))
            .map(|(act, finding)| format!("{finding}; the act of its erasure, AuditEvent/{act:032x}, is not proven"))
            .collect();
        for finding in unproven {
            self.report.erased -= 1;
            self.find(finding);
        }
        if self.unsealed_ms.is_some_and(|(first_ms, last_ms)| last_ms.saturating_sub(first_ms) > LAG_MS_MAX) {
            let unsealed = self.report.unsealed;
            self.find(format!("{unsealed} events of more than five minutes: are not sealed: the sealer stood still, or its seals were removed"));
        }
        match (&self.report.head, self.trust.head.clone()) {
            (None, _) => self.find("there is no seal at all".to_owned()),
            (Some(last), Some(published)) if last.number < published.number => {
                let last = last.number;
                self.find(format!(
                    "seal {}: is gone, and so is all after seal {last}: seal {} was published",
                    last + 1,
                    published.number
                ));
            }
            _ => {}
        }
        self.report
    }
}

fn missing_before(chain: i64, (before, after): (i64, i64)) -> String {
    format!("what was between {before} and {after} of chain {chain}: is gone, and no seal has it")
}

fn name(row: &TrailRow) -> String {
    format!("AuditEvent/{} ({} of chain {})", row.event.id, row.sequence, row.chain)
}
