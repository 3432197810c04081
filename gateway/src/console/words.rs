//! The pages in a reader's language: texts of the catalogues in `gateway/catalogues/billing/`, and amounts, days and months as they are
//! written there.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::audit::catalogue::Language;
use crate::clock::format_instant;

type Texts = BTreeMap<String, String>;

static TEXTS: LazyLock<[Texts; 3]> = LazyLock::new(|| {
    [
        include_str!("../../catalogues/billing/nl.toml"),
        include_str!("../../catalogues/billing/fr.toml"),
        include_str!("../../catalogues/billing/en.toml"),
    ]
    .map(|text| toml::from_str(text).unwrap_or_default())
});

/// What parts the thousands in French and Dutch must not end a line.
const NARROW_SPACE: char = '\u{202f}';
const SPACE: char = '\u{a0}';

/// A reader's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Words(pub(super) Language);

impl Words {
    fn texts(self) -> &'static Texts {
        match self.0 {
            Language::Dutch => &TEXTS[0],
            Language::French => &TEXTS[1],
            Language::English => &TEXTS[2],
        }
    }

    /// The code of the language.
    pub(super) fn language(self) -> &'static str {
        self.0.code()
    }

    /// The same language for the words of the billing file.
    pub(super) fn of_file(self) -> mappings::billing::Language {
        match self.0 {
            Language::Dutch => mappings::billing::Language::Nl,
            Language::French => mappings::billing::Language::Fr,
            Language::English => mappings::billing::Language::En,
        }
    }

    /// A text; the code itself where there is none.
    pub(super) fn t(self, code: &str) -> &str {
        self.texts().get(code).map_or(code, |text| text.as_str())
    }

    /// A text whose `{}` is this.
    pub(super) fn with(self, code: &str, what: impl std::fmt::Display) -> String {
        self.t(code).replace("{}", &what.to_string())
    }

    /// A text of a group, `<group>-<code>`: a state, a channel. The code itself where there is none.
    pub(super) fn of(self, group: &str, code: impl AsRef<str>) -> String {
        let code = code.as_ref();
        self.texts().get(&format!("{group}-{code}")).cloned().unwrap_or_else(|| code.to_owned())
    }

    /// An amount of cents as money.
    pub(super) fn money(self, cents: impl Whole) -> String {
        let cents = cents.whole();
        let sign = if cents < 0 { "-" } else { "" };
        let (whole, part) = (cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
        match self.0 {
            Language::Dutch => format!("{sign}{},{part:02}{SPACE}€", grouped(whole, '.')),
            Language::French => format!("{sign}{},{part:02}{SPACE}€", grouped(whole, NARROW_SPACE)),
            Language::English => format!("{sign}€{}.{part:02}", grouped(whole, ',')),
        }
    }

    /// A count.
    pub(super) fn count(self, count: impl Whole) -> String {
        let count = count.whole();
        let mark = match self.0 {
            Language::Dutch => '.',
            Language::French => NARROW_SPACE,
            Language::English => ',',
        };
        let sign = if count < 0 { "-" } else { "" };
        format!("{sign}{}", grouped(count.unsigned_abs(), mark))
    }

    /// A day, given as `2026-03-01`; what is none is shown as it is.
    pub(super) fn day(self, day: impl AsRef<str>) -> String {
        let day = day.as_ref();
        match (day.split('-').collect::<Vec<_>>().as_slice(), self.0) {
            ([year, month, day], Language::Dutch | Language::French) => format!("{day}/{month}/{year}"),
            ([year, month, day], Language::English) => {
                format!("{} {} {year}", day.trim_start_matches('0'), self.of("month", month))
            }
            _ => day.to_owned(),
        }
    }

    /// A moment, given as UTC milliseconds: its day and minute, in UTC.
    pub(super) fn moment(self, moment_ms: impl Whole) -> String {
        let text = format_instant(moment_ms.whole());
        let minute = text.get(11..16).unwrap_or_default();
        format!("{} {minute} UTC", self.day(text.get(..10).unwrap_or_default()))
    }

    /// A month, given as 202603.
    pub(super) fn month(self, month: impl Whole) -> String {
        let month = month.whole();
        let name = format!("{:02}", month % 100);
        format!("{} {}", self.of("month", &name), month / 100)
    }
}

/// A whole number as templates hand it on: itself, or behind as many references as it went through loops.
pub(super) trait Whole {
    /// The number.
    fn whole(&self) -> i64;
}

impl Whole for i64 {
    fn whole(&self) -> i64 {
        *self
    }
}

impl<W: Whole + ?Sized> Whole for &W {
    fn whole(&self) -> i64 {
        (**self).whole()
    }
}

fn grouped(number: u64, mark: char) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(mark);
        }
        text.push(digit);
    }
    text
}

/// A national number as it is shown: which of two people of one name it is can be told, who it is cannot.
pub(super) fn masked(number: &str) -> String {
    let shown = number.len().checked_sub(2).and_then(|start| number.get(start..)).unwrap_or_default();
    format!("•••••••••{shown}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_language_says_the_same_things() {
        let keys = |texts: &'static Texts| texts.keys().map(String::as_str).collect::<BTreeSet<_>>();
        assert!(TEXTS[0].len() > 100, "the catalogues are read");
        for texts in &TEXTS[1..] {
            let missing: Vec<_> = keys(&TEXTS[0]).symmetric_difference(&keys(texts)).copied().collect();
            assert_eq!(missing, [""; 0]);
        }
        for (code, text) in TEXTS.iter().flatten() {
            assert!(!text.trim().is_empty() && text.trim() == text, "{code}");
            assert_eq!(text.matches("{}").count(), TEXTS[0][code].matches("{}").count(), "{code}");
        }
    }

    /// Templates name their texts by literals, so that one that is missing is found here and not by a reader.
    #[test]
    fn every_text_that_a_template_names_is_there_and_every_text_is_named() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut named = BTreeSet::new();
        let mut all = String::new();
        for place in ["templates/billing", "src/console"] {
            for entry in std::fs::read_dir(folder.join(place)).expect("the folder is there") {
                let path = entry.expect("it is read").path();
                let text = std::fs::read_to_string(&path).expect("it is text");
                let text = text.split("mod tests {").next().unwrap_or_default();
                for opening in [".t(\"", ".with(\""] {
                    let literals = text.split(opening).skip(1).filter_map(|rest| rest.split('"').next());
                    named.extend(literals.map(str::to_owned));
                }
                all.push_str(text);
            }
        }
        for code in &named {
            assert!(TEXTS[0].contains_key(code), "{code} has no text");
        }
        let groups: BTreeSet<String> = all
            .split(".of(\"")
            .skip(1)
            .chain(all.split("state(shell, \"").skip(1))
            .filter_map(|rest| rest.split('"').next())
            .map(|group| format!("{group}-"))
            .collect();
        for code in TEXTS[0].keys() {
            let is_named = all.contains(&format!("\"{code}\"")) || groups.iter().any(|group| code.starts_with(group));
            assert!(is_named, "nothing shows {code}");
        }
    }

    #[test]
    fn money_counts_days_and_months_are_written_as_the_reader_writes_them() {
        let [nl, fr, en] = Language::ALL.map(Words);
        assert_eq!(nl.money(123_456_789), "1.234.567,89\u{a0}€");
        assert_eq!(fr.money(-5), "-0,05\u{a0}€");
        assert_eq!(en.money(100_000), "€1,000.00");
        assert_eq!(nl.money(i64::MIN), "-92.233.720.368.547.758,08\u{a0}€");
        assert_eq!((nl.count(1_234), en.count(999)), ("1.234".to_owned(), "999".to_owned()));
        assert_eq!((nl.day("2026-03-01"), nl.day("")), ("01/03/2026".to_owned(), String::new()));
        assert_eq!(en.moment(1_775_000_000_000), "31 March 2026 23:33 UTC");
        assert_eq!((nl.month(202_603), fr.month(202_512)), ("maart 2026".to_owned(), "décembre 2025".to_owned()));
    }

    #[test]
    fn of_a_national_number_two_digits_are_shown() {
        assert_eq!(masked("90010199992"), "•••••••••92");
        for odd in ["", "9", "é"] {
            assert!(masked(odd).chars().count() <= 11, "{odd}");
        }
    }
}
