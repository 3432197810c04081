//! What the server under test says that it offers: its CapabilityStatement, as far as questions are made from it.

use serde_json::Value;

/// A type as it is served.
#[derive(Clone, Debug, Default)]
pub struct TypeServed {
    /// The type.
    pub name: String,
    /// Codes of type-restful-interaction.
    pub interactions: Vec<String>,
    /// Name and type of each search parameter.
    pub parameters: Vec<(String, String)>,
    /// Values of `_include`.
    pub includes: Vec<String>,
    /// Values of `_revinclude`.
    pub reverse_includes: Vec<String>,
    /// Operations on the type and its instances, without the dollar sign.
    pub operations: Vec<String>,
    /// Whether each is claimed.
    pub conditional: Conditional,
}

/// The conditional interactions of a type.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditional {
    /// `If-None-Exist`.
    pub create: bool,
    /// `PUT [type]?…`
    pub update: bool,
    /// `DELETE [type]?…`
    pub delete: bool,
}

impl TypeServed {
    /// Whether an interaction is claimed.
    pub fn offers(&self, interaction: &str) -> bool {
        self.interactions.iter().any(|code| code == interaction)
    }
}

/// The whole.
#[derive(Clone, Debug, Default)]
pub struct Capabilities {
    /// Each served type.
    pub types: Vec<TypeServed>,
    /// Codes of system-restful-interaction.
    pub interactions: Vec<String>,
    /// The types that have a compartment.
    pub compartments: Vec<String>,
    /// Operations on the whole system.
    pub operations: Vec<String>,
}

impl Capabilities {
    /// Reads a CapabilityStatement.
    ///
    /// # Errors
    /// It has no server part.
    pub fn read(statement: &Value) -> Result<Self, String> {
        let rest = statement["rest"].as_array().and_then(|rest| rest.iter().find(|rest| rest["mode"] == "server"));
        let rest = rest.ok_or("metadata is no CapabilityStatement of a server")?;
        let types = rest["resource"].as_array().into_iter().flatten().map(type_served).collect();
        Ok(Self {
            types,
            interactions: texts(&rest["interaction"], "code"),
            compartments: rest["compartment"].as_array().into_iter().flatten().filter_map(compartment).collect(),
            operations: texts(&rest["operation"], "name"),
        })
    }

    /// Whether any type claims an interaction.
    pub fn offers(&self, interaction: &str) -> bool {
        self.types.iter().any(|served| served.offers(interaction))
            || self.interactions.iter().any(|code| code == interaction)
    }

    /// A type, if it is served.
    pub fn served(&self, name: &str) -> Option<&TypeServed> {
        self.types.iter().find(|served| served.name == name)
    }
}

fn type_served(resource: &Value) -> TypeServed {
    let list = |name: &str| -> Vec<String> {
        let values = resource[name].as_array().into_iter().flatten();
        values.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let parameters = resource["searchParam"].as_array().into_iter().flatten();
    TypeServed {
        name: text(&resource["type"]),
        interactions: texts(&resource["interaction"], "code"),
        parameters: parameters.map(|parameter| (text(&parameter["name"]), text(&parameter["type"]))).collect(),
        includes: list("searchInclude"),
        reverse_includes: list("searchRevInclude"),
        operations: texts(&resource["operation"], "name"),
        conditional: Conditional {
            create: resource["conditionalCreate"] == true,
            update: resource["conditionalUpdate"] == true,
            delete: matches!(resource["conditionalDelete"].as_str(), Some("single" | "multiple")),
        },
    }
}

/// The type of a compartment, by the canonical address of its definition.
fn compartment(definition: &Value) -> Option<String> {
    let name = definition.as_str()?.rsplit('/').next()?;
    let (first, rest) = name.split_at_checked(1)?;
    Some(first.to_ascii_uppercase() + rest)
}

fn texts(list: &Value, name: &str) -> Vec<String> {
    list.as_array().into_iter().flatten().map(|item| text(&item[name])).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
