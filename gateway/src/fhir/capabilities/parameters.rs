//! Search parameters as they are stated. R4 has no element for modifiers, nor for the parts of a composite: they stand in the documentation,
//! in a form that `api` reads again.

use serde_json::{Value, json};

use crate::app::AppState;
use crate::search::parameters::parameter;
use crate::search::query::modifiers;

/// What stands before modifiers.
pub const MODIFIERS: &str = "modifiers: ";
/// What stands before the parts of a composite.
pub const COMPONENTS: &str = "components: ";
/// What parts one from the next.
pub const BETWEEN: &str = ", ";

/// The parameters of the trail, which is searched in its own way.
const OF_TRAIL: &[(&str, &str)] = &[("patient", "reference"), ("date", "date"), ("outcome", "token"), ("_id", "token")];

/// A parameter of a type.
pub(super) fn stated(app: &AppState, resource_type: &str, name: &str, search_type: &str) -> Value {
    let mut stated = json!({"name": name, "type": search_type});
    let components = parameter(resource_type, name).map(|one| one.components.as_slice()).unwrap_or_default();
    let modifiers = modifiers(resource_type, name, &|target| app.types.contains(target));
    if !components.is_empty() {
        stated["documentation"] = json!(format!("{COMPONENTS}{}", components.join(BETWEEN)));
    } else if !modifiers.is_empty() {
        let modifiers: Vec<String> = modifiers.iter().map(|modifier| format!(":{modifier}")).collect();
        stated["documentation"] = json!(format!("{MODIFIERS}{}", modifiers.join(BETWEEN)));
    }
    stated
}

/// Those of the trail.
pub(super) fn of_trail() -> Vec<Value> {
    OF_TRAIL.iter().map(|(name, search_type)| json!({"name": name, "type": search_type})).collect()
}
