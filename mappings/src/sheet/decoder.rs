//! The characters of cells: UTF-8, or Windows-1252 as older programs write it.
//!
//! A file has one encoding, which its first character beyond ASCII shows: bytes that are UTF-8 by chance are very rare in the other one.

/// How the characters of a file are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Nothing but ASCII so far.
    #[default]
    Ascii,
    /// UTF-8.
    Utf8,
    /// Windows-1252.
    Windows1252,
}

/// What 0x80 to 0x9F stand for in Windows-1252, a blank where they stand for nothing.
const HIGH: &str = "€ ‚ƒ„…†‡ˆ‰Š‹Œ Ž  ‘’“”•–—˜™š›œ žŸ";

/// What a file has shown of its encoding.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    seen: Encoding,
}

impl Decoder {
    /// The first line without a mark of UTF-8.
    pub(super) fn without_mark<'l>(&mut self, line: &'l [u8]) -> &'l [u8] {
        let Some(rest) = line.strip_prefix(b"\xEF\xBB\xBF") else { return line };
        self.seen = Encoding::Utf8;
        rest
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.seen
    }

    /// The text of a cell, without blanks around it.
    pub(super) fn decode(&mut self, cell: &[u8]) -> Result<String, &'static str> {
        let text = match (self.seen, std::str::from_utf8(cell)) {
            (_, Ok(text)) if text.is_ascii() => text.to_owned(),
            (Encoding::Ascii | Encoding::Utf8, Ok(text)) => {
                self.seen = Encoding::Utf8;
                text.to_owned()
            }
            (Encoding::Utf8, Err(_)) => return Err("wellgate-sheet-encoding"),
            (Encoding::Ascii | Encoding::Windows1252, _) => {
                let text = cell.iter().map(|byte| character(*byte)).collect::<Option<String>>();
                let text = text.ok_or("wellgate-sheet-encoding")?;
                self.seen = Encoding::Windows1252;
                text
            }
        };
        if text.chars().any(|letter| letter.is_control() && letter != '\t') {
            return Err("wellgate-sheet-character");
        }
        Ok(text.trim().to_owned())
    }
}

fn character(byte: u8) -> Option<char> {
    match byte {
        0x80..=0x9F => HIGH.chars().nth(usize::from(byte - 0x80)).filter(|letter| *letter != ' '),
        _ => Some(char::from(byte)),
    }
}
