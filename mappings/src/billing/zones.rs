//! How the values of a record or segment get into its zones and out of them: one macro, so that a field is named once.

use std::ops::Range;

use super::check_digits::seal;
use super::layout::{Form, Kind};
use super::value::Value;

/// A zone does not hold what its form says, or a value does not fit into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {} in {kind:?} is not of the form of its zone", field.replace('_', " "))]
pub struct ZoneError {
    /// The segment or record.
    pub kind: Kind,
    /// The field.
    pub field: &'static str,
}

/// Where a field stands: its zone, or a sign and the amount behind it.
pub(super) struct Place {
    field: &'static str,
    range: Range<usize>,
}

/// The places of fields, named as in the table but for `_`, which stands for `-`. A field whose zone follows one of a sign is of both.
pub(super) fn places(kind: Kind, fields: &[&'static str]) -> Vec<Place> {
    let layout = kind.layout();
    let place = |field: &'static str| {
        let name = field.replace('_', "-");
        let at = layout.zones.iter().position(|zone| zone.field == name).expect("a field is a zone of its layout");
        let zone = &layout.zones[at];
        let is_signed = at.checked_sub(1).is_some_and(|before| layout.zones[before].form == Form::Sign);
        let start = if is_signed { zone.start - 1 } else { zone.start };
        Place { field, range: start..zone.start + zone.length }
    };
    fields.iter().copied().map(place).collect()
}

/// Reads one field.
pub(super) fn read<T: Value>(bytes: &[u8], kind: Kind, place: &Place) -> Result<T, ZoneError> {
    let error = ZoneError { kind, field: place.field };
    bytes.get(place.range.clone()).and_then(T::read).ok_or(error)
}

/// Writes one field.
pub(super) fn write<T: Value>(value: &T, bytes: &mut [u8], kind: Kind, place: &Place) -> Result<(), ZoneError> {
    let error = ZoneError { kind, field: place.field };
    let is_written = bytes.get_mut(place.range.clone()).is_some_and(|zone| value.write(zone));
    if is_written { Ok(()) } else { Err(error) }
}

/// An empty segment or record, with its type where it has one.
pub(super) fn blank(kind: Kind) -> Vec<u8> {
    let mut bytes = kind.layout().blank().to_vec();
    if let Some(digits) = kind.record_type() {
        bytes[..2].copy_from_slice(digits.as_bytes());
    }
    bytes
}

/// Writes the check digits into a record that has them.
pub(super) fn finish(kind: Kind, bytes: &mut [u8]) {
    if kind.layout().zones.last().is_some_and(|zone| zone.form == Form::Check) {
        seal(bytes);
    }
}

/// Defines a value whose fields are zones.
macro_rules! zones {
    ($(#[$doc:meta])* $name:ident of $kind:ident { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $(
                #[doc = concat!("The zone `", stringify!($field), "` of the table.")]
                pub $field: $type,
            )*
        }

        impl $name {
            fn places() -> &'static [$crate::billing::zones::Place] {
                static PLACES: std::sync::LazyLock<Vec<$crate::billing::zones::Place>> = std::sync::LazyLock::new(|| {
                    $crate::billing::zones::places($crate::billing::layout::Kind::$kind, &[$(stringify!($field)),*])
                });
                &PLACES
            }

            /// Reads its characters. Reserved zones and check digits are not looked at.
            ///
            /// # Errors
            /// The first zone that is not of its form.
            pub fn read(bytes: &[u8]) -> Result<Self, $crate::billing::zones::ZoneError> {
                let kind = $crate::billing::layout::Kind::$kind;
                let mut places = Self::places().iter();
                Ok(Self {
                    $($field: $crate::billing::zones::read(
                        bytes,
                        kind,
                        places.next().expect("there is a place for each field"),
                    )?,)*
                })
            }

            /// Its characters, with its type and, where it has them, its check digits.
            ///
            /// # Errors
            /// The first value that does not fit into its zone.
            pub fn write(&self) -> Result<Vec<u8>, $crate::billing::zones::ZoneError> {
                let kind = $crate::billing::layout::Kind::$kind;
                let mut bytes = $crate::billing::zones::blank(kind);
                let mut places = Self::places().iter();
                $($crate::billing::zones::write(
                    &self.$field,
                    &mut bytes,
                    kind,
                    places.next().expect("there is a place for each field"),
                )?;)*
                $crate::billing::zones::finish(kind, &mut bytes);
                Ok(bytes)
            }
        }
    };
}
pub(super) use zones;
