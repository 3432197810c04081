//! Who is billed for: number, name and insurance, sealed with a key of the person's own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Books;
use crate::error::Failure;
use crate::storage::billing::InsuredPersonRow;
use crate::storage::{StorageError, Store};
use crate::vault::scope;

/// Records of one person: they have one, or a few where nobody knew that they were the same.
const RECORDS_MAX: usize = 20;

/// Somebody who is billed for, as far as an insurer has to know them.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InsuredPerson {
    /// The national number.
    pub ssin: String,
    /// The name, for the clerk alone: no file has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// 1 male, 2 female, as the mutuality knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sex: Option<u8>,
    /// The mutuality of affiliation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affiliation: Option<u16>,
    /// Insurability code 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ct1: Option<u16>,
    /// Insurability code 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ct2: Option<u16>,
    /// The care fund.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub care_fund: Option<u16>,
    /// The records from which something of theirs was billed: where they may say that no insurer is told. Sealed like the number, so that
    /// nothing joins the books to a dossier for who has the database alone.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub records: BTreeSet<String>,
}

/// Without number and name.
impl fmt::Debug for InsuredPerson {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { affiliation, care_fund, .. } = self;
        formatter
            .debug_struct("InsuredPerson")
            .field("affiliation", affiliation)
            .field("care_fund", care_fund)
            .finish_non_exhaustive()
    }
}

impl InsuredPerson {
    /// The keyed name under which the person is kept.
    pub(super) fn id(&self, store: &Store) -> String {
        store.veil(&format!("insured {}", self.ssin))
    }

    /// What is known now, and where it says nothing what was known before.
    #[must_use]
    fn over(self, known: Self) -> Self {
        Self {
            ssin: self.ssin,
            name: self.name.or(known.name),
            sex: self.sex.or(known.sex),
            affiliation: self.affiliation.or(known.affiliation),
            ct1: self.ct1.or(known.ct1),
            ct2: self.ct2.or(known.ct2),
            care_fund: self.care_fund.or(known.care_fund),
            records: self.records.into_iter().chain(known.records).take(RECORDS_MAX).collect(),
        }
    }
}

impl Books<'_> {
    /// People by the names under which they are kept, those that there are.
    ///
    /// # Errors
    /// The database or the key store is away.
    pub async fn people(&self, ids: &[String]) -> Result<HashMap<String, InsuredPerson>, Failure> {
        let store = &self.app.store;
        let rows = store.insured_people(&self.compartment, ids).await?;
        let sealed: Vec<&str> = rows.iter().map(|row| row.sealed.as_str()).collect();
        let opened = store.open_texts(&sealed).await?;
        let read = |(row, text): (&InsuredPersonRow, &String)| {
            let person = serde_json::from_str(text).map_err(|_| StorageError::Corrupt("an insured person"))?;
            Ok((row.id.clone(), person))
        };
        Ok(rows.iter().zip(&opened).map(read).collect::<Result<_, StorageError>>()?)
    }

    /// The people as they are kept from now on: what is new over what is known, by the names under which they are kept.
    pub(super) async fn known(
        &self,
        new: impl IntoIterator<Item = InsuredPerson>,
    ) -> Result<BTreeMap<String, InsuredPerson>, Failure> {
        let mut people: BTreeMap<String, InsuredPerson> = BTreeMap::new();
        for person in new {
            let id = person.id(&self.app.store);
            let known = people.remove(&id).unwrap_or_default();
            people.insert(id, person.over(known));
        }
        let ids: Vec<String> = people.keys().cloned().collect();
        for (id, known) in self.people(&ids).await? {
            if let Some(person) = people.remove(&id) {
                people.insert(id, person.over(known));
            }
        }
        Ok(people)
    }

    /// The row of a person.
    pub(super) async fn person_row(&self, id: &str, person: &InsuredPerson) -> Result<InsuredPersonRow, Failure> {
        let text = serde_json::to_string(person).map_err(|_| Failure::Internal("a person is no JSON"))?;
        let of = scope(&self.compartment, "InsuredPerson", id);
        let sealed = self.app.store.seal_text(&of, &text, self.now_ms()).await?;
        Ok(InsuredPersonRow {
            compartment: self.compartment.clone(),
            id: id.to_owned(),
            sealed,
            changed_ms: self.now_ms(),
        })
    }
}
