//! Text within markup: the one place where it is escaped.

/// Text as XHTML and HTML take it, also within an attribute in quotes: nothing that somebody wrote is markup.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML 1.0 has no other control characters, not even escaped.
            _ if character.is_control() && !['\t', '\n', '\r'].contains(&character) => escaped.push(' '),
            _ => escaped.push(character),
        }
    }
    escaped
}
