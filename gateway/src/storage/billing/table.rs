//! A table whose rows are read and written whole: struct, columns, and both ways, from one list.

/// Makes the struct of a table's row, its columns in order, its cells, and how it is read. `text` is a String, `integer` an i64, `optional` a
/// text that may be missing.
macro_rules! table {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $column:ident: $kind:ident,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$doc])* pub $column: $crate::storage::billing::table::held!($kind),)*
        }

        impl $name {
            /// The columns, in order.
            pub(super) const COLUMNS: &'static [(&'static str, Kind)] =
                &[$((stringify!($column), $crate::storage::billing::table::kind!($kind))),*];

            /// The columns by name, with a comma between.
            pub(super) const NAMES: &'static str = $crate::storage::billing::table::listed!($($column),*);

            pub(super) fn cells(&self) -> Vec<Cell<'_>> {
                vec![$($crate::storage::billing::table::cell!(self, $column, $kind)),*]
            }

            pub(super) fn read<'r, R>(row: &'r R) -> Self
            where
                R: sqlx::Row,
                &'static str: sqlx::ColumnIndex<R>,
                String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
                Option<String>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
                i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
            {
                Self { $($column: row.get(stringify!($column)),)* }
            }
        }
    };
}

macro_rules! held {
    (text) => { String };
    (integer) => { i64 };
    (optional) => { Option<String> };
}

macro_rules! kind {
    (integer) => {
        Integer
    };
    ($text:ident) => {
        Text
    };
}

macro_rules! cell {
    ($row:expr, $column:ident, integer) => {
        Cell::from($row.$column)
    };
    ($row:expr, $column:ident, text) => {
        Cell::from($row.$column.as_str())
    };
    ($row:expr, $column:ident, optional) => {
        Cell::from($row.$column.as_deref())
    };
}

macro_rules! listed {
    ($first:ident $(, $column:ident)*) => { concat!(stringify!($first) $(, ", ", stringify!($column))*) };
}

pub(super) use {cell, held, kind, listed, table};
