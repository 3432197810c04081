//! The form in which texts are kept and sought: the index and the query must cut and fold alike.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// The most characters of a string that are indexed and sought.
const STRING_CHARACTERS_MAX: usize = 200;

/// The most bytes of a system, code, reference or URI. Two of them in one key stay below
/// the 2,704 bytes that an index row of `PostgreSQL` may have.
const EXACT_BYTES_MAX: usize = 512;

/// A string as it is sought: lower case, without accents, white space reduced to single spaces.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len().min(STRING_CHARACTERS_MAX));
    let mut characters = 0;
    let mut after_space = true;
    for letter in letters(text) {
        let is_space = letter.is_whitespace();
        if is_space && after_space {
            continue;
        }
        if characters == STRING_CHARACTERS_MAX {
            break;
        }
        folded.push(if is_space { ' ' } else { letter });
        characters += 1;
        after_space = is_space;
    }
    folded.truncate(folded.trim_end().len());
    folded
}

/// The letters of a text as they are sought: lower case, without accents.
pub(super) fn letters(text: &str) -> impl Iterator<Item = char> {
    text.nfd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase)
}

/// How a string was written, for those who ask for exactly that: nothing where it is what [`fold`] makes of it. The sign before it
/// keeps it apart from the system of a token.
pub(super) fn written(text: &str, folded: &str) -> String {
    if text == folded { String::new() } else { format!("={}", exact(text)) }
}

/// A text that is sought as it is, cut where it is too long for an index.
pub(super) fn exact(text: &str) -> String {
    let mut end = text.len().min(EXACT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::{exact, fold, written};

    #[test]
    fn case_accents_and_white_space_do_not_count() {
        assert_eq!(fold("  Anaïs \u{a0}\n DE SMET "), "anais de smet");
        assert_eq!(fold("Anai\u{308}s"), fold("ANAÏS"));
        assert_eq!(fold("\u{301} "), "");
    }

    #[test]
    fn how_a_string_was_written_is_kept_where_folding_lost_it() {
        let of = |text: &str| written(text, &fold(text));
        assert_eq!([of("de smet"), of("De Smet"), of("de  smet")], ["", "=De Smet", "=de  smet"]);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(fold(&"é".repeat(300)).len(), 200);
        assert_eq!(exact(&"é".repeat(300)).len(), 512);
        assert_eq!(exact(&format!("a{}", "é".repeat(300))).len(), 511);
    }
}
