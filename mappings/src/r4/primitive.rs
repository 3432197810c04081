//! The primitive types: which JSON values and which lexical forms they take.
//!
//! <https://hl7.org/fhir/R4/datatypes.html#primitive>. Where the definitions write `\s` or `\S`, ASCII white space is meant:
//! names with a no-break space are in real data and are legal.

use serde_json::Value;

use super::time::{is_date, is_date_time, is_instant, is_time};

/// The most bytes of a string: the specification says one megabyte.
const STRING_BYTES_MAX: usize = 1024 * 1024;

/// A primitive type of R4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Primitive {
    /// Base64, white space allowed.
    Base64Binary,
    /// true or false.
    Boolean,
    /// A URI that may end in `|version`.
    Canonical,
    /// Words with single spaces.
    Code,
    /// Year, month or day.
    Date,
    /// A date, or a time with seconds and zone.
    DateTime,
    /// Any JSON number.
    Decimal,
    /// 1 to 64 of A-Z a-z 0-9 - .
    Id,
    /// A time with seconds and zone.
    Instant,
    /// 32 bits, signed.
    Integer,
    /// A string with mark-up.
    Markdown,
    /// `urn:oid:` with digits and dots.
    Oid,
    /// From 1.
    PositiveInt,
    /// Any text.
    String,
    /// A time of day.
    Time,
    /// From 0.
    UnsignedInt,
    /// Text without white space.
    Uri,
    /// Text without white space.
    Url,
    /// `urn:uuid:` with lower-case hexadecimal digits.
    Uuid,
    /// A `div` with mark-up.
    Xhtml,
}

impl Primitive {
    /// The type of this name in the definitions.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "base64Binary" => Self::Base64Binary,
            "boolean" => Self::Boolean,
            "canonical" => Self::Canonical,
            "code" => Self::Code,
            "date" => Self::Date,
            "dateTime" => Self::DateTime,
            "decimal" => Self::Decimal,
            "id" => Self::Id,
            "instant" => Self::Instant,
            "integer" => Self::Integer,
            "markdown" => Self::Markdown,
            "oid" => Self::Oid,
            "positiveInt" => Self::PositiveInt,
            "string" => Self::String,
            "time" => Self::Time,
            "unsignedInt" => Self::UnsignedInt,
            "uri" => Self::Uri,
            "url" => Self::Url,
            "uuid" => Self::Uuid,
            "xhtml" => Self::Xhtml,
            _ => return None,
        })
    }

    /// What a value of this type looks like, to complete "this must be …".
    pub fn form(self) -> &'static str {
        match self {
            Self::Base64Binary => "base64 text",
            Self::Boolean => "true or false, without quotes",
            Self::Canonical | Self::Uri | Self::Url => "a URI without white space",
            Self::Code => "a code: words with single spaces between them and none around",
            Self::Date => "a date such as 2024, 2024-02 or 2024-02-29",
            Self::DateTime => "a date, or a time with seconds and zone such as 2024-02-29T10:15:00+01:00",
            Self::Decimal => "a number, without quotes",
            Self::Id => "an id of 1 to 64 letters, digits, '-' and '.'",
            Self::Instant => "a time with seconds and zone such as 2024-02-29T10:15:00+01:00",
            Self::Integer => "a whole number from -2147483648 to 2147483647, without quotes",
            Self::Markdown | Self::String => "a text of 1 byte to 1 MB, without control characters",
            Self::Oid => "an OID such as urn:oid:1.2.3",
            Self::PositiveInt => "a whole number from 1 to 2147483647, without quotes",
            Self::Time => "a time of day with seconds such as 10:15:00",
            Self::UnsignedInt => "a whole number from 0 to 2147483647, without quotes",
            Self::Uuid => "a UUID such as urn:uuid:c757873d-ec9a-4326-a141-556f43239520, in lower case",
            Self::Xhtml => "a text that is one XHTML <div> element",
        }
    }

    /// Whether the value has the JSON type and the lexical form of this type.
    pub fn permits(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Boolean, Value::Bool(_)) | (Self::Decimal, Value::Number(_)) => true,
            (Self::Integer, value) => is_within(value, i64::from(i32::MIN)),
            (Self::UnsignedInt, value) => is_within(value, 0),
            (Self::PositiveInt, value) => is_within(value, 1),
            (_, Value::String(text)) => self.permits_text(text),
            _ => false,
        }
    }

    fn permits_text(self, text: &str) -> bool {
        match self {
            Self::Base64Binary => is_base64(text),
            Self::Canonical | Self::Uri | Self::Url => is_uri(text),
            Self::Code => is_code(text),
            Self::Date => is_date(text),
            Self::DateTime => is_date_time(text),
            Self::Id => is_id(text),
            Self::Instant => is_instant(text),
            Self::Markdown | Self::String => is_string(text),
            Self::Oid => is_oid(text),
            Self::Time => is_time(text),
            Self::Uuid => is_uuid(text),
            Self::Xhtml => is_xhtml(text),
            Self::Boolean | Self::Decimal | Self::Integer | Self::PositiveInt | Self::UnsignedInt => false,
        }
    }
}

/// Whether the text is an `id`.
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

fn is_within(value: &Value, least: i64) -> bool {
    // A number with a point or an exponent is no integer, even where its value is whole.
    value.as_i64().is_some_and(|number| (least..=i64::from(i32::MAX)).contains(&number))
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C)
}

fn is_string(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= STRING_BYTES_MAX
        && text.bytes().all(|byte| byte >= 0x20 || matches!(byte, b'\t' | b'\n' | b'\r'))
}

fn is_uri(text: &str) -> bool {
    !text.is_empty() && text.len() <= STRING_BYTES_MAX && text.bytes().all(|byte| byte > 0x20)
}

fn is_code(text: &str) -> bool {
    let mut after_space = true;
    for byte in text.bytes() {
        let space = is_space(byte);
        if (space && after_space) || byte < 0x09 {
            return false;
        }
        after_space = space;
    }
    !after_space && text.len() <= STRING_BYTES_MAX
}

fn is_base64(text: &str) -> bool {
    let (mut letters, mut padding) = (0_usize, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'=' => padding += 1,
            _ if is_space(byte) => {}
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => letters += 1,
            _ => return false,
        }
    }
    letters > 0 && padding <= 2 && (letters + padding) % 4 == 0
}

fn is_oid(text: &str) -> bool {
    let Some(arcs) = text.strip_prefix("urn:oid:") else { return false };
    let mut arcs = arcs.split('.');
    matches!(arcs.next(), Some("0" | "1" | "2"))
        && arcs.clone().next().is_some()
        && arcs.all(|arc| {
            !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'))
        })
}

fn is_uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else { return false };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(position, byte)| match position {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// The frame only. Active content is dealt with where a narrative is shown: nowhere else may it do harm.
fn is_xhtml(text: &str) -> bool {
    let trimmed = text.trim_matches(|letter: char| letter.is_ascii_whitespace());
    let rest = trimmed.strip_prefix("<div").unwrap_or_default();
    rest.starts_with(|letter: char| letter.is_ascii_whitespace() || letter == '>' || letter == '/')
        && (rest.ends_with("</div>") || rest.ends_with("/>"))
}

#[cfg(test)]
mod tests {
    use super::Primitive::{self, *};
    use serde_json::{Value, json};

    fn assert_forms(primitive: Primitive, right: &[Value], wrong: &[Value]) {
        for value in right {
            assert!(primitive.permits(value), "{primitive:?} takes {value}");
        }
        for value in wrong {
            assert!(!primitive.permits(value), "{primitive:?} does not take {value}");
        }
    }

    #[test]
    fn numbers_and_booleans_are_json_values_in_their_range() {
        assert_forms(Boolean, &[json!(true)], &[json!("true"), json!(1)]);
        assert_forms(Decimal, &[json!(1), json!(-0.5), json!(1e10)], &[json!("1")]);
        assert_forms(
            Integer,
            &[json!(0), json!(-2_147_483_648_i64)],
            &[json!(2_147_483_648_i64), json!(1.0), json!("1")],
        );
        assert_forms(UnsignedInt, &[json!(0)], &[json!(-1)]);
        assert_forms(PositiveInt, &[json!(1)], &[json!(0)]);
    }

    #[test]
    fn white_space_is_ascii_white_space() {
        assert_forms(
            String,
            &[json!(" a\u{a0}\r\n\tb "), json!("é")],
            &[json!(""), json!("a\u{0}"), json!("\u{1f}"), json!(1)],
        );
        assert_forms(
            Code,
            &[json!("a"), json!("a b"), json!("a\u{a0}b"), json!("<=")],
            &[json!(""), json!(" a"), json!("a "), json!("a  b")],
        );
        assert_forms(
            Uri,
            &[json!("urn:x:\u{a0}"), json!("")].as_slice()[..1],
            &[json!(""), json!("a b"), json!("a\n")],
        );
    }

    #[test]
    fn identifiers_have_their_form() {
        assert_forms(Id, &[json!("a-1.B")], &[json!(""), json!("a_b"), json!("a".repeat(65)), json!("é")]);
        assert_forms(
            Oid,
            &[json!("urn:oid:2.16.840.0.1")],
            &[json!("urn:oid:3.1"), json!("urn:oid:2"), json!("urn:oid:2.01"), json!("2.16"), json!("urn:oid:2.")],
        );
        assert_forms(
            Uuid,
            &[json!("urn:uuid:c757873d-ec9a-4326-a141-556f43239520")],
            &[json!("urn:uuid:C757873d-ec9a-4326-a141-556f43239520"), json!("c757873d-ec9a-4326-a141-556f43239520")],
        );
    }

    #[test]
    fn base64_is_whole_and_xhtml_is_a_div() {
        assert_forms(
            Base64Binary,
            &[json!("YQ=="), json!(" YWJj\nYWJj ")],
            &[json!(""), json!("YQ="), json!("Y=Q="), json!("YQ*="), json!("====")],
        );
        assert_forms(
            Xhtml,
            &[json!("<div xmlns=\"http://www.w3.org/1999/xhtml\">x</div>"), json!("<div/>")],
            &[json!("x"), json!("<p>x</p>"), json!("<divx></divx>")],
        );
    }
}
