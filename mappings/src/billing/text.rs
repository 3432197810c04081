//! Text in the characters that the file takes: printable ASCII, without diacritics and without `! @ # & / \`.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Characters that are ASCII and still may not stand in a text.
const FORBIDDEN: [char; 6] = ['!', '@', '#', '&', '/', '\\'];

/// Whether a text may stand in the file as it is.
pub fn is_allowed(text: &str) -> bool {
    text.chars().all(|character| (' '..='~').contains(&character) && !FORBIDDEN.contains(&character))
}

/// The same text in allowed characters: marks are left out, ligatures written in two letters, and whatever has no ASCII letter
/// becomes a blank, so that words stay apart.
pub fn transliterate(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for character in text.nfkd().filter(|character| !is_combining_mark(*character)) {
        match character {
            'Æ' => ascii.push_str("AE"),
            'æ' => ascii.push_str("ae"),
            'Œ' => ascii.push_str("OE"),
            'œ' => ascii.push_str("oe"),
            'ß' => ascii.push_str("ss"),
            'Þ' => ascii.push_str("Th"),
            'þ' => ascii.push_str("th"),
            'Ø' => ascii.push('O'),
            'ø' => ascii.push('o'),
            'Đ' | 'Ð' => ascii.push('D'),
            'đ' | 'ð' => ascii.push('d'),
            'Ł' => ascii.push('L'),
            'ł' => ascii.push('l'),
            'ı' => ascii.push('i'),
            '’' | '‘' | 'ʼ' | '´' => ascii.push('\''),
            '–' | '—' | '‐' | '−' => ascii.push('-'),
            ' '..='~' if !FORBIDDEN.contains(&character) => ascii.push(character),
            _ => ascii.push(' '),
        }
    }
    ascii
}

/// The same text in allowed characters, cut to a length.
pub fn fitted(text: &str, length: usize) -> String {
    let mut ascii = transliterate(text);
    ascii.truncate(length);
    ascii.truncate(ascii.trim_end().len());
    ascii
}

#[cfg(test)]
mod tests {
    use super::{fitted, is_allowed, transliterate};

    #[test]
    fn diacritics_are_left_out_and_what_has_no_letter_is_a_blank() {
        assert_eq!(transliterate("Chloé Lefèvre-Müller"), "Chloe Lefevre-Muller");
        assert_eq!(transliterate("Œuvre d’Æstrid Straße"), "OEuvre d'AEstrid Strasse");
        assert_eq!(transliterate("A & B / C@D #1!\\"), "A   B   C D  1  ");
        assert_eq!(transliterate("Łukasz Ñandú Čapek Åse ﬁn"), "Lukasz Nandu Capek Ase fin");
        assert_eq!(transliterate("东京\n\u{0}"), "    ");
    }

    #[test]
    fn what_is_transliterated_is_allowed_and_stays_as_it_is() {
        for text in ["Zoë", "a&b", "x\u{301}", "🙂", "ﷺ", "½"] {
            let ascii = transliterate(text);
            assert!(is_allowed(&ascii) && transliterate(&ascii) == ascii, "{text}");
        }
        assert!(!is_allowed("é") && !is_allowed("a/b") && !is_allowed("\t"));
    }

    #[test]
    fn a_text_is_cut_where_its_zone_ends() {
        assert_eq!(fitted("Maatschappelijk", 6), "Maatsc");
        assert_eq!(fitted("ab é", 3), "ab");
    }
}
