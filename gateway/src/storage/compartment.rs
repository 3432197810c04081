//! A search within a compartment as SQL: any of several references leads to what the compartment is of.

use std::fmt::Write as _;

use super::search::Statement;
use crate::search::compartment::{Membership, Within};

/// The condition on resource row `r`, and on row `s` by what is seen of it. `resource_type` is the parameter that has the type.
pub(super) fn within_sql(statement: &mut Statement, resource_type: &str, within: &Within) -> (String, String) {
    let Membership { parameters, is_itself } = within.membership;
    let reference = statement.text(&within.reference);
    let names: Vec<String> = parameters.iter().map(|name| format!("'{name}'")).collect();
    let names = if names.is_empty() { "NULL".to_owned() } else { names.join(", ") };
    let found = |parameter: &str| {
        format!(
            "FROM search_index i WHERE i.resource_type = {resource_type} AND {parameter} IN ({names}) AND i.value = {reference}"
        )
    };
    let mut keys = format!("SELECT i.compartment, i.id {}", found("i.parameter"));
    if *is_itself {
        let id = statement.text(within.reference.rsplit('/').next().unwrap_or_default());
        let _ = write!(
            keys,
            " UNION ALL SELECT x.compartment, x.id FROM resource x WHERE x.resource_type = {resource_type} AND x.id = {id}"
        );
    }
    let by_row = format!("(r.compartment, r.id) IN ({keys})");
    // By its key: the index of values has all of the compartment.
    let by_seen = format!(
        "EXISTS (SELECT 1 {} AND i.compartment = s.compartment AND i.id = s.id AND (i.sight & s.level) <> 0)",
        found("i.parameter || ''")
    );
    (by_row, by_seen)
}
