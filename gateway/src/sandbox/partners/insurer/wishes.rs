//! What a tester wants an insurer to answer: wishes that hold for the next files, and add up.

use serde_json::{Map, Value, json};

/// Wishes that may wait at one insurer.
const WISHES_MAX: usize = 64;
const FILES_MAX: u64 = 1_000_000;
const GETS_MAX: u64 = 1_000;
const COMMENT_MAX: usize = 200;
/// An answer has room for three errors of a record.
const ERRORS_MAX: usize = 3;

/// A weight and a code, such as `R` and `500544`.
pub(super) type Error = (char, String);

/// Which lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// Those with our reference, or of the invoice with it.
    Reference(String),
    /// Those of a code.
    Code(u64),
    /// Those of the nth invoice, from 1.
    Patient(u64),
    /// Every nth, from 1.
    Every(u64),
}

/// What is to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Lines have errors. Whether they count for the part of errors from which a file is rejected.
    Lines { which: Which, errors: Vec<Error>, comment: String, counts: bool },
    /// The same in a message of information, before the settlement.
    Remark { which: Which, errors: Vec<Error>, comment: String },
    /// The form is wrong: two digits behind a zone.
    Form { zone: u16, fault: &'static str },
    /// The file is rejected for errors of its first record.
    File { errors: Vec<Error> },
    /// Answers show at the get after so many.
    Late(u64),
    /// Nothing is answered.
    Never,
    /// Everything comes once more after it was confirmed.
    Twice,
    /// A message that nobody knows comes as well.
    Unknown,
    /// The receipt is one of failure.
    Tack { class: String, code: String },
    /// A copy of each answer comes before it, with something wrong.
    Forged(Forged),
    /// A request for an allowance is decided so; one that is named, at once.
    Decide { state: String, reason: String, request: Option<String> },
}

/// What is wrong with a forged copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forged {
    Hash,
    ThirdParty,
    Reference,
}

/// A wish, and for how many files it holds.
#[derive(Clone, Debug)]
struct Wish {
    /// As it was said, without for how many.
    said: Value,
    answer: Answer,
    /// None: always.
    files: Option<u64>,
}

/// The wishes that wait, in the order in which they were said.
#[derive(Debug, Default)]
pub(super) struct Wishes(Vec<Wish>);

impl Wishes {
    /// Adds one; answers what it is.
    ///
    /// # Errors
    /// What is wrong, beginning with the name of the member.
    pub(super) fn add(&mut self, body: &[u8]) -> Result<Answer, String> {
        let body: Value = serde_json::from_slice(body).map_err(|_| "the body: it is not JSON".to_owned())?;
        let members = body.as_object().ok_or("the body: a JSON object is expected, such as {\"answer\": \"never\"}")?;
        let answer = Reader(members).answer()?;
        let files = match members.get("files") {
            None => Some(1),
            Some(Value::String(word)) if word == "always" => None,
            Some(files) => Some(
                number(Some(files), 1, FILES_MAX)
                    .ok_or(format!("files: a number from 1 to {FILES_MAX}, or \"always\""))?,
            ),
        };
        if self.0.len() >= WISHES_MAX {
            return Err(format!("answer: {WISHES_MAX} wait already, DELETE clears them"));
        }
        if !matches!(answer, Answer::Decide { request: Some(_), .. }) {
            let mut said = members.clone();
            said.remove("files");
            self.0.push(Wish { said: said.into(), answer: answer.clone(), files });
        }
        Ok(answer)
    }

    /// What holds for the next file, or for the next request.
    pub(super) fn take(&mut self, is_request: bool) -> Vec<Answer> {
        let is_meant = |answer: &Answer| match answer {
            Answer::Decide { .. } => is_request,
            Answer::Late(_) | Answer::Never | Answer::Twice | Answer::Tack { .. } | Answer::Forged(_) => true,
            _ => !is_request,
        };
        let mut taken = Vec::new();
        for wish in self.0.iter_mut().filter(|wish| is_meant(&wish.answer)) {
            wish.files = wish.files.map(|files| files.saturating_sub(1));
            taken.push(wish.answer.clone());
        }
        self.0.retain(|wish| wish.files != Some(0));
        taken
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// All of them, as they would be said.
    pub(super) fn described(&self) -> Value {
        let described = |wish: &Wish| {
            let mut said = wish.said.clone();
            said["files"] = wish.files.map_or(json!("always"), Value::from);
            said
        };
        self.0.iter().map(described).collect()
    }
}

const ANSWERS: &str =
    "refuse-line, remark, refuse-form, refuse-file, late, never, twice, unknown, tack, forged, decide";
/// Two digits that a zone may have behind it.
const FAULTS: [&str; 14] = ["01", "02", "03", "09", "15", "20", "21", "22", "30", "31", "40", "41", "42", "99"];
/// How a request may stand.
pub(super) const STATES: [&str; 8] =
    ["submitted", "inadmissible", "in-treatment", "approved", "partly-approved", "refused", "extended", "stopped"];
const CLASSES: [&str; 4] = ["technical", "authentication", "message", "business"];

struct Reader<'m>(&'m Map<String, Value>);

impl Reader<'_> {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn answer(&self) -> Result<Answer, String> {
        let name = self.text("answer");
        let (allowed, answer): (&[&str], Answer) = match name {
            "refuse-line" => {
                let counts = match self.0.get("counts") {
                    None => false,
                    Some(counts) => counts.as_bool().ok_or("counts: true or false")?,
                };
                let (which, errors, comment) = self.lines()?;
                (
                    &["reference", "code", "patient", "every", "errors", "comment", "counts"],
                    Answer::Lines { which, errors, comment, counts },
                )
            }
            "remark" => {
                let (which, errors, comment) = self.lines()?;
                (
                    &["reference", "code", "patient", "every", "errors", "comment"],
                    Answer::Remark { which, errors, comment },
                )
            }
            "refuse-form" => (&["zone", "fault"], self.form()?),
            "refuse-file" => (&["errors"], Answer::File { errors: self.errors("B200420")? }),
            "late" => {
                let gets =
                    number(self.0.get("gets"), 1, GETS_MAX).ok_or(format!("gets: a number from 1 to {GETS_MAX}"))?;
                (&["gets"], Answer::Late(gets))
            }
            "never" => (&[], Answer::Never),
            "twice" => (&[], Answer::Twice),
            "unknown" => (&[], Answer::Unknown),
            "tack" => {
                let (class, code) = (self.text("class").to_owned(), self.text("code").to_owned());
                if !CLASSES.contains(&class.as_str()) {
                    return Err(format!("class: one of {}", CLASSES.join(", ")));
                }
                (&["class", "code"], Answer::Tack { class, code })
            }
            "forged" => {
                let what = match self.text("what") {
                    "hash" => Forged::Hash,
                    "third-party" => Forged::ThirdParty,
                    "reference" => Forged::Reference,
                    _ => return Err("what: hash, third-party or reference".to_owned()),
                };
                (&["what"], Answer::Forged(what))
            }
            "decide" => {
                let state = self.text("state").to_owned();
                if !STATES.contains(&state.as_str()) {
                    return Err(format!("state: one of {}", STATES.join(", ")));
                }
                let request = self.0.get("request").and_then(Value::as_str).map(str::to_owned);
                (
                    &["state", "reason", "request"],
                    Answer::Decide { state, reason: self.text("reason").to_owned(), request },
                )
            }
            _ => return Err(format!("answer: one of {ANSWERS}")),
        };
        let is_known = |member: &str| matches!(member, "answer" | "files") || allowed.contains(&member);
        match self.0.keys().find(|member| !is_known(member)) {
            Some(member) => Err(format!("{member}: there is no such member of {name}")),
            None => Ok(answer),
        }
    }

    fn form(&self) -> Result<Answer, String> {
        let zone = self.text("zone").parse().ok().filter(|zone| super::fault_position(*zone).is_some());
        let zone = zone.ok_or("zone: 200 to 205, 300 to 309, 400 to 412 or 500 to 512, as a text")?;
        let fault = FAULTS.into_iter().find(|fault| *fault == self.text("fault"));
        Ok(Answer::Form { zone, fault: fault.ok_or(format!("fault: one of {}", FAULTS.join(", ")))? })
    }

    fn lines(&self) -> Result<(Which, Vec<Error>, String), String> {
        let count = |name: &str| {
            self.0.get(name).map(|value| number(Some(value), 1, 9_999_999).ok_or(format!("{name}: a number from 1 on")))
        };
        let mut found: Vec<Which> = Vec::new();
        if let Some(reference) = self.0.get("reference") {
            let text = reference
                .as_str()
                .filter(|text| (1..=25).contains(&text.len()))
                .ok_or("reference: 1 to 25 characters")?;
            found.push(Which::Reference(text.to_owned()));
        }
        for (name, which) in
            [("code", Which::Code as fn(u64) -> Which), ("patient", Which::Patient), ("every", Which::Every)]
        {
            if let Some(given) = count(name) {
                found.push(which(given?));
            }
        }
        let (Some(which), None) = (found.pop(), found.pop()) else {
            return Err("reference: exactly one of reference, code, patient and every says which lines".to_owned());
        };
        let comment = self.text("comment");
        let is_fine = comment.len() <= COMMENT_MAX && comment.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !is_fine {
            return Err(format!("comment: at most {COMMENT_MAX} characters of ASCII"));
        }
        Ok((which, self.errors("R500420")?, comment.to_owned()))
    }

    /// The errors that are named, or the usual one.
    fn errors(&self, usual: &str) -> Result<Vec<Error>, String> {
        let wrong =
            || "errors: one to three texts of a letter (B, F, R, E or S) and a code, such as \"R500420\"".to_owned();
        let given = match self.0.get("errors") {
            None => vec![usual],
            Some(given) => {
                let texts = given.as_array().ok_or_else(wrong)?.iter().map(|text| text.as_str().ok_or_else(wrong));
                texts.collect::<Result<_, _>>()?
            }
        };
        let read = |text: &str| {
            let letter = text.chars().next().filter(|letter| "BFRES".contains(*letter))?;
            let code = text
                .get(1..)
                .filter(|code| code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()))?;
            Some((letter, code.to_owned()))
        };
        let errors: Option<Vec<Error>> = given.iter().map(|text| read(text)).collect();
        errors.filter(|errors| (1..=ERRORS_MAX).contains(&errors.len())).ok_or_else(wrong)
    }
}

fn number(value: Option<&Value>, min: u64, max: u64) -> Option<u64> {
    value.and_then(Value::as_u64).filter(|number| (min..=max).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_wish_is_refused_by_the_name_of_its_member() {
        for (body, member) in [
            ("", "the body"),
            ("[]", "the body"),
            ("{}", "answer"),
            (r#"{"answer": "no"}"#, "answer"),
            (r#"{"answer": "never", "gets": 1}"#, "gets"),
            (r#"{"answer": "never", "files": 0}"#, "files"),
            (r#"{"answer": "late"}"#, "gets"),
            (r#"{"answer": "refuse-line"}"#, "reference"),
            (r#"{"answer": "refuse-line", "code": 101032, "every": 2}"#, "reference"),
            (r#"{"answer": "refuse-line", "every": 0}"#, "every"),
            (r#"{"answer": "refuse-line", "every": 1, "errors": []}"#, "errors"),
            (r#"{"answer": "refuse-line", "every": 1, "errors": ["X500420"]}"#, "errors"),
            (r#"{"answer": "refuse-line", "every": 1, "errors": ["R5004"]}"#, "errors"),
            (r#"{"answer": "refuse-line", "every": 1, "comment": "é"}"#, "comment"),
            (r#"{"answer": "refuse-form", "zone": "210", "fault": "40"}"#, "zone"),
            (r#"{"answer": "refuse-form", "zone": "301", "fault": "4"}"#, "fault"),
            (r#"{"answer": "tack", "class": "sad"}"#, "class"),
            (r#"{"answer": "forged", "what": "all"}"#, "what"),
            (r#"{"answer": "decide", "state": "granted"}"#, "state"),
        ] {
            let refused = Wishes::default().add(body.as_bytes()).expect_err(body);
            assert!(refused.starts_with(&format!("{member}:")), "{body}: {refused}");
        }
    }

    #[test]
    fn a_wish_holds_for_as_many_files_and_is_told_as_it_was_said() {
        let mut wishes = Wishes::default();
        for body in [
            r#"{"answer":"refuse-line","every":2,"files":2}"#,
            r#"{"answer":"twice","files":"always"}"#,
            r#"{"answer":"decide","state":"refused"}"#,
        ] {
            wishes.add(body.as_bytes()).expect(body);
        }
        let mut taken = |is_request| wishes.take(is_request).len();
        assert_eq!([taken(false), taken(false), taken(false), taken(true), taken(true)], [2, 2, 1, 2, 1]);
        assert_eq!(wishes.described().to_string(), r#"[{"answer":"twice","files":"always"}]"#);
    }
}
