//! The states of a line and of a sending, and what may follow which: one table each. Pure.

/// A line, from draft to payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LineState {
    /// Taken in, not checked yet.
    Draft,
    /// Something has to be mended before it can be sent.
    Faulty,
    /// It can be sent.
    Ready,
    /// It is in a file that has not left yet.
    Sealed,
    /// The file has left.
    Sent,
    /// The insurer has the file, and looks at it.
    Accepted,
    /// It was paid.
    Paid,
    /// It was refused.
    Refused,
    /// Refused, and another took its place.
    Corrected,
    /// Refused, and given up.
    Uncollectable,
    /// Paid, and taken back by a credit note.
    Credited,
    /// Handed over for the portal of psychologists.
    Exported,
    /// Taken out before it was sent.
    Void,
}

impl LineState {
    /// Every state.
    pub const ALL: [Self; 13] = [
        Self::Draft,
        Self::Faulty,
        Self::Ready,
        Self::Sealed,
        Self::Sent,
        Self::Accepted,
        Self::Paid,
        Self::Refused,
        Self::Corrected,
        Self::Uncollectable,
        Self::Credited,
        Self::Exported,
        Self::Void,
    ];

    /// Its name in the database and in addresses.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Faulty => "faulty",
            Self::Ready => "ready",
            Self::Sealed => "sealed",
            Self::Sent => "sent",
            Self::Accepted => "accepted",
            Self::Paid => "paid",
            Self::Refused => "refused",
            Self::Corrected => "corrected",
            Self::Uncollectable => "uncollectable",
            Self::Credited => "credited",
            Self::Exported => "exported",
            Self::Void => "void",
        }
    }

    /// The state of a code; none for a word that is none.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// What may follow. What is not here does not happen.
    pub const fn next(self) -> &'static [Self] {
        use LineState::{
            Accepted, Corrected, Credited, Draft, Exported, Faulty, Paid, Ready, Refused, Sealed, Sent, Uncollectable,
            Void,
        };
        match self {
            Draft | Faulty => &[Faulty, Ready, Void],
            Ready => &[Faulty, Ready, Sealed, Exported, Void],
            // An answer may come before the insurer's word that it has the file.
            Sealed => &[Sent, Accepted, Paid, Refused, Ready, Faulty],
            Sent => &[Accepted, Paid, Refused, Ready, Faulty],
            Accepted => &[Paid, Refused, Ready, Faulty],
            Paid => &[Credited],
            Refused => &[Corrected, Uncollectable],
            Corrected | Uncollectable | Credited | Exported | Void => &[],
        }
    }

    /// Whether a clerk may still change what it says.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Draft | Self::Faulty | Self::Ready)
    }

    /// Whether the insurer has it, or may have it, and has not said what becomes of it.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Sealed | Self::Sent | Self::Accepted)
    }
}

/// A file, from its number to its settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SendingState {
    /// It has its number and its lines, and is being written.
    Sealing,
    /// It is written, and waits to leave.
    Sealed,
    /// It has left, and the insurer's post office has it.
    Sent,
    /// The insurer has it.
    Acknowledged,
    /// Refused for its form: nothing was booked.
    RefusedTechnical,
    /// Refused for what is in it: nothing was booked.
    RefusedContent,
    /// Settled, and all paid.
    Settled,
    /// Settled, and part of it refused.
    PartlySettled,
    /// Its number was given, and nothing was sent.
    Void,
}

impl SendingState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Sealing,
        Self::Sealed,
        Self::Sent,
        Self::Acknowledged,
        Self::RefusedTechnical,
        Self::RefusedContent,
        Self::Settled,
        Self::PartlySettled,
        Self::Void,
    ];

    /// Its name in the database and in addresses.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Sealing => "sealing",
            Self::Sealed => "sealed",
            Self::Sent => "sent",
            Self::Acknowledged => "acknowledged",
            Self::RefusedTechnical => "refused-technical",
            Self::RefusedContent => "refused-content",
            Self::Settled => "settled",
            Self::PartlySettled => "partly-settled",
            Self::Void => "void",
        }
    }

    /// The state of a code; none for a word that is none.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    /// What may follow. An answer may overtake the one before it.
    pub const fn next(self) -> &'static [Self] {
        use SendingState::{
            Acknowledged, PartlySettled, RefusedContent, RefusedTechnical, Sealed, Sealing, Sent, Settled, Void,
        };
        match self {
            Sealing => &[Sealed, Void],
            Sealed => &[Sent, Acknowledged, RefusedTechnical, RefusedContent, Settled, PartlySettled],
            Sent => &[Acknowledged, RefusedTechnical, RefusedContent, Settled, PartlySettled],
            Acknowledged => &[RefusedTechnical, RefusedContent, Settled, PartlySettled],
            // A care fund takes a refused file again under its number.
            RefusedTechnical => &[Sealing],
            RefusedContent | Settled | PartlySettled | Void => &[],
        }
    }

    /// Whether something is still to come from the insurer.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Sealed | Self::Sent | Self::Acknowledged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_paid_or_given_up_is_never_sent_again() {
        let mut reached = vec![LineState::Paid, LineState::Uncollectable, LineState::Corrected];
        let mut n = 0;
        while let Some(state) = reached.get(n).copied() {
            assert!(!state.is_under_way() && !state.is_open(), "{state:?}");
            reached.extend(state.next().iter().filter(|next| !reached.contains(next)).copied().collect::<Vec<_>>());
            n += 1;
        }
    }

    #[test]
    fn a_settled_or_void_sending_has_no_further_life() {
        for state in [SendingState::Settled, SendingState::PartlySettled, SendingState::Void] {
            assert!(state.next().is_empty(), "{state:?}");
        }
    }

    #[test]
    fn every_state_is_found_by_its_code() {
        assert!(LineState::ALL.iter().all(|state| LineState::from_code(state.code()) == Some(*state)));
        assert!(SendingState::ALL.iter().all(|state| SendingState::from_code(state.code()) == Some(*state)));
        assert_eq!((LineState::from_code(""), SendingState::from_code("paid")), (None, None));
    }
}
