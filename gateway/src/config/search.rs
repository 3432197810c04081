//! `[search]`: what is searched at a price.

use super::keys::Fallback::Value;
use super::keys::Form::Text;
use super::keys::{Key, key};
use super::reader::Reader;

/// `[search]`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchConfig {
    /// Whether words are searched: `_text` and `_content`.
    pub full_text: bool,
}

/// The keys of the section.
pub(super) const KEYS: &[Key] = &[key(
    "search",
    "full_text",
    Text,
    Value("off"),
    "`on`: `_text` and `_content` find resources by words of their narrative and of all that they say. For that the words of every \
     note are kept once more, in an index, and each write costs more. What is stored when it is switched on is indexed in the background; when \
     it is switched off, the words are deleted at the start. Every replica has the same: stop them all before it is changed.",
)];

pub(super) fn read(reader: &mut Reader) -> SearchConfig {
    let full_text = match reader.text("search.full_text").as_str() {
        "on" => true,
        "off" => false,
        _ => {
            reader.fail("search.full_text", "is on or off");
            false
        }
    };
    SearchConfig { full_text }
}
