//! A write is decided, committed, and decided again where what it was decided on moved meanwhile.

use std::time::Duration;

use tokio::sync::MutexGuard;
use tokio::time::timeout;

use super::draft::Draft;
use crate::app::App;

/// How often a write is decided: of those that meet at least one is written each time.
const ATTEMPTS_MAX: usize = 32;
/// How long a write waits for its turn. What it was asked with (the moment, who is registered) is no older than that.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);

/// Decides a write by an expression with `?` that fills the draft and commits it, until it meets nobody. It is a macro because a
/// closure that is async and borrows cannot be said to be `Send`.
///
/// Answers what the expression does, and `Failure::Conflict` where others wrote the same each time.
macro_rules! attempts {
    ($app:expr, $caller:expr, |$draft:ident| $attempt:expr) => {{
        let (app, caller): (&$crate::app::App, &$crate::access::Caller) = ($app, $caller);
        let mut again = $crate::access::attempts::Again::new(app);
        loop {
            let mut draft = $crate::access::Draft::new(app, caller);
            let done: Result<_, $crate::error::Failure> = async {
                let $draft = &mut draft;
                $attempt
            }
            .await;
            if !matches!(done, Err($crate::error::Failure::Conflict)) || !again.is_due(&draft).await {
                break done;
            }
        }
    }};
}
pub(crate) use attempts;

/// Whether a write is decided once more.
///
/// Writes that met another in a record are decided again one at a time, in the order in which they came, so that they do not defeat
/// each other over and over. Only those wait: a first attempt takes no turn, so nobody learns by waiting that a hidden record is
/// written.
#[derive(Debug)]
pub struct Again<'a> {
    app: &'a App,
    made: usize,
    turn: Option<MutexGuard<'a, ()>>,
}

impl<'a> Again<'a> {
    /// Before the first attempt.
    pub fn new(app: &'a App) -> Self {
        Self { app, made: 0, turn: None }
    }

    /// Whether to try again after an attempt that met another; if so, it is its turn.
    pub async fn is_due(&mut self, draft: &Draft<'_>) -> bool {
        self.made += 1;
        if self.made == ATTEMPTS_MAX {
            return false;
        }
        if self.turn.is_none() {
            self.turn = timeout(TURN_TIMEOUT, self.app.turns.take(draft.first_record())).await.ok();
        }
        self.turn.is_some()
    }
}
