//! What a clerk does about a code: one sentence of the catalogue for each kind of trouble, found by the zone that the code names.

use mappings::billing::{Severity, explain, zone_of};

use super::view::Wrong;
use super::words::Words;

/// A code in words, with what to do. `letter` is the one of the answer, which counts before the catalogue's; it may be empty.
pub(super) fn wrong(words: Words, code: &str, letter: &str) -> Wrong {
    let language = words.of_file();
    let explained = explain(code, language);
    let severity = Severity::of_letter(letter).or(explained.severity);
    Wrong {
        code: code.to_owned(),
        letter: severity.map_or_else(|| letter.to_owned(), |known| known.letter().to_owned()),
        does: severity.map(|known| known.words(language)).unwrap_or_default().to_owned(),
        zone: explained.zone.unwrap_or_default().to_owned(),
        text: explained.text.unwrap_or_default(),
        todo: words.of("todo", todo(code)),
        field: field(code),
        other: String::new(),
    }
}

/// Which field of the form of correction a code is about; empty for none of them.
fn field(code: &str) -> &'static str {
    match code {
        "wellgate-tariff-no-mutuality" | "wellgate-tariff-mutuality" => return "affiliation",
        "wellgate-tariff-no-insurability" | "wellgate-tariff-insurability" => return "ct1",
        "wellgate-tariff-no-care-fund" | "wellgate-tariff-care-fund" => return "care_fund",
        "wellgate-tariff-units" | "wellgate-tariff-limit" => return "units",
        "wellgate-tariff-provider" => return "provider",
        "wellgate-tariff-days" => return "last_day",
        _ if code.starts_with("wellgate-tariff-") => return "code",
        _ => {}
    }
    match zone_of(code).map(|(_, zone)| zone.field).unwrap_or_default() {
        "patient" => "number",
        "sex" => "sex",
        "affiliation" | "destination" => "affiliation",
        "insurability" => "ct1",
        "first-day" => "first_day",
        "last-day" => "last_day",
        "code" => "code",
        "units" => "units",
        "provider" => "provider",
        "prescriber" => "prescriber",
        "prescribed" => "prescribed",
        _ => "",
    }
}

/// Which sentence it is.
fn todo(code: &str) -> &'static str {
    match code {
        "300544" | "500544" | "wellgate-twin" => return "twin",
        "300546" | "500546" | "wellgate-prescribed" => return "prescribed",
        "100723" | "100724" => return "wait",
        "wellgate-agreement" => return "agreement",
        "wellgate-not-taken" => return "not-taken",
        "wellgate-refused-by-person" => return "refused-by-person",
        "wellgate-not-reconciled" | "wellgate-no-total" => return "not-reconciled",
        "wellgate-tariff-limit" => return "limit",
        "wellgate-tariff-provider" => return "provider",
        "wellgate-tariff-days" => return "day",
        "wellgate-tariff-units"
        | "wellgate-tariff-no-amount"
        | "wellgate-tariff-amount"
        | "wellgate-tariff-too-much" => return "amount",
        "wellgate-tariff-no-mutuality"
        | "wellgate-tariff-mutuality"
        | "wellgate-tariff-no-care-fund"
        | "wellgate-tariff-care-fund"
        | "wellgate-tariff-no-insurability"
        | "wellgate-tariff-insurability" => return "insurance",
        _ if code.starts_with("wellgate-tariff-") => return "code",
        // What the gateway itself puts into the file is not the clerk's to mend.
        _ if code.starts_with("wellgate-") => return "ask",
        _ => {}
    }
    let Some((kind, zone)) = zone_of(code) else { return "unknown" };
    let is_of_a_line = code.len() == 6 && matches!(code.get(..2), Some("20" | "25" | "30" | "50" | "51" | "52"));
    if !is_of_a_line {
        return match zone.field {
            "bic-a" | "iban-a" | "bic-b" | "iban-b" | "enterprise" | "third-party" | "accreditation" => "party",
            _ => "ask",
        };
    }
    match zone.field {
        "patient" | "sex" | "patient-flag" => "patient",
        "affiliation" | "destination" | "insurability" | "insured-from" | "insured-until" => "insurance",
        "first-day" | "last-day" | "admitted" | "discharged" | "invoice-date" | "time" => "day",
        "provider" | "provider-norm" | "conventioned" | "assistant" => "provider",
        "prescriber" | "prescriber-norm" | "prescribed" => "prescriber",
        "amount" | "patient-share" | "supplement" | "share-code" | "units" | "indicative-cost" => "amount",
        "code" | "relative-code" | "norm" | "invoice-type" | "delivery" => "code",
        "agreed" | "rehabilitation-agreed" | "agreement" => "agreement",
        "place" | "convention" | "institution" | "service" | "admission-service" | "site" => "place",
        field if field.starts_with("previous-") => "previous",
        _ if kind.layout().name.starts_with("52") => "reading",
        _ => "ask",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::catalogue::Language;

    #[test]
    fn a_code_comes_with_its_words_its_zone_and_what_to_do() {
        let words = Words(Language::English);
        let wrong = wrong(words, "500810", "");
        assert_eq!((wrong.letter.as_str(), wrong.zone.as_str()), ("R", "number of the patient"));
        assert_eq!(wrong.text, "The patient's number is missing.");
        assert_eq!(wrong.does, "the record is refused");
        assert!(wrong.todo.contains("national number"), "{}", wrong.todo);
    }

    #[test]
    fn the_field_that_a_code_is_about_is_one_of_the_form() {
        for (code, expected) in [
            ("500810", "number"),
            ("200710", "affiliation"),
            ("500503", "first_day"),
            ("wellgate-tariff-ambiguous", "code"),
            ("wellgate-tariff-no-insurability", "ct1"),
            ("900210", ""),
            ("", ""),
        ] {
            assert_eq!(field(code), expected, "{code}");
        }
    }

    #[test]
    fn the_letter_of_the_answer_counts_before_that_of_the_catalogue() {
        let words = Words(Language::Dutch);
        assert_eq!(wrong(words, "500810", "B").letter, "B");
        assert_eq!(wrong(words, "500810", "?").letter, "R");
    }

    #[test]
    fn a_code_that_nobody_knows_is_shown_as_it_came() {
        let words = Words(Language::French);
        for code in ["", "9", "999999", "é99999", "x"] {
            let wrong = wrong(words, code, "Z");
            assert_eq!((wrong.code.as_str(), wrong.letter.as_str(), wrong.text.as_str()), (code, "Z", ""));
            assert_eq!(wrong.todo, words.of("todo", "unknown"));
        }
    }

    #[test]
    fn what_to_do_is_told_by_the_zone_of_the_code() {
        for (code, expected) in [
            ("200710", "insurance"),
            ("500544", "twin"),
            ("300546", "prescribed"),
            ("501910", "amount"),
            ("500410", "code"),
            ("501502", "provider"),
            ("502014", "prescriber"),
            ("500613", "day"),
            ("304712", "agreement"),
            ("203710", "previous"),
            ("100724", "wait"),
            ("103610", "party"),
            ("900210", "ask"),
            ("302-20", "ask"),
            ("wellgate-reserved", "ask"),
            ("wellgate-refused-by-person", "refused-by-person"),
            ("520910", "reading"),
            ("wellgate-tariff-no-mutuality", "insurance"),
            ("wellgate-tariff-none", "code"),
            ("wellgate-tariff-amount", "amount"),
        ] {
            assert_eq!(todo(code), expected, "{code}");
        }
    }
}
