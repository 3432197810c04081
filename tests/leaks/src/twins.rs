//! The twins: Patients with the same data, one that the viewer may see, the others hidden from it each in another way, and one
//! that never was.

use serde_json::{Value, json};

use crate::capabilities::Capabilities;
use crate::client::{Client, Request};
use crate::samples::{consent, provision, sample};

/// How a twin stands to the viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Consent permits the viewer.
    Permitted,
    /// A Consent permits it, and denies it by a nested provision.
    Denied,
    /// There is no Consent.
    Unconsented,
    /// A Consent permitted it until it was withdrawn.
    Withdrawn,
    /// A Consent permitted it until its period ended.
    Expired,
    /// A Consent will permit it when its period begins.
    NotYet,
    /// A Consent permits it for another purpose.
    OtherPurpose,
    /// The viewer's own.
    Own,
    /// None of its ids was ever given.
    Never,
}

/// The kinds that exist and must not be told from [`Kind::Never`].
pub const HIDDEN: [Kind; 6] =
    [Kind::Denied, Kind::Unconsented, Kind::Withdrawn, Kind::Expired, Kind::NotYet, Kind::OtherPurpose];

impl Kind {
    /// Its name in a report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::Denied => "denied",
            Self::Unconsented => "unconsented",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::OtherPurpose => "for-another-purpose",
            Self::Own => "own",
            Self::Never => "never",
        }
    }
}

/// What a place in a request stands for, for one twin.
#[derive(Clone, Debug)]
pub struct Twin {
    /// How it stands to the viewer.
    pub kind: Kind,
    /// Name and value: `Patient` its id, `Patient.version` its version, `mark` its mark.
    pub names: Vec<(String, String)>,
}

impl Twin {
    /// The text with every place filled.
    pub fn fill(&self, text: &str) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut parts = text.split('@');
        filled.push_str(parts.next().unwrap_or_default());
        // Whether the `@` before this part is one that no place has used.
        let mut is_free = true;
        for part in parts {
            if let Some(value) = self.value(part).filter(|_| is_free) {
                filled.push_str(value);
                is_free = false;
            } else {
                if is_free {
                    filled.push('@');
                }
                filled.push_str(part);
                is_free = true;
            }
        }
        filled
    }

    /// The text with the twin's own ids, versions and mark named, so that those of two twins compare.
    pub fn alike(&self, text: &str) -> String {
        let name = |text: String, (name, value): &(String, String)| {
            if text.contains(value.as_str()) { replace_word(&text, value, &format!("<{name}>")) } else { text }
        };
        self.names.iter().fold(text.to_owned(), name)
    }

    /// The value of a name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.names.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The types of which it has a resource.
    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.names
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| name.starts_with(char::is_uppercase))
            .filter(|name| !name.contains('.'))
    }
}

/// Replaces a value where it is not part of a longer word.
fn replace_word(text: &str, value: &str, by: &str) -> String {
    let is_part = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(value) {
        let (before, from) = rest.split_at(at);
        let after = &from[value.len()..];
        replaced.push_str(before);
        let is_word =
            (!is_part(before.chars().next_back()) || ends_in_escape(before)) && !is_part(after.chars().next());
        replaced.push_str(if is_word { by } else { value });
        rest = after;
    }
    replaced + rest
}

/// Whether a text ends in `%2F` or the like: what follows begins a word.
fn ends_in_escape(text: &str) -> bool {
    let tail = text.len().checked_sub(3).and_then(|at| text.get(at..));
    tail.is_some_and(|tail| tail.starts_with('%') && tail[1..].bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Who makes twins, and for whom.
#[derive(Clone, Debug)]
pub struct Maker<'m> {
    /// The client that writes.
    pub custodian: &'m Client,
    /// Its capabilities.
    pub capabilities: &'m Capabilities,
    /// The viewer as a Consent names it: `Organization/…`.
    pub viewer: String,
    /// The purpose of the viewer's token.
    pub purpose: String,
    /// A word that no other run has.
    pub run: String,
}

impl Maker<'_> {
    /// Makes a twin with a resource of each type that the server serves and the kit knows.
    ///
    /// # Errors
    /// The server does not take a resource; the text says which and why.
    pub async fn make(&self, kind: Kind) -> Result<Twin, String> {
        let mut twin = Twin { kind, names: vec![("mark".to_owned(), format!("M{}{}", self.run, kind as u8))] };
        let served = |name: &&str| self.capabilities.served(name).is_some_and(|served| served.offers("create"));
        let others = self.capabilities.types.iter().map(|served| served.name.as_str());
        for name in ["Patient"].into_iter().chain(others.filter(|name| *name != "Patient")).filter(served) {
            if let Some(resource) = sample(name) {
                self.create(&mut twin, &resource).await?;
            }
        }
        for status in ["active", "inactive"] {
            let Some(resource) = self.consent(kind, status) else { continue };
            if status == "active" {
                self.create(&mut twin, &resource).await?;
            } else {
                self.change(&mut twin, resource).await?;
            }
        }
        Ok(twin)
    }

    fn consent(&self, kind: Kind, status: &str) -> Option<Value> {
        let mut permit = provision("permit", &self.viewer, &self.purpose);
        match (kind, status) {
            (Kind::Withdrawn, _) | (Kind::Permitted, "active") => {}
            (Kind::Denied, "active") => {
                permit["provision"] = json!([provision("deny", &self.viewer, &self.purpose)]);
            }
            (Kind::Expired, "active") => permit["period"] = json!({"start": "2020-01-01", "end": "2021-01-01"}),
            (Kind::NotYet, "active") => permit["period"] = json!({"start": "2090-01-01", "end": "2091-01-01"}),
            (Kind::OtherPurpose, "active") => {
                let other = if self.purpose == "HPAYMT" { "TREAT" } else { "HPAYMT" };
                permit = provision("permit", &self.viewer, other);
            }
            _ => return None,
        }
        Some(consent(status, &permit))
    }

    /// Creates a resource and keeps its id and version.
    ///
    /// # Errors
    /// It is not created.
    pub async fn create(&self, twin: &mut Twin, resource: &Value) -> Result<(), String> {
        let resource_type = resource["resourceType"].as_str().unwrap_or_default();
        let body: Value = serde_json::from_str(&twin.fill(&resource.to_string())).unwrap_or_default();
        let answer = self.custodian.send(&Request::post(resource_type, &body)).await?;
        if answer.status != 201 {
            return Err(format!("the custodian cannot create a {resource_type}: {} {}", answer.status, answer.body));
        }
        self.keep(twin, resource_type, &answer.json());
        Ok(())
    }

    /// Writes a new version of a resource that the twin has.
    ///
    /// # Errors
    /// It is not written.
    pub async fn change(&self, twin: &mut Twin, mut resource: Value) -> Result<(), String> {
        let resource_type = resource["resourceType"].as_str().unwrap_or_default().to_owned();
        resource["id"] = json!(format!("@{resource_type}@"));
        let request = Request::new(reqwest::Method::PUT, format!("{resource_type}/@{resource_type}@"));
        let request = request.with_body(&resource).rewritten(|text| twin.fill(text));
        let answer = self.custodian.send(&request).await?;
        if !answer.is_success() {
            return Err(format!("the custodian cannot update a {resource_type}: {} {}", answer.status, answer.body));
        }
        self.keep(twin, &resource_type, &answer.json());
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "it is part of making")]
    fn keep(&self, twin: &mut Twin, resource_type: &str, made: &Value) {
        let version = format!("{resource_type}.version");
        twin.names.retain(|(name, _)| name != resource_type && *name != version);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        twin.names.push((resource_type.to_owned(), text(&made["id"])));
        twin.names.push((version, text(&made["meta"]["versionId"])));
    }

    /// The twin that never was: ids of the same form as another's, which the server does not know.
    ///
    /// # Errors
    /// No such ids are found.
    pub async fn never(&self, other: &Twin) -> Result<Twin, String> {
        let mut twin = Twin { kind: Kind::Never, names: Vec::new() };
        for (name, value) in &other.names {
            let never = match name.as_str() {
                "mark" => format!("M{}{}", self.run, Kind::Never as u8),
                _ if name.contains('.') => altered(value, 1),
                _ => self.unknown(name, value).await?,
            };
            twin.names.push((name.clone(), never));
        }
        Ok(twin)
    }

    /// Gives a twin the names that it lacks beside the one that never was: a twin without a Consent is asked for one that it
    /// has not, and that no other twin is asked for.
    ///
    /// # Errors
    /// No such ids are found.
    pub async fn complete(&self, twin: &mut Twin, never: &Twin) -> Result<(), String> {
        for (name, value) in &never.names {
            if twin.value(name).is_none() {
                let value = if name.contains('.') { altered(value, 1) } else { self.unknown(name, value).await? };
                twin.names.push((name.clone(), value));
            }
        }
        Ok(())
    }

    async fn unknown(&self, resource_type: &str, id: &str) -> Result<String, String> {
        for by in 1..9 {
            let never = altered(id, by);
            if self.custodian.send(&Request::get(format!("{resource_type}/{never}"))).await?.status == 404 {
                return Ok(never);
            }
        }
        Err(format!("no id near {resource_type}/{id} is unknown to the server"))
    }
}

/// A text of the very same form: its last digit is another.
pub fn altered(text: &str, by: u32) -> String {
    let last = text.rfind(|character: char| character.is_ascii_digit());
    let Some(at) = last else { return format!("{text}{by}") };
    let digit = text[at..=at].parse::<u32>().unwrap_or_default();
    format!("{}{}{}", &text[..at], (digit + by) % 10, &text[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twin() -> Twin {
        let names = [("Patient", "p1"), ("Patient.version", "v7"), ("mark", "Mn")];
        let names = names.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Twin { kind: Kind::Denied, names }
    }

    #[test]
    fn places_are_filled_and_other_signs_stay() {
        for (text, filled) in [
            ("Patient/@Patient@/_history/@Patient.version@", "Patient/p1/_history/v7"),
            ("@Patient@@mark@", "p1Mn"),
            ("a@b.example @mark@ @", "a@b.example Mn @"),
            ("@unknown@mark@", "@unknownMn"),
            ("", ""),
        ] {
            assert_eq!(twin().fill(text), filled);
        }
    }

    #[test]
    fn own_values_are_named_where_they_are_words() {
        assert_eq!(twin().alike("p1 xp1 p12 s%7Cp1 'p1'"), "<Patient> xp1 p12 s%7C<Patient> '<Patient>'");
    }

    #[test]
    fn an_altered_text_has_the_same_form() {
        assert_eq!((altered("a19b", 1), altered("abc", 1)), ("a10b".to_owned(), "abc1".to_owned()));
    }
}
