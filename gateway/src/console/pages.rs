//! The pages as their templates (`gateway/templates/billing/`) take them. Text is escaped there, by the ending of the file's name.

use askama::Template;

use super::view::{
    Apart, Decided, DestinationSum, ImportRow, Leaving, Line, Message, MonthState, Progress, Sending, Settled, Shell,
    StateSum, WorkItem, Wrong,
};
use super::words::Whole;

/// What a clerk sees first.
#[derive(Template)]
#[template(path = "billing/work.html")]
pub(super) struct WorkPage {
    pub(super) shell: Shell,
    /// What waits for the clerk, the most urgent first; without what there is none of.
    pub(super) items: Vec<WorkItem>,
    pub(super) states: Vec<StateSum>,
}

/// A choice of a list: its value, its text, and whether it is the one.
pub(super) type Choice = (String, String, bool);

/// Lines, by state, month and payer.
#[derive(Template)]
#[template(path = "billing/lines.html")]
pub(super) struct LinesPage {
    pub(super) shell: Shell,
    pub(super) states: Vec<Choice>,
    /// The month that is asked for, `2026-03`; may be empty.
    pub(super) month: String,
    pub(super) lines: Vec<Line>,
    /// Of all that are asked for.
    pub(super) count: i64,
    pub(super) cents: i64,
    /// Where the next page is; empty on the last.
    pub(super) next: String,
    /// What was asked for, to be exported.
    pub(super) query: String,
}

/// A field of the form of correction: its name, its value, the longest that it may be, and its pattern.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) characters_max: usize,
    pub(super) pattern: &'static str,
    /// Whether something that is wrong with the line is about it.
    pub(super) is_wrong: bool,
}

/// One line, and what can be done about it.
#[derive(Template)]
#[template(path = "billing/line.html")]
pub(super) struct LinePage {
    pub(super) shell: Shell,
    pub(super) line: Line,
    pub(super) fields: Vec<Field>,
    /// What is wrong with the form that was sent, in words; empty where nothing is.
    pub(super) objections: Vec<String>,
    /// Until when its sending would have to wait; empty where it can leave now.
    pub(super) waits_until: String,
    /// The state of the line that the forms were made from, so that two clerks do not overwrite each other.
    pub(super) seen: i64,
}

/// Preparing a month.
#[derive(Template)]
#[template(path = "billing/month.html")]
pub(super) struct MonthPage {
    pub(super) shell: Shell,
    /// `2026-03`.
    pub(super) month: String,
    pub(super) month_words: String,
    pub(super) channels: Vec<Choice>,
    pub(super) channel: String,
    pub(super) progress: Progress,
    /// Whether the check runs, so that the page asks how far it is.
    pub(super) is_checking: bool,
    /// What is wrong, by code: how many lines have it.
    pub(super) findings: Vec<(Wrong, i64)>,
    /// The lines that have something wrong.
    pub(super) faulty: Vec<Line>,
    pub(super) leaving: Vec<Leaving>,
    /// How many lines of the month are ready for the portal.
    pub(super) for_portal: i64,
    /// How many lines of the month were handed over for the portal.
    pub(super) exported: i64,
}

/// The part of that page which asks again how far the check is.
#[derive(Template)]
#[template(path = "billing/progress.html")]
pub(super) struct ProgressPart {
    pub(super) shell: Shell,
    pub(super) month: String,
    pub(super) channel: String,
    pub(super) progress: Progress,
    /// Whether it runs.
    pub(super) is_checking: bool,
}

/// All sendings, the newest first.
#[derive(Template)]
#[template(path = "billing/sendings.html")]
pub(super) struct SendingsPage {
    pub(super) shell: Shell,
    pub(super) sendings: Vec<Sending>,
    /// Answers that name no sending of ours.
    pub(super) unknown: Vec<Message>,
    /// What care funds decided about requests, the newest first.
    pub(super) decisions: Vec<Decided>,
    pub(super) next: String,
}

/// One sending.
#[derive(Template)]
#[template(path = "billing/sending.html")]
pub(super) struct SendingPage {
    pub(super) shell: Shell,
    pub(super) sending: Sending,
    /// What was said of the sending as a whole.
    pub(super) wrong: Vec<Wrong>,
    pub(super) totals: Vec<DestinationSum>,
    pub(super) refused: Vec<Line>,
    pub(super) lines: Vec<Line>,
    pub(super) next: String,
    pub(super) messages: Vec<Message>,
}

/// What was paid, refused and is open, per destination and month.
#[derive(Template)]
#[template(path = "billing/settlement.html")]
pub(super) struct SettlementPage {
    pub(super) shell: Shell,
    pub(super) settled: Vec<Settled>,
    pub(super) apart: Vec<Apart>,
}

impl SettlementPage {
    /// How many rows do not reconcile.
    pub(super) fn unreconciled(&self) -> i64 {
        let wrong = self.settled.iter().filter(|settled| settled.difference_cents() != 0);
        i64::try_from(wrong.count() + self.apart.len()).unwrap_or(i64::MAX)
    }
}

/// Amounts by state and month.
#[derive(Template)]
#[template(path = "billing/figures.html")]
pub(super) struct FiguresPage {
    pub(super) shell: Shell,
    /// Drawn here, of numbers and of texts of the catalogue; empty where there is nothing to draw.
    pub(super) chart: String,
    pub(super) months: Vec<i64>,
    pub(super) states: Vec<String>,
    pub(super) amounts: Vec<MonthState>,
}

impl FiguresPage {
    /// The amount of a month in a state.
    pub(super) fn cents(&self, month: impl Whole, state: &str) -> i64 {
        let month = month.whole();
        let found = self.amounts.iter().filter(|amount| amount.month == month && amount.state == state);
        found.map(|amount| amount.cents).sum()
    }
}

/// Importing from a file.
#[derive(Template)]
#[template(path = "billing/import.html")]
pub(super) struct ImportPage {
    pub(super) shell: Shell,
    /// The very file that was given, in base64, to be taken when it is confirmed; empty before.
    pub(super) content: String,
    pub(super) rows: Vec<ImportRow>,
    /// How many rows there are in all, and how many of them are wrong.
    pub(super) counts: (i64, i64),
    /// What is wrong with the file as a whole; empty where nothing is.
    pub(super) objection: String,
    /// How many lines were made, and how many were there already; none before.
    pub(super) taken: Option<(i64, i64)>,
}

/// Why something was not done, and where to go on.
#[derive(Template)]
#[template(path = "billing/problem.html")]
pub(super) struct ProblemPage {
    pub(super) shell: Shell,
    /// The code of its text: `<code>` is the title, `<code>-why` what it means.
    pub(super) why: &'static str,
    /// What exactly stands in the way, in words; may be empty.
    pub(super) said: String,
    /// Whether a fresh sign-in is the way out.
    pub(super) wants_step_up: bool,
}
