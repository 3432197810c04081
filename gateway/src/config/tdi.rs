//! `[tdi]`: where treatment demands are submitted.

use super::keys::Fallback::{Absent, Value};
use super::keys::Form::Text;
use super::keys::{Key, key};
use super::reader::Reader;
use super::sections::check_url;

/// `[tdi]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdiConfig {
    /// The address of the register's proxy.
    pub register_url: String,
    /// The id of the data collection.
    pub data_collection_id: String,
    /// The id of its version.
    pub data_collection_version: String,
    /// As what the data come in.
    pub source_type: String,
}

/// The keys of the section.
pub(super) const KEYS: &[Key] = &[
    key(
        "tdi",
        "register_url",
        Text,
        Absent,
        "The address of the proxy to the register of treatment demands, such as `https://hd4dp.example.org/proxy`. Without it nothing \
         is submitted; the file and the report of a year do without.",
    ),
    key(
        "tdi",
        "data_collection_id",
        Text,
        Absent,
        "The id of the register's data collection. Needed with `register_url`.",
    ),
    key("tdi", "data_collection_version", Text, Absent, "The id of the version of it. Needed with `register_url`."),
    key("tdi", "source_type", Text, Value("api"), "As what the register knows data that come in this way."),
];

pub(super) fn read(reader: &mut Reader) -> Option<TdiConfig> {
    let source_type = reader.text("tdi.source_type");
    let (id, version) =
        (reader.optional_text("tdi.data_collection_id"), reader.optional_text("tdi.data_collection_version"));
    let register_url = reader.optional_text("tdi.register_url")?;
    check_url(reader, "tdi.register_url", &register_url);
    let (Some(data_collection_id), Some(data_collection_version)) = (id, version) else {
        reader.fail("tdi.data_collection_id", "and tdi.data_collection_version are needed with tdi.register_url");
        return None;
    };
    Some(TdiConfig { register_url, data_collection_id, data_collection_version, source_type })
}
