//! The workflow of a referral: Task kind × state × actor × event → next state, custody, sight, deliveries.
//!
//! After the Belgian pattern: one referral Task a ServiceRequest, and an organisation Task `partOf` it for each
//! organisation or pool that it is offered to. Status codes: <http://hl7.org/fhir/R4/valueset-task-status.html>.

use std::fmt::Write as _;

macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }

        impl $name {
            /// Every value, in the order of the workflow.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The code under which it is stored and shown.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// Reads a code.
            pub fn from_code(code: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.code() == code)
            }
        }
    };
}

coded!(
    /// Which Task of the pattern.
    Kind {
        /// The one Task of an order; the gateway moves it along with the organisation Tasks.
        Referral = "referral",
        /// The Task of one organisation or pool that the order is offered to.
        Organization = "organization",
    }
);
coded!(
    /// `Task.status`.
    State {
        /// It waits in its room.
        Requested = "requested",
        /// It was picked up.
        Accepted = "accepted",
        /// The owner works on it.
        InProgress = "in-progress",
        /// It was forwarded, and the next organisation has not answered yet.
        OnHold = "on-hold",
        /// The care of this organisation has ended, or another organisation took over.
        Completed = "completed",
        /// The organisation does not take it.
        Rejected = "rejected",
        /// The sender took it back, its time is over, or the patient withdrew.
        Cancelled = "cancelled",
        /// The care could not be given.
        Failed = "failed",
    }
);
coded!(
    /// Who acts.
    Actor {
        /// The organisation that placed or forwarded it.
        Sender = "sender",
        /// An organisation in whose waiting room it is, or a member of the pool.
        Room = "room",
        /// The organisation that picked it up.
        Owner = "owner",
        /// The gateway: time, withdrawal, and what follows from another Task.
        Gateway = "gateway",
    }
);
coded!(
    /// What happens.
    Event {
        /// An order finds its target.
        Place = "place",
        /// One of the room takes it.
        PickUp = "pick-up",
        /// The organisation refuses it.
        Reject = "reject",
        /// The sender takes it back.
        Cancel = "cancel",
        /// The owner begins.
        Start = "start",
        /// The owner offers it to the next organisation.
        Forward = "forward",
        /// The next organisation picked it up.
        ForwardTaken = "forward-taken",
        /// The next organisation refused, or the time was over.
        ForwardReturned = "forward-returned",
        /// The owner ends its care.
        Complete = "complete",
        /// The owner could not give the care.
        Fail = "fail",
        /// The waiting took too long.
        Expire = "expire",
        /// No Consent permits anyone of the room any more.
        Withdraw = "withdraw",
    }
);
coded!(
    /// What becomes of custody.
    Custody {
        /// Nothing changes.
        Stays = "stays",
        /// The sender holds the record without sight.
        InTransit = "in transit",
        /// The record moves to whoever picked it up; the sender is released.
        Moves = "moves",
        /// The record is back with the sender, with sight.
        Returns = "returns",
        /// The holder is released: it keeps the record by law, without sight.
        Closes = "closes",
    }
);
coded!(
    /// What becomes of the sight of the Task itself.
    Sight {
        /// Nothing changes.
        Stays = "stays",
        /// The room sees the minimum (where consent permits), the sender the status.
        Opens = "room: minimum; sender: status",
        /// The room sees nothing any more, the sender the status.
        Narrows = "sender: status",
    }
);
coded!(
    /// Which notice leaves.
    Notice {
        /// To the room: something waits.
        Waiting = "waiting-room",
        /// To the sender: the status changed.
        Status = "status",
        /// To the referrer: the feedback, where consent permits.
        Feedback = "feedback",
        /// To whoever picked up, where it has a system of its own: everything of the record that it may see.
        Dossier = "dossier",
    }
);

/// One row of the workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Which Task.
    pub kind: Kind,
    /// The state before; none where the Task begins.
    pub from: Option<State>,
    /// Who acts.
    pub actor: Actor,
    /// What happens.
    pub event: Event,
    /// The state after.
    pub to: State,
    /// What becomes of custody.
    pub custody: Custody,
    /// What becomes of sight.
    pub sight: Sight,
    /// What leaves.
    pub notices: &'static [Notice],
}

macro_rules! row {
    ($kind:ident $from:tt $actor:ident $event:ident => $to:ident, $custody:ident, $sight:ident, [$($notice:ident),*]) => {
        Transition {
            kind: Kind::$kind,
            from: row!(@from $from),
            actor: Actor::$actor,
            event: Event::$event,
            to: State::$to,
            custody: Custody::$custody,
            sight: Sight::$sight,
            notices: &[$(Notice::$notice),*],
        }
    };
    (@from _) => { None };
    (@from $from:ident) => { Some(State::$from) };
}

/// The whole workflow. What is not here does not happen.
pub const TRANSITIONS: &[Transition] = &[
    row!(Organization _ Sender Place => Requested, InTransit, Opens, [Waiting]),
    row!(Organization Requested Room PickUp => Accepted, Moves, Narrows, [Status, Dossier]),
    row!(Organization Requested Room Reject => Rejected, Returns, Narrows, [Status]),
    row!(Organization Requested Sender Cancel => Cancelled, Returns, Narrows, []),
    row!(Organization Requested Gateway Expire => Cancelled, Returns, Narrows, [Status]),
    row!(Organization Requested Gateway Withdraw => Cancelled, Returns, Narrows, [Status]),
    row!(Organization Accepted Owner Start => InProgress, Stays, Stays, [Status]),
    row!(Organization Accepted Owner Forward => OnHold, Stays, Stays, []),
    row!(Organization InProgress Owner Forward => OnHold, Stays, Stays, []),
    row!(Organization OnHold Gateway ForwardTaken => Completed, Stays, Stays, [Status]),
    row!(Organization OnHold Gateway ForwardReturned => InProgress, Stays, Stays, []),
    row!(Organization Accepted Owner Complete => Completed, Closes, Stays, [Status, Feedback]),
    row!(Organization InProgress Owner Complete => Completed, Closes, Stays, [Status, Feedback]),
    row!(Organization Accepted Owner Fail => Failed, Closes, Stays, [Status]),
    row!(Organization InProgress Owner Fail => Failed, Closes, Stays, [Status]),
    row!(Referral _ Gateway Place => Requested, Stays, Narrows, []),
    row!(Referral Requested Gateway PickUp => InProgress, Stays, Stays, []),
    row!(Referral Requested Gateway Reject => Rejected, Stays, Stays, []),
    row!(Referral Requested Gateway Cancel => Cancelled, Stays, Stays, []),
    row!(Referral Requested Gateway Expire => Cancelled, Stays, Stays, []),
    row!(Referral Requested Gateway Withdraw => Cancelled, Stays, Stays, []),
    row!(Referral InProgress Gateway Complete => Completed, Stays, Stays, []),
    row!(Referral InProgress Gateway Fail => Failed, Stays, Stays, []),
];

/// The row for an event; none where it may not happen.
pub fn transition(kind: Kind, from: Option<State>, actor: Actor, event: Event) -> Option<&'static Transition> {
    TRANSITIONS.iter().find(|row| (row.kind, row.from, row.actor, row.event) == (kind, from, actor, event))
}

/// The row by which one of `actors` brings a Task from one state to another by writing its status.
pub fn by_status(kind: Kind, from: State, to: State, actors: &[Actor]) -> Option<&'static Transition> {
    let forwards = |row: &&Transition| row.event != Event::Forward;
    TRANSITIONS
        .iter()
        .filter(forwards)
        .find(|row| row.kind == kind && row.from == Some(from) && row.to == to && actors.contains(&row.actor))
}

/// The states that one of `actors` may bring a Task to, for the text of a refusal. Sorted as in the table, may be empty.
pub fn legal(kind: Kind, from: State, actors: &[Actor]) -> Vec<&'static str> {
    let mut codes = Vec::new();
    for row in TRANSITIONS {
        let open = row.kind == kind && row.from == Some(from) && row.event != Event::Forward;
        if open && actors.contains(&row.actor) && !codes.contains(&row.to.code()) {
            codes.push(row.to.code());
        }
    }
    codes
}

/// The table as the documentation shows it.
pub fn markdown() -> String {
    let mut text = String::from(
        "| Task | state | actor | event | next state | custody | sight of the Task | deliveries |\n|---|---|---|---|---|---|---|---|\n",
    );
    for row in TRANSITIONS {
        let notices: Vec<&str> = row.notices.iter().map(|notice| notice.code()).collect();
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            row.kind.code(),
            row.from.map_or("–", State::code),
            row.actor.code(),
            row.event.code(),
            row.to.code(),
            row.custody.code(),
            row.sight.code(),
            if notices.is_empty() { "–".to_owned() } else { notices.join(", ") },
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_one_outcome() {
        for (n, row) in TRANSITIONS.iter().enumerate() {
            let same = |other: &&Transition| {
                (other.kind, other.from, other.actor, other.event) == (row.kind, row.from, row.actor, row.event)
            };
            assert_eq!(TRANSITIONS.iter().filter(same).count(), 1, "row {n}");
        }
    }

    #[test]
    fn a_status_names_one_event_of_an_actor() {
        for row in TRANSITIONS.iter().filter(|row| row.actor != Actor::Gateway && row.event != Event::Forward) {
            let Some(from) = row.from else { continue };
            assert_eq!(by_status(row.kind, from, row.to, &[row.actor]), Some(row));
        }
    }

    #[test]
    fn nothing_follows_an_end() {
        for state in [State::Completed, State::Rejected, State::Cancelled, State::Failed] {
            assert!(TRANSITIONS.iter().all(|row| row.from != Some(state)), "{state:?}");
        }
    }

    #[test]
    fn only_the_room_picks_up() {
        for kind in Kind::ALL {
            for from in State::ALL {
                for actor in [Actor::Sender, Actor::Owner] {
                    assert_eq!(transition(*kind, Some(*from), actor, Event::PickUp), None);
                }
            }
        }
    }

    #[test]
    fn the_documentation_shows_the_table() {
        let page = include_str!("../../../docs/referral.md");
        assert!(page.contains(&markdown()), "docs/referral.md must contain:\n{}", markdown());
    }
}
