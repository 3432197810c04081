//! The words of an expression.

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// A name or a keyword; `true` where it was written between backticks, and so is a name whatever it says.
    Name(String, bool),
    /// A text, without its quotes.
    Text(String),
    /// A number as it is written.
    Number(String),
    /// `$this` and such.
    Dollar(String),
    /// `%resource` and such.
    Percent(String),
    /// An operator or a bracket.
    Sign(&'static str),
}

/// Longer ones first.
const SIGNS: [&str; 23] = [
    "<=", ">=", "!=", "!~", "(", ")", "[", "]", "{", "}", ".", ",", "=", "~", "<", ">", "|", "&", "+", "-", "*", "/",
    "@",
];

/// The words of a text.
///
/// # Errors
/// What begins no word.
pub(super) fn words(text: &str) -> Result<Vec<Token>, String> {
    let mut rest = text.trim_start();
    let mut words = Vec::new();
    while let Some(first) = rest.chars().next() {
        let (word, length) = match first {
            '\'' => quoted(rest, '\'').map(|(text, length)| (Token::Text(text), length))?,
            '`' => quoted(rest, '`').map(|(text, length)| (Token::Name(text, true), length))?,
            '$' => name(&rest[1..]).map(|(name, length)| (Token::Dollar(name), length + 1))?,
            '%' => variable(&rest[1..]).map(|(name, length)| (Token::Percent(name), length + 1))?,
            _ if first.is_ascii_digit() => number(rest),
            _ if first.is_ascii_alphabetic() || first == '_' => {
                name(rest).map(|(name, length)| (Token::Name(name, false), length))?
            }
            _ => {
                let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
                let sign = sign.ok_or_else(|| format!("the character '{first}'"))?;
                (Token::Sign(sign), sign.len())
            }
        };
        words.push(word);
        rest = rest[length..].trim_start();
    }
    Ok(words)
}

fn name(text: &str) -> Result<(String, usize), String> {
    let length = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(text.len());
    if length == 0 { Err("an empty name".to_owned()) } else { Ok((text[..length].to_owned(), length)) }
}

/// The name of a variable, which may stand between quotes.
fn variable(text: &str) -> Result<(String, usize), String> {
    match text.chars().next() {
        Some(quote @ ('`' | '\'' | '"')) => quoted(text, quote),
        _ => name(text),
    }
}

fn number(text: &str) -> (Token, usize) {
    let digits = |text: &str| text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let whole = digits(text);
    let fraction = text[whole..].strip_prefix('.').map_or(0, digits);
    let length = if fraction == 0 { whole } else { whole + 1 + fraction };
    (Token::Number(text[..length].to_owned()), length)
}

/// A text between quotes, and how long it is with them.
fn quoted(text: &str, quote: char) -> Result<(String, usize), String> {
    let mut found = String::new();
    let mut letters = text.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if letter == quote => return Ok((found, at + quote.len_utf8())),
            '\\' => {
                let escaped = letters.next().map(|(_, letter)| letter).unwrap_or_default();
                let meant = match escaped {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'f' => '\u{c}',
                    'u' => {
                        let digits: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                        let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                        code.ok_or_else(|| format!("the escape '\\u{digits}'"))?
                    }
                    '\'' | '"' | '`' | '\\' | '/' => escaped,
                    // Guides write regular expressions as if there were no escapes.
                    other => {
                        found.push('\\');
                        other
                    }
                };
                found.push(meant);
            }
            letter => found.push(letter),
        }
    }
    Err("a text without its end".to_owned())
}
