//! The words of a narrative and of a whole resource, and those that are sought in them: cut and folded alike.
//!
//! <https://hl7.org/fhir/R4/search.html#content>. What is no letter or digit separates words, and means nothing in a query: no database
//! is handed anything else, so both find the same.

use serde_json::Value;

use super::text::letters;

/// By how the words are cut and folded: where this changes, they are taken from what is stored anew.
pub const VERSION: &str = "1";
/// The most bytes of words that are kept of a narrative or a resource. What is beyond is not found.
const TEXT_BYTES_MAX: usize = 65_536;
/// The most characters of a word: the rest of a longer one does not count.
const WORD_CHARACTERS_MAX: usize = 64;

/// What is sought: words and phrases that must all be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// Each once, those of the phrases among them; never empty.
    pub words: Vec<String>,
    /// Words that must follow each other, with a space between.
    pub phrases: Vec<String>,
}

impl Sought {
    /// How many words are asked for, each of a phrase as often as it stands there.
    pub fn count(&self) -> usize {
        let of_phrases = self.phrases.iter().map(|phrase| phrase.split(' ').count()).sum();
        self.words.len().max(of_phrases)
    }

    /// Reads words, and phrases between quotes; none where a quote has no end, or there is no word.
    pub fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('"').collect();
        let (mut words, mut phrases): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
        for (n, part) in parts.iter().enumerate() {
            let mut kept = Words::default();
            kept.add(part);
            let of_part: Vec<&str> = kept.text.split_whitespace().collect();
            if n % 2 == 1 && of_part.len() > 1 {
                phrases.push(of_part.join(" "));
            }
            words.extend(of_part.into_iter().map(str::to_owned));
        }
        words.sort_unstable();
        words.dedup();
        (parts.len() % 2 == 1 && !words.is_empty()).then_some(Self { words, phrases })
    }
}

/// The words of a resource's narrative, each between spaces; empty where there are none.
pub fn narrative(resource: &Value) -> String {
    let mut kept = Words::default();
    if let Some(div) = resource.get("text").and_then(|text| text.get("div")).and_then(Value::as_str) {
        kept.add(&without_tags(div));
    }
    kept.text
}

/// The words of all that a resource says, but for its `id` and `meta` and what is in base64; of each element for itself, so that no
/// phrase goes from one to the next.
pub fn content(resource: &Value, with_narrative: bool) -> String {
    let mut kept = Words { without_narrative: !with_narrative, ..Words::default() };
    let members = resource.as_object().into_iter().flatten();
    for (name, value) in members.filter(|(name, _)| !matches!(name.as_str(), "id" | "meta")) {
        if name != "text" || with_narrative {
            kept.add_all(name, value);
        }
    }
    kept.text
}

/// Words under collection.
#[derive(Default)]
struct Words {
    text: String,
    word: String,
    /// Of the word.
    characters: usize,
    is_full: bool,
    /// Also those of contained resources.
    without_narrative: bool,
}

/// Elements in base64.
const BASE64: [&str; 3] = ["data", "hash", "valueBase64Binary"];

impl Words {
    fn add_all(&mut self, name: &str, value: &Value) {
        match value {
            Value::Object(members) => members.iter().for_each(|(name, value)| self.add_all(name, value)),
            Value::Array(values) => values.iter().for_each(|value| self.add_all(name, value)),
            Value::String(_) if name == "div" && self.without_narrative => {}
            Value::String(text) if name == "div" => self.add(&without_tags(text)),
            Value::String(text) if !BASE64.contains(&name) => self.add(text),
            Value::Number(number) => self.add(&number.to_string()),
            _ => {}
        }
    }

    fn add(&mut self, text: &str) {
        for letter in letters(text) {
            if self.is_full {
                return;
            }
            if !letter.is_alphanumeric() {
                self.end_word();
            } else if self.characters < WORD_CHARACTERS_MAX {
                self.word.push(letter);
                self.characters += 1;
            }
        }
        self.end_word();
        // Two spaces: what comes after does not follow.
        if !self.text.is_empty() && !self.text.ends_with("  ") {
            self.text.push(' ');
        }
    }

    fn end_word(&mut self) {
        if !self.word.is_empty() {
            if self.text.is_empty() {
                self.text.push(' ');
            }
            self.is_full = self.text.len() + self.word.len() + 2 > TEXT_BYTES_MAX;
            if !self.is_full {
                self.text.push_str(&self.word);
                self.text.push(' ');
            }
        }
        self.word.clear();
        self.characters = 0;
    }
}

/// What of a `div` is read: a tag or a comment separates words.
fn without_tags(div: &str) -> String {
    let mut text = String::with_capacity(div.len());
    let mut rest = div;
    while let Some(at) = rest.find(['<', '&']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let is_tag = rest.starts_with('<');
        let end = if is_tag { end_of_tag(rest) } else { end_of_reference(rest) };
        match end {
            Some(end) if is_tag => {
                text.push(' ');
                rest = &rest[end..];
            }
            Some(end) => {
                text.push(character(&rest[1..end - 1]));
                rest = &rest[end..];
            }
            // A tag without an end hides the rest; an ampersand alone does not.
            None if is_tag => rest = "",
            _ => {
                text.push(' ');
                rest = &rest[1..];
            }
        }
    }
    text.push_str(rest);
    text
}

/// The longest reference to a character, `&thetasym;`.
const REFERENCE_BYTES_MAX: usize = 10;

/// Where a reference to a character ends, if it is one: looked for no further, or a row of ampersands would be read for each of them.
fn end_of_reference(text: &str) -> Option<usize> {
    let name = text.bytes().take(REFERENCE_BYTES_MAX).skip(1);
    let length = name.take_while(|sign| sign.is_ascii_alphanumeric() || *sign == b'#').count();
    (length > 0 && text.as_bytes().get(length + 1) == Some(&b';')).then_some(length + 2)
}

/// Where a tag or comment ends; a value of an attribute may have the sign in it.
fn end_of_tag(text: &str) -> Option<usize> {
    if text.starts_with("<!--") {
        return text.find("-->").map(|end| end + 3);
    }
    let mut quote = None;
    for (at, sign) in text.bytes().enumerate() {
        match (quote, sign) {
            (None, b'"' | b'\'') => quote = Some(sign),
            (None, b'>') => return Some(at + 1),
            (Some(open), _) if open == sign => quote = None,
            _ => {}
        }
    }
    None
}

/// The character of a reference, as far as it is part of a word: accents do not count, so `eacute` is an e.
fn character(name: &str) -> char {
    const ACCENTS: [&str; 7] = ["acute", "grave", "circ", "uml", "tilde", "cedil", "ring"];
    let number = |code: &str, radix| u32::from_str_radix(code, radix).ok().and_then(char::from_u32).unwrap_or(' ');
    match name {
        "aelig" | "AElig" => 'æ',
        "oelig" | "OElig" => 'œ',
        "oslash" | "Oslash" => 'ø',
        "szlig" => 'ß',
        _ if name.starts_with("#x") || name.starts_with("#X") => number(&name[2..], 16),
        _ if name.starts_with('#') => number(&name[1..], 10),
        _ => {
            let letter = name.chars().next().filter(char::is_ascii_alphabetic);
            let has_accent = name.get(1..).is_some_and(|accent| ACCENTS.contains(&accent));
            letter.filter(|_| has_accent).unwrap_or(' ')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Sought, TEXT_BYTES_MAX, content, narrative};
    use serde_json::{Value, json};

    fn div(div: &str) -> Value {
        json!({"resourceType": "Observation", "text": {"status": "generated", "div": div}})
    }

    #[test]
    fn a_narrative_is_its_words_without_tags_case_and_accents() {
        for (written, words) in [
            (
                "<div xmlns=\"x\"><p>Zo&euml; H&#233;l&#xE8;ne</p><b title=\"a > b\">R&amp;D</b></div>",
                " zoe helene r d  ",
            ),
            ("<div>één<br/>twee<!-- <p>no</p> --> DRIE</div>", " een twee drie  "),
            ("<div>a & b &unknown; c&thisIsNoReference;</div>", " a b c thisisnoreference  "),
            ("<div>kept <b lost", " kept  "),
            ("<div>É&#xD800;&#;&x</div>", " e x  "),
            ("<div/>", ""),
        ] {
            assert_eq!(narrative(&div(written)), words, "{written}");
        }
        assert_eq!(narrative(&json!({"resourceType": "Observation"})), "");
    }

    #[test]
    fn the_content_is_what_a_resource_says_element_by_element() {
        let resource = json!({"resourceType": "Observation", "id": "i", "meta": {"versionId": "m"},
            "text": {"status": "generated", "div": "<div>told</div>"}, "note": [{"text": "Rood, warm"}, {"text": "***"}],
            "valueQuantity": {"value": 5.4, "unit": "mg"}, "valueAttachment": {"data": "YWJj", "title": "scan"}});
        let words = |with_narrative| -> Vec<String> {
            let mut words: Vec<String> =
                content(&resource, with_narrative).split_whitespace().map(str::to_owned).collect();
            words.sort();
            words
        };
        assert_eq!(words(false), ["4", "5", "mg", "observation", "rood", "scan", "warm"]);
        assert_eq!(words(true).len(), 9);
        let text = content(&resource, true);
        assert!(text.contains(" rood warm  ") && !text.contains("observation told"), "{text}");
    }

    #[test]
    fn what_is_sought_is_words_and_phrases_and_no_sign_means_anything() {
        let sought = |text: &str| Sought::read(text).map(|sought| (sought.words.join(" "), sought.phrases.join("|")));
        let is = |words: &str, phrases: &str| Some((words.to_owned(), phrases.to_owned()));
        assert_eq!(sought("Wonde rood wonde"), is("rood wonde", ""));
        assert_eq!(sought("\"Diepe wonde\" \"rood\" voet"), is("diepe rood voet wonde", "diepe wonde"));
        assert_eq!(sought("a* OR -b:(c) NEAR/2 ^d+e'f%_g\\"), is("2 a b c d e f g near or", ""));
        for nothing in ["", " ", "***", "\"a", "a\" b \"c\"", "\"\""] {
            assert_eq!(sought(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_words_and_long_words_alike_on_both_sides() {
        let long = "é".repeat(100);
        let kept = narrative(&div(&format!("<div>{}</div>", format!("{long} ").repeat(2_000))));
        assert!(kept.len() <= TEXT_BYTES_MAX && kept.len() > TEXT_BYTES_MAX - 130);
        let word = &Sought::read(&long).expect("a word").words[0];
        assert_eq!(word.len(), 64);
        assert!(kept.split_whitespace().all(|kept| kept == word));
    }

    #[test]
    fn a_row_of_ampersands_is_read_once() {
        let long = format!("a{} b; c&eacute;d", "&".repeat(2_000_000));
        assert_eq!(
            narrative(&div(&format!("<div>{long}</div>"))).split_whitespace().collect::<Vec<_>>(),
            ["a", "b", "ced"]
        );
    }

    #[test]
    fn the_words_of_a_phrase_count_as_often_as_they_are_there() {
        let count = |text: &str| Sought::read(text).map(|sought| sought.count());
        assert_eq!(count("a b a"), Some(2));
        assert_eq!(count("\"a a a\" b"), Some(3));
        assert_eq!(count("\"a b\" \"a b\""), Some(4));
    }

    #[test]
    fn where_narratives_are_not_told_those_of_contained_resources_are_not_either() {
        let inner =
            json!({"resourceType": "RelatedPerson", "text": {"div": "<div>Claes</div>"}, "name": [{"text": "Maes"}]});
        let resource =
            json!({"resourceType": "Patient", "contained": [inner], "photo": [{"hash": "abc+def", "data": "ghi"}]});
        let words = |with| content(&resource, with).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(words(true).contains(&"claes".to_owned()) && words(true).contains(&"maes".to_owned()));
        assert!(!words(false).contains(&"claes".to_owned()) && words(false).contains(&"maes".to_owned()));
        assert!(!words(true).iter().any(|word| ["abc", "def", "ghi"].contains(&word.as_str())));
    }
}
