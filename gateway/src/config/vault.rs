//! `[vault]`: what is sealed, and where the keys are.

use std::path::PathBuf;

use super::DatabaseUrl;
use super::keys::Fallback::{Absent, Required, Value};
use super::keys::Form::{Integer, List, Text};
use super::keys::{Key, key};
use super::reader::Reader;

/// `[vault]`
#[derive(Clone, Debug)]
pub struct VaultConfig {
    /// Where the keys of records are.
    pub key_store: DatabaseUrl,
    /// Where the keys are that wrap them.
    pub ring: RingSource,
    /// Systems of identifiers that are sealed.
    pub identifier_systems: Vec<String>,
    /// Elements of a person that are sealed: of `name`, `address` and `telecom`.
    pub elements: Vec<String>,
    /// How long copies of the key store are kept.
    pub copies_days: u32,
}

/// Where the keys are that wrap those of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RingSource {
    /// A file on this machine.
    File(PathBuf),
    /// A program that prints them, with its arguments.
    Command(String),
}

/// The keys of the section.
pub(super) const KEYS: &[Key] = &[
    key(
        "vault",
        "key_store",
        Text,
        Required,
        "The database of the keys of records, `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/NAME`: another than that of the \
         records, and in none of its backups. Every replica has the same.",
    ),
    key(
        "vault",
        "key_ring_file",
        Text,
        Absent,
        "File with the keys that wrap those of records, made by `wellgate vault new-key`; under systemd a credential, such as \
         `/run/credentials/wellgate.service/key-ring`. Either this or `key_ring_command`. Every replica has the same.",
    ),
    key(
        "vault",
        "key_ring_command",
        Text,
        Absent,
        "Program, with its arguments between spaces, that prints the same lines: the way to a key-management service.",
    ),
    key(
        "vault",
        "identifier_systems",
        List,
        Value(
            "https://www.ehealth.fgov.be/standards/fhir/core/NamingSystem/ssin,\
             https://www.ehealth.fgov.be/standards/fhir/NamingSystem/ssin,\
             http://fhir.nl/fhir/NamingSystem/bsn,urn:oid:2.16.840.1.113883.2.4.6.3",
        ),
        "The systems of the identifiers that are sealed. They are found by their whole value only.",
    ),
    key(
        "vault",
        "elements",
        List,
        Value(""),
        "Of `name`, `address` and `telecom`, those of a person that are sealed as well. They are not searched by then.",
    ),
    key(
        "vault",
        "copies_days",
        Integer(0, 3_650),
        Value("35"),
        "Days for which copies of the key store are kept. After a key is destroyed, its receipt names the day on which the last copy \
         dies.",
    ),
];

/// Reads the section. `records` is the database that the keys must not lie in.
pub(super) fn read(reader: &mut Reader, records: &DatabaseUrl) -> VaultConfig {
    let url = reader.parsed("vault.key_store", "sqlite:PATH or postgres://…");
    if url.as_ref() == Some(records) {
        reader.fail("vault.key_store", "is the database of the records: keys beside what they seal protect nothing");
    }
    let ring = match (reader.optional_text("vault.key_ring_file"), reader.optional_text("vault.key_ring_command")) {
        (Some(file), None) => RingSource::File(file.into()),
        (None, Some(command)) => RingSource::Command(command),
        (file, _) => {
            let message = if file.is_some() {
                "is given together with key_ring_command"
            } else {
                "is required, or key_ring_command"
            };
            reader.fail("vault.key_ring_file", message);
            RingSource::File(PathBuf::new())
        }
    };
    let identifier_systems = reader.list("vault.identifier_systems");
    let elements = reader.list("vault.elements");
    if elements.iter().any(|element| !["name", "address", "telecom"].contains(&element.as_str())) {
        reader.fail("vault.elements", "lists some of name, address and telecom");
    }
    VaultConfig {
        key_store: url.unwrap_or(DatabaseUrl::Sqlite(PathBuf::new())),
        ring,
        identifier_systems,
        elements,
        copies_days: reader.integer("vault.copies_days"),
    }
}
