//! How long an ASN.1 element is, in BER or DER: enough to see whether anything follows it.
//!
//! Specification: <https://www.itu.int/rec/T-REC-X.690>, 8.1

/// Elements of indefinite length may hold each other; key stores and messages do so a few times.
const DEPTH_MAX: usize = 16;

/// The length of the first element with its head, if it is whole.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    element(bytes, DEPTH_MAX)
}

fn element(bytes: &[u8], depth: usize) -> Option<usize> {
    let (head, content) = head(bytes)?;
    if let Some(content) = content {
        return head.checked_add(content).filter(|length| *length <= bytes.len());
    }
    // Indefinite: elements, until one that is two zeros.
    let mut position = head;
    loop {
        let rest = bytes.get(position..)?;
        if rest.starts_with(&[0, 0]) {
            return Some(position + 2);
        }
        position += element(rest, depth.checked_sub(1)?)?;
    }
}

/// The length of tag and length, and that of the content where it is said.
fn head(bytes: &[u8]) -> Option<(usize, Option<usize>)> {
    let tag = *bytes.first()?;
    let mut position = 1;
    if tag & 0x1f == 0x1f {
        while *bytes.get(position)? & 0x80 != 0 {
            position += 1;
        }
        position += 1;
    }
    let first = *bytes.get(position)?;
    position += 1;
    match first {
        0..0x80 => Some((position, Some(first.into()))),
        // Only what is made of elements can have an end among them.
        0x80 => (tag & 0x20 != 0).then_some((position, None)),
        _ => {
            let count = usize::from(first & 0x7f);
            let digits = bytes.get(position..position + count).filter(|_| count <= 4)?;
            let content = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            Some((position + count, Some(content)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_element_is_found_in_every_form_of_length() {
        let long: Vec<u8> = [&[0x30, 0x82, 0x01, 0x00][..], &[0; 256]].concat();
        let tagged = [0xbf, 0x81, 0x01, 0x01, 0x00];
        let nested = [0x30, 0x80, 0x24, 0x80, 0x04, 0x02, 0, 0, 0, 0, 0, 0];
        for whole in [&[0x05, 0x00][..], &[0x04, 0x02, 0, 0], &long, &tagged, &nested] {
            assert_eq!(length(whole), Some(whole.len()), "{whole:02x?}");
            assert_eq!(length(&[whole, &[0x05, 0x00]].concat()), Some(whole.len()), "{whole:02x?}");
            for cut in 0..whole.len() {
                assert_eq!(length(&whole[..cut]), None, "{whole:02x?} cut to {cut}");
            }
        }
    }

    #[test]
    fn what_never_ends_is_no_element() {
        let deep = [0x30, 0x80].repeat(100_000);
        for bytes in [&deep[..], &[0x04, 0x80, 0, 0], &[0x30, 0x85, 1, 1, 1, 1, 1], &[0x30, 0xff], &[0x1f], &[]] {
            assert_eq!(length(bytes), None);
        }
    }
}
