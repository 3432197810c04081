//! Every code that the gateway records has a text in every language of the access log.

use gateway::audit::catalogue::{Catalogue, Language};
use gateway::consent::Purpose;
use gateway::routing::intake_words::{Ground, Need};

use crate::source::File;

/// The kind and code of each text that is missing, `kind.code` with where the code stands.
pub(crate) fn without_text(file: &File) -> Vec<String> {
    let mut violations = Vec::new();
    let code = file.text.lines().take_while(|line| *line != "mod tests {");
    for (number, line) in (1..).zip(code) {
        for (kind, code) in codes(&file.path, line) {
            for language in Language::ALL {
                if Catalogue::of(language).find(kind, &code).is_none() {
                    let language = language.code();
                    violations.push(
                        file.violation(number, &format!("{kind}.{code} has no text in catalogues/{language}.toml")),
                    );
                }
            }
        }
    }
    violations
}

/// The purposes that have no text in some language.
pub(crate) fn purposes_without_text() -> Vec<&'static str> {
    let is_missing =
        |code: &&str| Language::ALL.into_iter().any(|language| Catalogue::of(language).find("purpose", code).is_none());
    Purpose::all().map(Purpose::code).filter(is_missing).collect()
}

/// The codes that a line of this file makes.
fn codes(path: &str, line: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    // An act by its two codes, wherever it is.
    for rest in line.split("Act::new(\"").skip(1) {
        found.extend(texts(rest).into_iter().take(1).map(|code| ("act", code)));
    }
    for opening in ["LawRule(\"", "Failure::refused(\"", "_RULE: &str = \""] {
        let kind = if opening.starts_with("Failure") { "reason" } else { "basis" };
        found.extend(
            line.split(opening).skip(1).map(|rest| (kind, rest.split('"').next().unwrap_or_default().to_owned())),
        );
    }
    // A table of codes: `Self::NoConsent => "no-consent"`, `Place = "place"`.
    let kind = match path.trim_start_matches("gateway/src/") {
        "consent/decide.rs" | "consent/writing.rs" => "reason",
        "consent/permit.rs" => "basis",
        "access/caller.rs" if line.contains("Level::") => "basis",
        "error.rs" if line.contains("=> Some(\"") => "reason",
        _ => return found,
    };
    if line.contains("=> ") {
        found.extend(texts(&format!("\"{line}")).into_iter().map(|code| (kind, code)));
    }
    found
}

/// The literals of a line that look like a code, after the one that it begins in.
fn texts(line: &str) -> Vec<String> {
    let is_code = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    line.split('"').skip(2).step_by(2).filter(is_code).map(str::to_owned).collect()
}

#[test]
fn every_decision_about_where_a_referral_goes_has_a_text() {
    let acts = Ground::ALL.iter().map(|ground| ground.act()).chain(Need::ALL.iter().map(|need| need.act()));
    let further = ["intake-overtaken", "intake-out-of-time"];
    for act in acts.chain(further) {
        for language in Language::ALL {
            assert!(Catalogue::of(language).find("act", act).is_some(), "{act} has no text in {}", language.code());
        }
    }
}

#[test]
fn a_code_is_found_where_it_is_made() {
    let found = |path: &str, line: &str| codes(path, line).into_iter().map(|(kind, code)| format!("{kind}.{code}"));
    let of = |path: &str, line: &str| found(path, line).collect::<Vec<_>>();
    assert_eq!(of("gateway/src/fhir/read.rs", "let act = Act::new(\"R\", \"read\");"), ["act.read"]);
    assert_eq!(
        of("gateway/src/consent/decide.rs", "            Self::NoConsent => \"no-consent\","),
        ["reason.no-consent"]
    );
    assert_eq!(of("gateway/src/consent/decide.rs", "            Self::NoConsent => \"There is none.\","), [""; 0]);
    assert_eq!(of("gateway/src/error.rs", "            Self::Gone => Some(\"deleted\"),"), ["reason.deleted"]);
    assert_eq!(of("gateway/src/access/caller.rs", "            Level::Permitted => \"consent\","), ["basis.consent"]);
    assert_eq!(of("gateway/src/consent/x.rs", "const WORKFLOW_RULE: &str = \"law\";"), ["basis.law"]);
    let unheard = File::new("gateway/src/fhir/x.rs", "const A: Act = Act::new(\"E\", \"unheard-of\");");
    assert_eq!(without_text(&unheard).len(), Language::ALL.len());
}
