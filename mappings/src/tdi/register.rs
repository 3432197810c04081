//! The records of one organisation together: which ones count, and which contradict each other.

use std::collections::{HashMap, HashSet};

use super::record::{Reference, TreatmentDemand};

/// What is wrong with records as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegisterFault {
    /// Two records have one reference.
    ReferenceTwice(Reference),
    /// A record takes the place of one that is not there.
    CorrectsUnknown(Reference),
    /// A record takes the place of one that another took already.
    CorrectsTwice(Reference),
    /// Records take each other's place in a circle: none of them counts.
    CorrectsInACircle(Reference),
    /// A record is of the same person, day and kind of treatment as an earlier one.
    Duplicate {
        /// The later one in the list.
        record: Reference,
        /// The earlier one.
        of: Reference,
    },
}

/// The records that count, in their order: those whose place no other record takes. And everything that is wrong among them; a
/// record with a fault of its own is left out, so that nothing is counted twice.
pub fn current(records: &[TreatmentDemand]) -> (Vec<&TreatmentDemand>, Vec<RegisterFault>) {
    let mut faults = Vec::new();
    let mut by_reference: HashMap<&Reference, &TreatmentDemand> = HashMap::new();
    let mut known = Vec::new();
    for record in records {
        if by_reference.contains_key(record.reference()) {
            faults.push(RegisterFault::ReferenceTwice(record.reference().clone()));
        } else {
            by_reference.insert(record.reference(), record);
            known.push(record);
        }
    }
    let mut replaced: HashSet<&Reference> = HashSet::new();
    let mut wrong: HashSet<&Reference> = HashSet::new();
    for record in &known {
        let Some(earlier) = record.corrects() else { continue };
        let fault = if !by_reference.contains_key(earlier) {
            RegisterFault::CorrectsUnknown(record.reference().clone())
        } else if is_in_a_circle(record, &by_reference) {
            RegisterFault::CorrectsInACircle(record.reference().clone())
        } else if !replaced.insert(earlier) {
            RegisterFault::CorrectsTwice(record.reference().clone())
        } else {
            continue;
        };
        wrong.insert(record.reference());
        faults.push(fault);
    }
    let standing = known
        .into_iter()
        .filter(|record| !replaced.contains(record.reference()) && !wrong.contains(record.reference()));
    let mut seen: HashMap<_, &Reference> = HashMap::new();
    let mut current = Vec::new();
    for record in standing {
        if let Some(pseudonym) = record.pseudonym() {
            let admission = (pseudonym, record.started(), record.is_residential());
            let first: &Reference = seen.entry(admission).or_insert(record.reference());
            if first != record.reference() {
                faults.push(RegisterFault::Duplicate { record: record.reference().clone(), of: first.clone() });
                continue;
            }
        }
        current.push(record);
    }
    (current, faults)
}

fn is_in_a_circle(record: &TreatmentDemand, by_reference: &HashMap<&Reference, &TreatmentDemand>) -> bool {
    let mut next = record.corrects();
    // A chain without a circle ends before all records were passed.
    for _ in 0..=by_reference.len() {
        match next.and_then(|reference| by_reference.get(reference)) {
            Some(earlier) => next = earlier.corrects(),
            None => return false,
        }
    }
    true
}
