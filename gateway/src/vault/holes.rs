//! Holes: the sealed values beside a text, with the places where they belong.

use std::fmt::Write as _;
use std::ops::Range;

use mappings::json::spans::splice;

use super::cipher::DataKey;

/// What stands in a hole, as JSON: what is shown to whoever may not have the value, or when its key is gone.
pub const MASK: &str = "\"***\"";

/// The holes of one text: the key that sealed them, and for each where it is and its sealed bytes. Written as text, it stands in a
/// column beside the body; empty for a text without a hole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holes {
    /// The id of the key.
    pub key: String,
    places: Vec<(usize, String)>,
}

impl Holes {
    /// Cuts the values out of a text and seals them. `bound_to` keeps them in their record.
    pub fn cut(
        text: &str,
        spans: &[Range<usize>],
        id: &str,
        (key, bound_to): (&DataKey, &str),
    ) -> Option<(String, Self)> {
        let mut places = Vec::with_capacity(spans.len());
        let mut edits = Vec::with_capacity(spans.len());
        let (mut taken, mut put) = (0, 0);
        for span in spans {
            let literal = text.get(span.clone())?;
            places.push(((span.start + put).checked_sub(taken)?, key.seal(bound_to, literal)?));
            edits.push((span.clone(), MASK.to_owned()));
            taken += literal.len();
            put += MASK.len();
        }
        Some((splice(text, edits), Self { key: id.to_owned(), places }))
    }

    /// Fills the holes of a text. None where a hole does not hold the mask, or was not sealed by this key for this record.
    pub fn fill(&self, text: &str, (key, bound_to): (&DataKey, &str)) -> Option<String> {
        let mut edits = Vec::with_capacity(self.places.len());
        for (start, sealed) in &self.places {
            let span = *start..start.checked_add(MASK.len())?;
            if text.get(span.clone())? != MASK {
                return None;
            }
            edits.push((span, key.open(bound_to, sealed)?));
        }
        Some(splice(text, edits))
    }

    /// Reads what [`Holes::write`] wrote; none for another text.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let key = parts.next().filter(|key| !key.is_empty())?.to_owned();
        let place = |part: &str| {
            let (start, sealed) = part.split_once(':')?;
            Some((start.parse().ok()?, sealed.to_owned()))
        };
        Some(Self { key, places: parts.map(place).collect::<Option<_>>()? })
    }

    /// The holes as text.
    pub fn write(&self) -> String {
        let mut text = self.key.clone();
        for (start, sealed) in &self.places {
            let _ = write!(text, " {start}:{sealed}");
        }
        text
    }
}
