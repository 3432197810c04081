//! What becomes of a delivery after an attempt, an inquiry or a decision: pure rules, one function.
//!
//! <https://www.enterpriseintegrationpatterns.com/patterns/messaging/IdempotentReceiver.html> for why what is uncertain is asked about
//! first. This module knows no partner and no storage.

use std::time::Duration;

use connectors::delivery::{Cause, Inquiry, Outcome};

/// The wait after the first failure; it doubles with each further one.
const BACKOFF_FIRST_MS: i64 = 5_000;
/// No wait of ours is longer.
const BACKOFF_MAX_MS: i64 = 3_600_000;
/// Nothing is done with it until somebody decides.
pub const NEVER_MS: i64 = i64::MAX;

/// How often something is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// Sends before a delivery is dead.
    pub sends_max: i64,
    /// Unanswered inquiries in all before a person has to ask.
    pub inquiries_max: i64,
}

/// What is known of a delivery that was leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leased {
    /// Sends so far, this one included.
    pub sends: i64,
    /// Inquiries before this one.
    pub inquiries: i64,
    /// Whether the partner takes the same reference twice as once.
    pub is_idempotent: bool,
}

/// What an attempt told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// It was sent.
    Sent(Outcome),
    /// The partner was asked whether it has it.
    Asked(Inquiry),
    /// It was decided again, and may not leave: the reason's code.
    NotPermitted(&'static str),
    /// Nothing was sent, for reasons of our own that pass.
    NotReady(Cause),
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// The state that follows.
    pub state: State,
    /// When something is to be done with it, UTC milliseconds.
    pub due_ms: i64,
    /// Whether the partner is asked before it is sent.
    pub asks: bool,
    /// Why.
    pub cause: Option<Cause>,
}

/// The states that an attempt leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is sent (again) when it is due.
    Waiting,
    /// The partner may have it.
    Uncertain,
    /// The partner has it.
    Delivered,
    /// The partner does not take it.
    Rejected,
    /// It was tried often enough.
    Dead,
    /// It may not leave any more.
    Void,
}

impl State {
    /// The code under which it is stored and shown.
    pub fn code(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Uncertain => "uncertain",
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::Dead => "dead",
            Self::Void => "void",
        }
    }

    /// Whether nothing follows by itself.
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Waiting | Self::Uncertain)
    }
}

impl Next {
    /// Whether a person has to look at it: nothing more happens by itself, and nobody knows or nobody took it.
    pub fn needs_a_person(&self) -> bool {
        matches!(self.state, State::Dead | State::Rejected)
            || (self.state == State::Uncertain && self.due_ms == NEVER_MS)
    }
}

/// What follows from what an attempt told. `jitter` is from 0 to 1: waits are between half and all of their length, so that what
/// failed together does not come back together.
pub fn next(leased: Leased, told: &Told, attempts: Attempts, now_ms: i64, jitter: f64) -> Next {
    let end = |state, cause: Option<&Cause>| Next { state, due_ms: now_ms, asks: false, cause: cause.cloned() };
    let again = |cause: &Cause, wait: Option<Duration>| {
        if leased.sends >= attempts.sends_max {
            return end(State::Dead, Some(cause));
        }
        let due_ms = now_ms.saturating_add(wait_ms(leased.sends, wait, jitter));
        Next { state: State::Waiting, due_ms, asks: false, cause: Some(cause.clone()) }
    };
    let uncertain =
        |cause: &Cause, due_ms| Next { state: State::Uncertain, due_ms, asks: true, cause: Some(cause.clone()) };
    let at_once = |code: &str, text: &str| {
        let cause = Cause::new(code, text);
        if leased.sends >= attempts.sends_max {
            return end(State::Dead, Some(&cause));
        }
        Next { state: State::Waiting, due_ms: now_ms, asks: false, cause: Some(cause) }
    };
    match told {
        Told::Sent(Outcome::Delivered(_)) => end(State::Delivered, None),
        Told::Sent(Outcome::Retry(cause, wait)) => again(cause, *wait),
        Told::Sent(Outcome::Rejected(cause)) | Told::Asked(Inquiry::Refused(cause)) => {
            end(State::Rejected, Some(cause))
        }
        // Asked soon: the partner knows by then what it made of it.
        Told::Sent(Outcome::Uncertain(cause)) => uncertain(cause, now_ms + wait_ms(1, None, jitter)),
        Told::Asked(Inquiry::Has(_)) => {
            end(State::Delivered, Some(&Cause::new("found", "the partner has it, as it said when it was asked")))
        }
        Told::Asked(Inquiry::HasNot) => {
            at_once("not-found", "the partner does not have it, as it said when it was asked")
        }
        Told::Asked(Inquiry::Unanswered(cause, wait)) => {
            let is_last = leased.inquiries + 1 >= attempts.inquiries_max;
            let due_ms = now_ms.saturating_add(wait_ms(leased.inquiries + 2, *wait, jitter));
            uncertain(cause, if is_last { NEVER_MS } else { due_ms })
        }
        Told::Asked(Inquiry::Impossible) if leased.is_idempotent => {
            // After a wait all the same: it did not answer well a moment ago.
            again(&Cause::new("repeatable", "the partner takes the same reference twice as once"), None)
        }
        Told::Asked(Inquiry::Impossible) => {
            let cause =
                Cause::new("cannot-be-asked", "the partner may have it and cannot be asked: ask a person there");
            uncertain(&cause, NEVER_MS)
        }
        Told::NotPermitted(code) => {
            let cause = Cause::new(*code, "what was to be told may not be told any more");
            end(State::Void, Some(&cause))
        }
        // It has an end as well: what can never be made must be seen by somebody.
        Told::NotReady(cause) => again(cause, None),
    }
}

/// How long to wait after so many attempts: what the partner asked for, if that is longer than ours.
fn wait_ms(attempts: i64, asked: Option<Duration>, jitter: f64) -> i64 {
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 20)).unwrap_or(20);
    let whole = (BACKOFF_FIRST_MS << doublings).min(BACKOFF_MAX_MS);
    // Exact to a millisecond: a wait is an hour at most.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "an hour in milliseconds is exact in both"
    )]
    let ours = (whole as f64 * f64::midpoint(1.0, jitter.clamp(0.0, 1.0))) as i64;
    let theirs = asked.map_or(0, |wait| i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
    ours.max(theirs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;
    const ATTEMPTS: Attempts = Attempts { sends_max: 3, inquiries_max: 3 };

    fn leased(sends: i64, inquiries: i64) -> Leased {
        Leased { sends, inquiries, is_idempotent: false }
    }

    fn cause() -> Cause {
        Cause::new("status-503", "away")
    }

    fn after(leased: Leased, told: &Told) -> Next {
        next(leased, told, ATTEMPTS, NOW_MS, 1.0)
    }

    #[test]
    fn what_may_have_arrived_is_never_sent_again_unasked() {
        for told in [
            Told::Sent(Outcome::Uncertain(cause())),
            Told::Asked(Inquiry::Unanswered(cause(), None)),
            Told::Asked(Inquiry::Impossible),
        ] {
            for sends in 1..5 {
                for inquiries in 0..5 {
                    let next = after(leased(sends, inquiries), &told);
                    assert!(next.state == State::Uncertain && next.asks, "{told:?}: {next:?}");
                }
            }
        }
    }

    #[test]
    fn it_is_sent_again_where_the_partner_does_not_have_it_or_takes_it_twice_as_once() {
        assert_eq!(after(leased(1, 1), &Told::Asked(Inquiry::HasNot)).state, State::Waiting);
        let idempotent = Leased { is_idempotent: true, ..leased(1, 1) };
        let next = after(idempotent, &Told::Asked(Inquiry::Impossible));
        assert!(next.state == State::Waiting && next.due_ms > NOW_MS && !next.asks, "{next:?}");
        // A partner that answers badly for a while is given as long as one that does not answer.
        let later = after(Leased { is_idempotent: true, ..leased(2, 1) }, &Told::Asked(Inquiry::Impossible));
        assert_eq!(later.due_ms - NOW_MS, 2 * (next.due_ms - NOW_MS));
    }

    #[test]
    fn a_delivery_is_dead_after_so_many_sends_and_parked_after_so_many_questions() {
        let retry = Told::Sent(Outcome::Retry(cause(), None));
        assert_eq!(after(leased(2, 0), &retry).state, State::Waiting);
        let dead = after(leased(3, 0), &retry);
        assert!(dead.state == State::Dead && dead.needs_a_person(), "{dead:?}");
        assert_eq!(after(leased(3, 0), &Told::Asked(Inquiry::HasNot)).state, State::Dead);
        let unanswered = Told::Asked(Inquiry::Unanswered(cause(), None));
        assert!(after(leased(1, 1), &unanswered).due_ms < NEVER_MS);
        let parked = after(leased(1, 2), &unanswered);
        assert!(parked.due_ms == NEVER_MS && parked.needs_a_person(), "{parked:?}");
    }

    #[test]
    fn waits_double_up_to_an_hour_and_are_no_shorter_than_asked() {
        let wait = |sends, asked| wait_ms(sends, asked, 1.0);
        assert_eq!([1, 2, 3, 4].map(|sends| wait(sends, None)), [5_000, 10_000, 20_000, 40_000]);
        assert_eq!(wait(50, None), BACKOFF_MAX_MS);
        assert_eq!(wait(1, Some(Duration::from_secs(70))), 70_000);
        assert_eq!(wait(4, Some(Duration::from_secs(1))), 40_000);
        assert_eq!(wait_ms(1, None, 0.0), 2_500);
    }

    #[test]
    fn what_may_not_leave_any_more_is_void_and_what_cannot_be_made_ends() {
        let next = after(leased(1, 0), &Told::NotPermitted("no-consent"));
        assert_eq!((next.state, next.cause.map(|cause| cause.code)), (State::Void, Some("no-consent".to_owned())));
        assert_eq!(after(leased(1, 0), &Told::NotReady(cause())).state, State::Waiting);
        assert_eq!(after(leased(3, 0), &Told::NotReady(cause())).state, State::Dead);
    }

    fn told() -> impl Strategy<Value = Told> {
        let wait = proptest::option::of((0_u64..1_000_000).prop_map(Duration::from_secs));
        prop_oneof![
            Just(Told::Sent(Outcome::Delivered(Value::Null))),
            wait.clone().prop_map(|wait| Told::Sent(Outcome::Retry(cause(), wait))),
            Just(Told::Sent(Outcome::Rejected(cause()))),
            Just(Told::Sent(Outcome::Uncertain(cause()))),
            Just(Told::Asked(Inquiry::Has(Value::Null))),
            Just(Told::Asked(Inquiry::HasNot)),
            Just(Told::Asked(Inquiry::Refused(cause()))),
            wait.prop_map(|wait| Told::Asked(Inquiry::Unanswered(cause(), wait))),
            Just(Told::Asked(Inquiry::Impossible)),
            Just(Told::NotPermitted("no-consent")),
            Just(Told::NotReady(cause())),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_comes_back_before_now(
            told in told(), sends in 1_i64..40, inquiries in 0_i64..40, is_idempotent: bool, jitter in 0.0_f64..=1.0,
        ) {
            let leased = Leased { sends, inquiries, is_idempotent };
            let next = next(leased, &told, ATTEMPTS, NOW_MS, jitter);
            prop_assert!(next.due_ms >= NOW_MS);
            prop_assert_eq!(next.asks, next.state == State::Uncertain);
            // Whatever did not arrive says why.
            prop_assert!(next.cause.is_some() || next.state == State::Delivered);
            // Delivered is only what the partner said it has.
            let has = matches!(told, Told::Sent(Outcome::Delivered(_)) | Told::Asked(Inquiry::Has(_)));
            prop_assert_eq!(next.state == State::Delivered, has);
        }
    }
}
