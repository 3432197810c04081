//! Every zone and every code that we give has words in three languages.

use mappings::billing::{Form, Kind, Language, Severity, explain, severity, zone_words};

#[test]
fn every_zone_has_words_in_every_language() {
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Detail) {
        for zone in kind.layout().zones.iter().filter(|zone| zone.form != Form::Fault) {
            for language in Language::ALL {
                assert!(zone_words(zone, language).is_some_and(|words| !words.is_empty()), "{kind:?} {}", zone.field);
            }
        }
    }
}

#[test]
fn every_severity_has_words_and_its_letter() {
    for severity in Severity::ALL {
        assert_eq!(Severity::of_letter(severity.letter()), Some(severity));
        for language in Language::ALL {
            assert!(!severity.words(language).is_empty());
        }
    }
}

#[test]
fn a_code_without_words_of_its_own_is_said_by_its_zone_and_ending() {
    let said = explain("500402", Language::En);
    assert_eq!(said.text.as_deref(), Some("nomenclature code: the check digits do not hold"));
    assert_eq!(said.severity, Some(Severity::Record));
    let said = explain("109902", Language::Nl);
    assert_eq!(said.text.as_deref(), Some("controlegetal van het record: het controlegetal klopt niet"));
    assert_eq!(said.severity, Some(Severity::Blocking));
}

#[test]
fn a_code_that_is_not_known_is_shown_as_it_is() {
    for code in ["", "ZZZZZZ", "400101", "999999", "é0é0", "12345", "700-99", "-"] {
        let said = explain(code, Language::Fr);
        assert_eq!(
            (said.code.as_str(), said.text, said.severity.is_some_and(|_| !code.contains('-'))),
            (code, None, false)
        );
    }
    assert_eq!(severity("3013A0"), None);
    assert_eq!(explain("3013A0", Language::En).zone, Some("service code"));
}
