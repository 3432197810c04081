//! Numbers as they are kept and sought: by their place in the order of all numbers, so that they are compared as dates are.
//!
//! <https://hl7.org/fhir/R4/search.html#number>. A number of a resource is exact; one that is sought has the precision of its digits
//! where it is asked for equality, and is exact for every other comparison.

/// The most digits of a number that is sought.
const DIGITS_MAX: usize = 30;
/// The largest power of ten: beyond, no decimal of a resource can be read.
const EXPONENT_MAX: i32 = 400;

/// The place of a number among all numbers: of two, the larger has the larger place.
pub fn place(number: f64) -> i64 {
    // Zero has two forms, and one place.
    let bits = if number == 0.0 { 0 } else { number.to_bits().cast_signed() };
    // The bits of negative numbers grow with their size.
    if bits < 0 { bits ^ i64::MAX } else { bits }
}

/// A number that is sought: its own place, and the first and last place of what equals it to the precision in which it is written, and
/// of what is about the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sought {
    pub(super) exact: i64,
    pub(super) equal: (i64, i64),
    pub(super) about: (i64, i64),
}

/// Reads a decimal: digits, perhaps with a point, a sign before them and an exponent after them.
///
/// `100` and `1.00e2` have three significant digits, and stand for what is from 99.5 and below 100.5. (An example of the specification
/// gives `1e2` the range from 95 to 105; by its rule it is that from 50 to 150.)
pub(super) fn sought(text: &str) -> Option<Sought> {
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (is_negative, digits) = digits.strip_prefix('-').map_or((false, digits), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let has_point = digits.contains('.');
    let is_number = !whole.is_empty() && is_digits(whole) && is_digits(fraction) && has_point != fraction.is_empty();
    if !is_number || whole.len() + fraction.len() > DIGITS_MAX {
        return None;
    }
    let power: i32 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
    let power = power.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    if power.abs() > EXPONENT_MAX {
        return None;
    }
    let units: i128 = format!("{whole}{fraction}").parse().ok()?;
    let units = if is_negative { -units } else { units };
    // By tenths of the last digit; read from text, which rounds rightly, as the numbers of resources are.
    let tenths = |tenths: i128| {
        let number: f64 = format!("{tenths}e{}", power - 1).parse().ok()?;
        number.is_finite().then(|| place(number))
    };
    let equal = (tenths(units * 10 - 5)?, tenths(units * 10 + 5)? - 1);
    let about = (tenths(units * 10 - units.abs())?, tenths(units * 10 + units.abs())?);
    let about = (about.0.min(equal.0), about.1.max(equal.1));
    Some(Sought { exact: tenths(units * 10)?, equal, about })
}

#[cfg(test)]
mod tests {
    use super::{place, sought};
    use proptest::prelude::*;

    /// Whether a number of a resource equals a text.
    fn equals(text: &str, number: f64) -> bool {
        let sought = sought(text).expect("a number");
        (sought.equal.0..=sought.equal.1).contains(&place(number))
    }

    #[test]
    fn equality_is_to_the_precision_of_the_digits() {
        for (text, inside, outside) in [
            ("100", [99.5, 100.499_999], [99.499_999, 100.5]),
            ("100.00", [99.995, 100.004_999], [99.994_999, 100.005]),
            ("1e2", [50.0, 149.9], [49.9, 150.0]),
            ("1.00e2", [99.5, 100.4], [99.4, 100.5]),
            ("2.0", [1.95, 2.049], [1.949, 2.05]),
            ("-5.4", [-5.45, -5.351], [-5.451, -5.35]),
            ("0", [-0.5, 0.499], [-0.501, 0.5]),
            ("5.4e-3", [0.005_35, 0.005_449], [0.005_349, 0.005_45]),
        ] {
            assert!(inside.iter().all(|number| equals(text, *number)), "{text}");
            assert!(!outside.iter().any(|number| equals(text, *number)), "{text}");
        }
    }

    #[test]
    fn what_is_about_the_same_is_within_a_tenth() {
        let about = sought("50").expect("a number").about;
        assert_eq!(about, (place(45.0), place(55.0)));
        // But never less than what is equal.
        let about = sought("0").expect("a number").about;
        assert!(about.0 <= place(-0.5) && about.1 >= place(0.4));
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in
            ["", "-", ".5", "5.", "1e", "e5", "1e999", "0x1", "1,5", " 1", "+1", "inf", "NaN", "1e2.5", "--1", "1_0"]
        {
            assert_eq!(sought(text), None, "{text}");
        }
        assert_eq!(sought(&"9".repeat(31)), None);
        assert!(sought("007").is_some() && sought("1E+2").is_some());
    }

    proptest! {
        #[test]
        fn places_have_the_order_of_numbers(one: f64, other: f64) {
            prop_assume!(!one.is_nan() && !other.is_nan());
            prop_assert_eq!(place(one).cmp(&place(other)), one.partial_cmp(&other).expect("numbers have an order"));
        }

        #[test]
        fn a_decimal_equals_itself(units in -100_000_i64..100_000, power in -6_i32..6) {
            let text = format!("{units}e{power}");
            let number: f64 = text.parse().expect("a number");
            prop_assert!(equals(&text, number));
            prop_assert_eq!(sought(&text).expect("a number").exact, place(number));
        }
    }
}
