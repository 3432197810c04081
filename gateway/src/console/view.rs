//! What the pages show: plain values as the templates need them. What is a code here has its words in the catalogues.
//!
//! No value of these holds a national number but masked, nor anything clinical but codes of services.

use super::words::Words;

/// What every page has around it.
#[derive(Clone, Debug)]
pub(super) struct Shell {
    /// The reader's language.
    pub(super) words: Words,
    /// Who is signed in.
    pub(super) person: String,
    /// For whom they work.
    pub(super) organization: String,
    /// What a form of this session carries.
    pub(super) form_token: String,
    /// Whether they signed in afresh a short while ago: what sends, takes back or hands out something needs it.
    pub(super) is_fresh: bool,
    /// The page, as a path of the gateway's.
    pub(super) path: String,
    /// What was just done, by the code of its text.
    pub(super) done: Option<&'static str>,
}

impl Shell {
    /// Where somebody signs in afresh and comes back to this page.
    pub(super) fn step_up(&self) -> String {
        let to: String = form_urlencoded::byte_serialize(self.path.as_bytes()).collect();
        format!("/step-up?return_to={to}")
    }

    /// The parts of the pages: the path of each, and what it is called.
    pub(super) fn parts(&self) -> [(&'static str, &'static str); 7] {
        let words = self.words;
        [
            ("/billing", words.t("nav-work")),
            ("/billing/month", words.t("nav-month")),
            ("/billing/lines", words.t("nav-lines")),
            ("/billing/sendings", words.t("nav-sendings")),
            ("/billing/settlement", words.t("nav-settlement")),
            ("/billing/figures", words.t("nav-figures")),
            ("/billing/import", words.t("nav-import")),
        ]
    }

    /// Whether a part of the pages is the one that is shown.
    pub(super) fn is_at(&self, path: &str) -> bool {
        let own = self.path.split('?').next().unwrap_or_default();
        own == path || (path != "/billing" && own.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
    }
}

/// A row of the work list.
#[derive(Clone, Debug)]
pub(super) struct WorkItem {
    /// What it is, by the code of its text `work-<code>`.
    pub(super) code: &'static str,
    /// How many.
    pub(super) count: i64,
    /// For how much.
    pub(super) cents: i64,
    /// The one click that leads to them.
    pub(super) to: String,
}

/// How much there is in a state.
#[derive(Clone, Debug)]
pub(super) struct StateSum {
    /// The state.
    pub(super) state: String,
    /// How many lines.
    pub(super) count: i64,
    /// For how much.
    pub(super) cents: i64,
}

/// One thing that is wrong with a line, in words.
#[derive(Clone, Debug)]
pub(super) struct Wrong {
    /// The official code, or ours.
    pub(super) code: String,
    /// The letter of what it does; empty where it is not known.
    pub(super) letter: String,
    /// What it does, in words.
    pub(super) does: String,
    /// The zone, in words; empty where it has none.
    pub(super) zone: String,
    /// What is wrong, in words; empty where the code is not known.
    pub(super) text: String,
    /// What to do, in words.
    pub(super) todo: String,
    /// Which field of the form of correction it is about; empty for none of them.
    pub(super) field: &'static str,
    /// The other line that it is about; empty where there is none.
    pub(super) other: String,
}

/// A line.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// Its id, which is its reference in the file too.
    pub(super) id: String,
    /// Whom it is about: the name as the centre has it.
    pub(super) person: String,
    /// The national number, masked.
    pub(super) number: String,
    /// The destination: its number, and its name where that is known.
    pub(super) payer: String,
    /// The month.
    pub(super) month: i64,
    /// First day.
    pub(super) first_day: String,
    /// Last day.
    pub(super) last_day: String,
    /// The code of the service.
    pub(super) code: i64,
    /// How many.
    pub(super) units: i64,
    /// What is asked of the insurer.
    pub(super) amount_cents: i64,
    /// The patient's share.
    pub(super) share_cents: i64,
    /// What was paid.
    pub(super) paid_cents: i64,
    /// The provider's number.
    pub(super) provider: String,
    /// The channel.
    pub(super) channel: String,
    /// The state.
    pub(super) state: String,
    /// What is wrong with it.
    pub(super) wrong: Vec<Wrong>,
    /// The sending that it is in; empty where in none.
    pub(super) sending: String,
    /// The line whose place it takes, or that it takes back; empty where it is an original.
    pub(super) corrects: String,
    /// Where it came from.
    pub(super) source: String,
    /// Who decided that it is not asked for any more, and why; empty where nobody did.
    pub(super) decided: Option<(String, String)>,
}

impl Line {
    /// Whether nothing comes of it before a clerk has done something about it.
    pub(super) fn needs_mending(&self) -> bool {
        matches!(self.state.as_str(), "faulty" | "refused")
    }

    /// Whether a clerk can make it right: as it is, or by one in its place.
    pub(super) fn is_correctable(&self) -> bool {
        matches!(self.state.as_str(), "faulty" | "refused" | "draft" | "ready")
    }

    /// Whether something is wrong with it.
    pub(super) fn has_wrong(&self) -> bool {
        !self.wrong.is_empty()
    }

    /// Whether it can be given up as uncollectable.
    pub(super) fn is_refused(&self) -> bool {
        self.state == "refused"
    }

    /// Whether it was paid, and can be taken back by a credit note.
    pub(super) fn is_paid(&self) -> bool {
        self.state == "paid"
    }

    /// Whether it never left and can be taken out.
    pub(super) fn is_removable(&self) -> bool {
        matches!(self.state.as_str(), "draft" | "faulty" | "ready")
    }
}

/// A sending.
#[derive(Clone, Debug, Default)]
pub(super) struct Sending {
    /// Its id.
    pub(super) id: String,
    /// Its number within the year.
    pub(super) number: i64,
    /// The year.
    pub(super) year: i64,
    /// The reference by which answers name it.
    pub(super) reference: String,
    /// The third party.
    pub(super) third_party: String,
    /// The federation, or the care fund: its number, and its name where that is known.
    pub(super) federation: String,
    /// The channel.
    pub(super) channel: String,
    /// The month.
    pub(super) month: i64,
    /// The state.
    pub(super) state: String,
    /// The day on which it was made.
    pub(super) created_on: String,
    /// How many lines.
    pub(super) lines: i64,
    /// How many invoices.
    pub(super) invoices: i64,
    /// Asked.
    pub(super) requested_cents: i64,
    /// Accepted.
    pub(super) accepted_cents: i64,
    /// Refused.
    pub(super) refused_cents: i64,
    /// Whether there is a file to hand out.
    pub(super) has_file: bool,
}

/// What a sending has for one destination.
#[derive(Clone, Debug)]
pub(super) struct DestinationSum {
    /// The destination: its number, and its name where that is known.
    pub(super) payer: String,
    /// Asked.
    pub(super) requested_cents: i64,
    /// Accepted.
    pub(super) accepted_cents: i64,
    /// Refused.
    pub(super) refused_cents: i64,
    /// How many records.
    pub(super) records: i64,
    /// How many invoices.
    pub(super) invoices: i64,
    /// What the payment says.
    pub(super) payment: String,
}

/// An answer that came in.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// Its kind: the number of the message; empty where it is not known.
    pub(super) kind: String,
    /// Its state.
    pub(super) state: String,
    /// When it came.
    pub(super) received_ms: i64,
    /// The hash by which it is confirmed.
    pub(super) hash: String,
}

/// What a care fund decided about a request.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    /// The number of the request.
    pub(super) request: String,
    /// From whom.
    pub(super) fund: String,
    /// Where it stands.
    pub(super) state: String,
    /// From which day it is allowed; may be empty.
    pub(super) from: String,
    /// Until which; may be empty.
    pub(super) until: String,
    /// The class of the tariff; may be empty.
    pub(super) tariff_class: String,
    /// When it came.
    pub(super) received_ms: i64,
}

/// What of a month can leave for one federation.
#[derive(Clone, Debug)]
pub(super) struct Leaving {
    /// The third party.
    pub(super) third_party: String,
    /// The federation, or the care fund.
    pub(super) federation: i64,
    /// The same with its name, where that is known.
    pub(super) name: String,
    /// How many lines.
    pub(super) count: i64,
    /// For how much.
    pub(super) cents: i64,
    /// Until which day a rule makes it wait; empty where it can leave now.
    pub(super) waits_until: String,
}

/// How far a check is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// How many lines there are.
    pub(super) total: i64,
    /// How many of them are looked at.
    pub(super) checked: i64,
}

impl Progress {
    /// Whether nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.checked >= self.total
    }
}

/// A settlement: what one destination did with what it was asked for in a month.
#[derive(Clone, Debug)]
pub(super) struct Settled {
    /// The month.
    pub(super) month: i64,
    /// The destination: its number, and its name where that is known.
    pub(super) payer: String,
    /// Asked.
    pub(super) requested_cents: i64,
    /// Paid.
    pub(super) paid_cents: i64,
    /// Refused.
    pub(super) refused_cents: i64,
    /// Not decided on yet.
    pub(super) open_cents: i64,
}

/// A settled sending of which the insurer says something else than its lines do.
#[derive(Clone, Debug)]
pub(super) struct Apart {
    /// The sending.
    pub(super) sending: String,
    /// Its year and number.
    pub(super) number: String,
    /// The destination.
    pub(super) payer: String,
    /// What the insurer says that it pays.
    pub(super) told_cents: i64,
    /// What its lines were paid.
    pub(super) paid_cents: i64,
}

impl Settled {
    /// What does not reconcile: nothing where each cent that was asked for is paid, refused or open.
    pub(super) fn difference_cents(&self) -> i64 {
        self.requested_cents - self.paid_cents - self.refused_cents - self.open_cents
    }
}

/// How much of a month is in a state.
#[derive(Clone, Debug)]
pub(super) struct MonthState {
    /// The month.
    pub(super) month: i64,
    /// The state.
    pub(super) state: String,
    /// For how much.
    pub(super) cents: i64,
}

/// A row of a file that is about to be imported.
#[derive(Clone, Debug)]
pub(super) struct ImportRow {
    /// Where it stands in the file, from 1.
    pub(super) row: i64,
    /// The name.
    pub(super) person: String,
    /// The national number, masked.
    pub(super) number: String,
    /// The day.
    pub(super) day: String,
    /// The code.
    pub(super) code: String,
    /// For how much; none where it is not known yet.
    pub(super) cents: Option<i64>,
    /// What is wrong with it: the column and the words.
    pub(super) errors: Vec<(String, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::catalogue::Language;

    #[test]
    fn a_part_is_marked_where_its_pages_are_shown_and_nowhere_else() {
        let at = |path: &str| Shell { path: path.to_owned(), ..shell() };
        assert!(at("/billing").is_at("/billing") && !at("/billing/lines").is_at("/billing"));
        assert!(at("/billing/lines?state=ready").is_at("/billing/lines"));
        assert!(at("/billing/lines/0ABC").is_at("/billing/lines"));
        assert!(!at("/billing/linesman").is_at("/billing/lines"));
    }

    pub(super) fn shell() -> Shell {
        Shell {
            words: Words(Language::Dutch),
            person: String::new(),
            organization: String::new(),
            form_token: String::new(),
            is_fresh: false,
            path: String::new(),
            done: None,
        }
    }

    #[test]
    fn a_cent_that_is_neither_paid_nor_refused_nor_open_is_a_difference() {
        let mut settled = Settled {
            month: 202_603,
            payer: "131".to_owned(),
            requested_cents: 10,
            paid_cents: 5,
            refused_cents: 3,
            open_cents: 2,
        };
        assert_eq!(settled.difference_cents(), 0);
        settled.paid_cents = 4;
        assert_eq!(settled.difference_cents(), 1);
    }
}
