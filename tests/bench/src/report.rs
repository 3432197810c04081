//! The table: each operation beside its floor of the same run.

use std::fmt::Write as _;

/// What a ratio must come to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// Shown, held to nothing.
    None,
}

/// One operation over all rounds.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) operation: String,
    unit: &'static str,
    goal: Goal,
    /// Figure and floor of each round.
    rounds: Vec<(f64, Option<f64>)>,
    note: String,
}

/// All cells, in the order in which they were first measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    cells: Vec<Cell>,
}

impl Report {
    /// Adds one round's figure and floor.
    pub(crate) fn add(
        &mut self,
        operation: &str,
        (unit, goal): (&'static str, Goal),
        (figure, floor): (f64, Option<f64>),
        note: &str,
    ) {
        eprintln!(
            "  {operation}: {figure:.1} {unit}{}  {note}",
            floor.map_or_else(String::new, |floor| format!(", floor {floor:.1}"))
        );
        let known = self.cells.iter().position(|cell| cell.operation == operation);
        let n = known.unwrap_or_else(|| {
            self.cells.push(Cell { operation: operation.to_owned(), unit, goal, rounds: vec![], note: String::new() });
            self.cells.len() - 1
        });
        self.cells[n].rounds.push((figure, floor));
        note.clone_into(&mut self.cells[n].note);
    }

    /// The whole table as Markdown: medians, and the spread of the ratio over the rounds.
    pub(crate) fn table(&self) -> String {
        let mut text = "| operation | figure | floor | ratio | goal | met |\n|---|---|---|---|---|---|\n".to_owned();
        for cell in &self.cells {
            let figure = median(cell.rounds.iter().map(|(figure, _)| *figure));
            let floors: Vec<f64> = cell.rounds.iter().filter_map(|(_, floor)| *floor).collect();
            let ratios: Vec<f64> =
                cell.rounds.iter().filter_map(|(figure, floor)| floor.map(|floor| figure / floor)).collect();
            let judged = if ratios.is_empty() { figure } else { median(ratios.iter().copied()) };
            let spread = || {
                let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
                format!("{judged:.2} ({least:.2}-{:.2})", ratios.iter().copied().fold(0.0, f64::max))
            };
            let (goal, met) = match cell.goal {
                Goal::AtLeast(goal) => (format!("≥ {goal}"), if judged >= goal { "yes" } else { "**no**" }),
                Goal::AtMost(goal) => (format!("≤ {goal}"), if judged <= goal { "yes" } else { "**no**" }),
                Goal::None => (String::new(), ""),
            };
            let _ = writeln!(
                text,
                "| {} | {} {} | {} | {} | {goal} | {met} |",
                cell.operation,
                number(figure),
                cell.unit,
                if floors.is_empty() { String::new() } else { number(median(floors.iter().copied())) },
                if ratios.is_empty() { String::new() } else { spread() },
            );
        }
        text
    }
}

fn number(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => values[odd / 2],
        even => f64::midpoint(values[even / 2 - 1], values[even / 2]),
    }
}
