//! The forms of values that offices write: days, amounts, numbers.

use crate::billing::{Cents, Date};

/// Reads a day: `2026-03-01`, or as in Belgium day first, `1/3/2026`, `01-03-2026`, `01.03.2026`. The year has four digits.
pub fn date(text: &str) -> Option<Date> {
    if let Some(date) = Date::parse(text) {
        return Some(date);
    }
    let separator = ['/', '-', '.'].into_iter().find(|separator| text.contains(*separator))?;
    let parts: Vec<&str> = text.split(separator).collect();
    let [day, month, year] = parts.as_slice() else { return None };
    let is_form = matches!(day.len(), 1 | 2) && matches!(month.len(), 1 | 2) && year.len() == 4;
    let number = |text: &str| digits(text).and_then(|number| u16::try_from(number).ok());
    let (day, month, year) = (number(day)?, number(month)?, number(year)?);
    if is_form { Date::new(year, u8::try_from(month).ok()?, u8::try_from(day).ok()?) } else { None }
}

/// Reads an amount in euro: a comma or a point before the cents, and groups of three before that if they are told apart by the other
/// one or by blanks. `1.234` is refused: it may be a thousand, or a slip.
pub fn amount(text: &str) -> Option<Cents> {
    let text: String = text.chars().filter(|letter| *letter != '€').collect();
    let text = text.trim();
    let (whole, fraction) = match text.rfind([',', '.']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let is_whole_alone = whole.len() == text.len();
    if !(is_whole_alone || matches!(fraction.len(), 1 | 2)) {
        return None;
    }
    let mark = text[whole.len()..].chars().next();
    let cents = if fraction.is_empty() { 0 } else { digits(&format!("{fraction:0<2}"))? };
    let euro = grouped(whole, mark)?;
    let total = euro.checked_mul(100)?.checked_add(cents)?;
    // The zones have eleven digits.
    i64::try_from(total).ok().filter(|total| *total < 100_000_000_000).map(Cents)
}

/// Whole euro, with or without groups of three that another mark than that before the cents tells apart.
fn grouped(text: &str, mark: Option<char>) -> Option<u64> {
    let separators: Vec<char> = text.chars().filter(|letter| !letter.is_ascii_digit()).collect();
    let Some(separator) = separators.first().copied() else { return digits(text) };
    let is_group_mark = matches!(separator, ',' | '.' | ' ' | '\u{a0}' | '\u{202f}' | '\'');
    let is_told_apart = mark.is_some_and(|mark| mark != separator) || !matches!(separator, ',' | '.');
    let parts: Vec<&str> = text.split(separator).collect();
    let is_grouped = matches!(parts[0].len(), 1..=3) && parts[1..].iter().all(|part| part.len() == 3);
    if is_group_mark && is_told_apart && is_grouped { digits(&parts.concat()) } else { None }
}

/// Reads digits alone, at most eighteen.
pub fn digits(text: &str) -> Option<u64> {
    let is_number = (1..=18).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// The digits of a number that is written with points, dashes, strokes or blanks between them.
pub(super) fn bare(text: &str) -> String {
    text.chars().filter(|letter| !matches!(letter, '.' | '-' | '/' | ' ')).collect()
}
