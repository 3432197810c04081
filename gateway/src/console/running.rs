//! Checks under way, so that a page can say how far they are. Each replica knows its own; what was checked stays checked, whoever asks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::desk::Desk;
use super::view::Progress;
use crate::billing;
use crate::error::Failure;

/// Checks at once, of all organisations.
const CHECKS_MAX: usize = 16;

type Of = (String, i64);

/// Checks under way, by organisation and month.
#[derive(Clone, Debug, Default)]
pub struct Running(Arc<Mutex<HashMap<Of, Check>>>);

#[derive(Clone, Debug)]
struct Check {
    /// One for each third party.
    parts: Vec<billing::Progress>,
    is_over: Arc<AtomicBool>,
}

/// Says that a check is over, however it ends.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Running {
    /// How far the check of a month is; none where none is under way.
    pub(super) fn progress(&self, compartment: &str, month: i64) -> Option<Progress> {
        let checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let check = checks.get(&(compartment.to_owned(), month)).filter(|check| check.is_under_way())?;
        Some(check.parts.iter().fold(Progress::default(), |sum, part| {
            let (checked, total) = part.so_far();
            let count = |lines: u64| i64::try_from(lines).unwrap_or(i64::MAX);
            Progress { total: sum.total + count(total), checked: sum.checked + count(checked) }
        }))
    }

    /// Begins to check a month; nothing where that is under way.
    ///
    /// # Errors
    /// [`Failure::Overloaded`] where too many are.
    pub(super) fn begin(&self, desk: &Desk, month: i64, parties: Vec<String>) -> Result<(), Failure> {
        let check = Check {
            parts: parties.iter().map(|_| billing::Progress::default()).collect(),
            is_over: Arc::new(AtomicBool::new(false)),
        };
        let of = (desk.caller.organization(), month);
        {
            let mut checks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            checks.retain(|_, check| check.is_under_way());
            if checks.contains_key(&of) {
                return Ok(());
            }
            if checks.len() >= CHECKS_MAX {
                return Err(Failure::Overloaded);
            }
            checks.insert(of, check.clone());
        }
        let (app, over) = (Arc::clone(&desk.exchange.app), Over(Arc::clone(&check.is_over)));
        let actor = desk.actor();
        let compartment = desk.caller.organization();
        tokio::spawn(async move {
            let _over = over;
            let books = billing::Books::new(&app, compartment, actor);
            for (party, progress) in parties.iter().zip(&check.parts) {
                if let Err(failure) = books.check(party, month, progress).await {
                    tracing::error!(?failure, "a month of billing was not checked to its end");
                    return;
                }
            }
        });
        Ok(())
    }
}

impl Check {
    fn is_under_way(&self) -> bool {
        !self.is_over.load(Ordering::Acquire)
    }
}
