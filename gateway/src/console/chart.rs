//! The chart of amounts by state and month, drawn by `plotters` as SVG without a script or a style attribute. Beside it stands the same as
//! a table: whoever cannot see the chart misses nothing.

use std::error::Error;

use plotters::prelude::*;

use super::view::MonthState;
use super::words::Words;

const SIZE: (u32, u32) = (960, 360);
/// Months that there is room for at least, so that a single one is no wall.
const MONTHS_MIN: usize = 6;
/// States in the order in which a line passes them, each in a colour that differs from its neighbours by its lightness as well. The style has
/// the same colours for the legend.
const COLOURS: [(&str, RGBColor); 9] = [
    ("draft", RGBColor(0xc9, 0xce, 0xd6)),
    ("faulty", RGBColor(0x9c, 0x2b, 0x1a)),
    ("ready", RGBColor(0x7f, 0xb2, 0xe5)),
    ("sealed", RGBColor(0x2f, 0x6f, 0xb0)),
    ("sent", RGBColor(0xa9, 0xc9, 0xe8)),
    ("accepted", RGBColor(0x1d, 0x44, 0x6f)),
    ("paid", RGBColor(0x8f, 0xc7, 0x9a)),
    ("refused", RGBColor(0xd9, 0x6b, 0x2b)),
    ("uncollectable", RGBColor(0x55, 0x4a, 0x5e)),
];

/// The states that are drawn, in the order of the stack.
pub(super) fn states() -> impl Iterator<Item = &'static str> {
    COLOURS.iter().map(|(state, _)| *state)
}

/// The chart as SVG, to stand within a page; empty where there is nothing to draw or it cannot be drawn: the table says the same.
pub(super) fn chart(words: Words, months: &[i64], amounts: &[MonthState]) -> String {
    let highest = months.iter().map(|month| sum(amounts, *month, None)).max().unwrap_or_default();
    if highest <= 0 {
        return String::new();
    }
    let mut drawn = months.to_vec();
    while drawn.len() < MONTHS_MIN {
        let Some(first) = drawn.first().copied() else { break };
        drawn.insert(0, if first % 100 == 1 { first - 100 + 11 } else { first - 1 });
    }
    draw(words, &drawn, amounts, highest).unwrap_or_default()
}

fn sum(amounts: &[MonthState], month: i64, state: Option<&str>) -> i64 {
    let of_state = |amount: &&MonthState| state.is_none_or(|state| amount.state == state);
    let is_drawn = |amount: &&MonthState| states().any(|state| amount.state == state) && amount.cents > 0;
    let of_month = amounts.iter().filter(|amount| amount.month == month);
    of_month.filter(of_state).filter(is_drawn).map(|amount| amount.cents).sum()
}

fn draw(words: Words, months: &[i64], amounts: &[MonthState], highest: i64) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(32)
            .y_label_area_size(110)
            .build_cartesian_2d((0..months.len().saturating_sub(1)).into_segmented(), 0..highest + highest / 20 + 1)?;
        let month = |value: &SegmentValue<usize>| match value {
            SegmentValue::CenterOf(place) | SegmentValue::Exact(place) => {
                months.get(*place).map(|month| words.month(month)).unwrap_or_default()
            }
            SegmentValue::Last => String::new(),
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(WHITE)
            .x_labels(months.len())
            .x_label_formatter(&month)
            .y_label_formatter(&|cents| words.money(cents))
            .label_style(("sans-serif", 13))
            .draw()?;
        for (place, (state, colour)) in COLOURS.iter().enumerate() {
            let bars = months.iter().enumerate().filter_map(|(at, month)| {
                let below: i64 = COLOURS[..place].iter().map(|(lower, _)| sum(amounts, *month, Some(lower))).sum();
                let own = sum(amounts, *month, Some(state));
                let right = if at + 1 == months.len() { SegmentValue::Last } else { SegmentValue::Exact(at + 1) };
                let corners = [(SegmentValue::Exact(at), below), (right, below + own)];
                let mut bar = Rectangle::new(corners, colour.filled());
                bar.set_margin(0, 0, 8, 8);
                (own > 0).then_some(bar)
            });
            chart.draw_series(bars)?;
        }
        area.present()?;
    }
    Ok(svg)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::catalogue::Language;

    fn amount(month: i64, state: &str, cents: i64) -> MonthState {
        MonthState { month, state: state.to_owned(), cents }
    }

    #[test]
    fn a_chart_has_a_bar_for_each_state_of_each_month_and_nothing_that_a_policy_forbids() {
        let amounts = [amount(202_602, "paid", 9_000), amount(202_603, "refused", 1_000), amount(202_603, "paid", 500)];
        let svg = chart(Words(Language::Dutch), &[202_602, 202_603], &amounts);
        for colour in ["#8FC79A", "#D96B2B"] {
            assert!(svg.contains(colour), "{colour}: {svg}");
        }
        assert!(svg.contains("maart 2026") && svg.contains("december 2025"), "{svg}");
        let one = chart(Words(Language::Dutch), &[202_602], &amounts);
        assert!(one.contains("#8FC79A") && !one.contains("\"-"), "a single month has its width: {one}");
        let style = include_str!("../../assets/billing.css");
        for (state, RGBColor(red, green, blue)) in COLOURS {
            let rule = format!(".swatch-{state}::before {{ background: #{red:02x}{green:02x}{blue:02x} }}");
            assert!(style.contains(&rule), "the legend has another colour: {rule}");
        }
        for forbidden in [" style=", "<style", "<script", "href", "onload"] {
            assert!(!svg.contains(forbidden), "{forbidden}: {svg}");
        }
    }

    #[test]
    fn where_there_is_nothing_to_draw_nothing_is_drawn() {
        let words = Words(Language::French);
        assert_eq!(chart(words, &[], &[]), "");
        assert_eq!(chart(words, &[202_603], &[amount(202_603, "paid", 0), amount(202_603, "void", 7)]), "");
        assert_eq!(chart(words, &[202_603], &[amount(202_603, "credited", -500)]), "");
    }
}
