//! What a configuration chooses among: the table of labels, and the types that are served.

use std::collections::BTreeSet;
use std::sync::Arc;

use mappings::r4::structure::resource_types;

use super::StartError;
use crate::config::{Config, ServedTypes};
use crate::labels::LabelTable;
use crate::search::overlay::{SERVED_TYPES, belongs};
use crate::search::parameters::type_name;

/// The table of labels: the configured one, or that of the program.
///
/// # Errors
/// [`StartError::Labels`].
pub fn labels(config: &Config) -> Result<Arc<LabelTable>, StartError> {
    let Some(file) = &config.labels_file else { return Ok(LabelTable::built_in()) };
    let text = std::fs::read_to_string(file).map_err(|error| StartError::Labels(error.to_string()))?;
    LabelTable::read(&text).map(Arc::new).map_err(|error| StartError::Labels(error.to_string()))
}

pub(super) fn served(types: &ServedTypes) -> Result<BTreeSet<&'static str>, StartError> {
    let can_be_served = |name: &&'static str| *name == "AuditEvent" || belongs(name).is_some();
    match types {
        ServedTypes::Usual => Ok(SERVED_TYPES.iter().filter_map(|name| type_name(name)).collect()),
        ServedTypes::All => Ok(resource_types().filter(can_be_served).collect()),
        ServedTypes::Listed(names) => names
            .iter()
            .map(|name| type_name(name).filter(can_be_served).ok_or_else(|| StartError::Type(name.clone())))
            .collect(),
    }
}
