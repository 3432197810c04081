//! What a request would change: built step by step, decided at each step, and committed as one write set.
//!
//! A draft sees what is stored with its own changes on top, so that the entries of a transaction build on each other. It
//! notes what it was decided on; the storage compares that again under lock.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::caller::{Act, Caller};
use super::inquiry;
use super::version::{fresh_bits, meta};
use crate::app::App;
use crate::clock::format_instant;
use crate::consent::{self, Basis, Consent, ConsentId, Permit};
use crate::error::Failure;
use crate::labels::{Facts, stamp};
use crate::search::index::{IndexRow, index, local, localize};
use crate::storage::facts::{Located, RecordFacts};
use crate::storage::resource::Touched;
use crate::storage::sight::{DIRECTORY, Level};
use crate::storage::write_set::{
    Method, NewVersion, Precondition, RecordState, ReferralTask, ResourceKey, VersionId, WriteSet,
};
use mappings::json::spans::set_members;

/// A record as the draft would leave it.
#[derive(Clone, Debug)]
pub struct DraftRecord {
    /// Custody and closures, with the draft's changes.
    pub facts: RecordFacts,
    /// Whether the draft begins it.
    pub is_new: bool,
    moved: bool,
}

/// A resource as the draft would leave it.
#[derive(Debug)]
pub struct DraftResource {
    /// Where it is kept.
    pub key: ResourceKey,
    /// Its content, `id` included.
    pub value: Value,
    /// Its bytes.
    pub text: String,
    /// The version that it replaces.
    pub previous: Option<VersionId>,
    /// Its new version.
    pub version: VersionId,
    /// How it comes to be.
    pub method: Method,
    minimum: Option<Value>,
    permit: Permit,
    /// What it is about; of a deletion, nothing that counts.
    pub facts: Facts,
}

/// A change under way.
#[derive(Debug)]
pub struct Draft<'a> {
    /// The assembled gateway.
    pub app: &'a App,
    /// Who asks.
    pub caller: &'a Caller,
    /// The moment as `meta.lastUpdated` has it.
    pub instant: String,
    /// The rows that do not follow from records and resources.
    pub set: WriteSet,
    /// The Consents whose rules changed, by record, as long as nothing else has followed from it; none of a changed team.
    pub changed_rules: BTreeMap<String, BTreeSet<ConsentId>>,
    records: BTreeMap<String, DraftRecord>,
    /// Patients that were read with the Consents of their records.
    patients: BTreeMap<String, Located>,
    resources: Vec<DraftResource>,
}

/// What is to be put: bytes and their parsed form, the same document.
#[derive(Clone, Debug)]
pub struct Content {
    /// The bytes, any `id` and `meta` still as sent.
    pub text: String,
    /// The same, parsed.
    pub value: Value,
}

impl<'a> Draft<'a> {
    /// An empty draft of the caller's request.
    pub fn new(app: &'a App, caller: &'a Caller) -> Self {
        Self {
            app,
            caller,
            instant: format_instant(caller.now_ms),
            set: WriteSet::default(),
            changed_rules: BTreeMap::new(),
            records: BTreeMap::new(),
            patients: BTreeMap::new(),
            resources: Vec::new(),
        }
    }

    /// Begins a record that the caller's organisation holds.
    pub fn begin_record(&mut self, compartment: &str) {
        let facts = RecordFacts {
            compartment: compartment.to_owned(),
            custodian: self.caller.organization(),
            epoch: 1,
            chain: None,
            closures: Vec::new(),
        };
        self.records.insert(compartment.to_owned(), DraftRecord { facts, is_new: true, moved: false });
    }

    /// A record, as the draft would leave it; from then on the draft rests on its epoch.
    ///
    /// # Errors
    /// The database is away.
    pub async fn record(&mut self, compartment: &str) -> Result<Option<&mut DraftRecord>, Failure> {
        if !self.records.contains_key(compartment)
            && let Some(facts) = self.app.store.record_facts(compartment).await?
        {
            let epoch = facts.epoch;
            self.set.preconditions.push(Precondition::Epoch { compartment: compartment.to_owned(), epoch });
            self.records.insert(compartment.to_owned(), DraftRecord { facts, is_new: false, moved: false });
        }
        Ok(self.records.get_mut(compartment))
    }

    /// A record that must be there, to change it: its epoch moves on.
    ///
    /// # Errors
    /// The database is away, or there is no such record (a fault of ours).
    pub async fn move_record(&mut self, compartment: &str) -> Result<&mut RecordFacts, Failure> {
        let record =
            self.record(compartment).await?.ok_or(Failure::Internal("a record of a known resource is missing"))?;
        record.moved = true;
        Ok(&mut record.facts)
    }

    /// Whether the caller's organisation holds the record with sight, as the draft would leave it.
    pub fn holds(&self, compartment: &str) -> bool {
        let is_held = |record: &DraftRecord| {
            record.facts.custodian == self.caller.organization() && !self.is_closed(&record.facts)
        };
        let is_own = compartment == DIRECTORY || compartment == self.caller.organization();
        is_own || self.records.get(compartment).is_some_and(is_held)
    }

    /// Whether a closure shuts the caller's organisation out of a record.
    pub fn is_closed(&self, facts: &RecordFacts) -> bool {
        !inquiry::causes(&self.caller.registry, facts, self.caller.organization_id()).is_empty()
    }

    /// Whether something keeps the caller's practitioner from a record that their organisation may see.
    ///
    /// # Errors
    /// The database is away.
    pub async fn is_kept_from(&self, compartment: &str) -> Result<bool, Failure> {
        let is_new = self.records.get(compartment).is_some_and(|record| record.is_new);
        let is_record = compartment != DIRECTORY && !compartment.starts_with("organization/");
        if is_new || !is_record || !self.caller.is_practitioner() {
            return Ok(false);
        }
        Ok(self.app.store.is_kept_from(&self.caller.viewer(), compartment).await?)
    }

    /// A reference without our own base URL.
    pub fn local<'r>(&self, reference: &'r str) -> &'r str {
        local(reference, &self.app.base_url)
    }

    /// The Consents of a record, as the draft would leave them.
    ///
    /// # Errors
    /// The database is away, or a stored Consent does not read any more: then nothing is decided.
    pub async fn consents(&mut self, compartment: &str) -> Result<Vec<Consent>, Failure> {
        let stored = match self.records.get(compartment) {
            Some(record) if record.is_new => Vec::new(),
            _ => self.app.store.consents_and_patient(compartment).await?,
        };
        let mut values: BTreeMap<String, Value> = BTreeMap::new();
        for consent in stored {
            if consent.key.resource_type == "Patient" {
                // One with holes is read again where it is needed: a mask is no value to write or to decide on.
                if consent.is_whole() {
                    self.patients.insert(consent.key.id.clone(), consent);
                }
                continue;
            }
            let value =
                serde_json::from_str(&consent.body).map_err(|_| Failure::Internal("a stored Consent is not JSON"))?;
            values.insert(consent.key.id, value);
        }
        for resource in &self.resources {
            let key = &resource.key;
            if key.compartment == compartment && key.resource_type == "Consent" {
                if resource.method == Method::Delete {
                    values.remove(&key.id);
                } else {
                    values.insert(key.id.clone(), resource.value.clone());
                }
            }
        }
        Ok(values.into_iter().map(|(id, value)| self.read_consent(ConsentId(id), &value)).collect())
    }

    /// A stored Consent. One that was enforceable and is not any more (an identity that it names was changed) denies: nothing is
    /// decided on half of what the patient said, and it can still be withdrawn.
    pub(super) fn read_consent(&self, id: ConsentId, value: &Value) -> Consent {
        // That a team may be named was decided when the Consent was written; whether it has members still is another matter.
        let registered =
            |actor: &consent::ActorReference<'_>| actor.team().or_else(|| self.caller.registry.grantee(actor));
        consent::read(id.clone(), value, &registered).unwrap_or_else(|_| Consent::denying(id))
    }

    /// The workflow rows of a record, as the draft would leave them, oldest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn tasks(&mut self, compartment: &str) -> Result<Vec<ReferralTask>, Failure> {
        let stored = match self.records.get(compartment) {
            Some(record) if record.is_new => Vec::new(),
            _ => self.app.store.referral_tasks(compartment).await?,
        };
        let mut tasks: BTreeMap<String, ReferralTask> =
            stored.into_iter().map(|task| (task.id.clone(), task)).collect();
        for task in self.set.tasks.iter().filter(|task| task.compartment == compartment) {
            tasks.insert(task.id.clone(), task.clone());
        }
        Ok(tasks.into_values().collect())
    }

    /// A resource that the draft puts.
    pub fn pending(&self, resource_type: &str, id: &str) -> Option<&DraftResource> {
        self.resources.iter().find(|resource| resource.key.resource_type == resource_type && resource.key.id == id)
    }

    /// Every resource that the draft puts.
    pub fn resources(&self) -> &[DraftResource] {
        &self.resources
    }

    /// The same, to change what they say.
    pub fn resources_mut(&mut self) -> &mut [DraftResource] {
        &mut self.resources
    }

    /// The content of a resource as the draft would leave it, with the version that a put of it would replace.
    ///
    /// # Errors
    /// The database is away, or what is stored is not JSON.
    pub async fn content(&self, key: &ResourceKey) -> Result<Option<Stored>, Failure> {
        if let Some(resource) = self.pending(key.resource_type, &key.id) {
            if resource.method == Method::Delete {
                return Ok(None);
            }
            return Ok(Some(Stored {
                content: Content { text: resource.text.clone(), value: resource.value.clone() },
                minimum: resource.minimum.clone(),
                previous: resource.previous,
            }));
        }
        let located = match self.patients.get(&key.id).filter(|patient| patient.key == *key) {
            Some(patient) => patient.clone(),
            None => match self.app.store.locate(key.resource_type, &key.id).await? {
                Some(located) => located,
                None => return Ok(None),
            },
        };
        if located.deleted || located.key != *key {
            return Ok(None);
        }
        let parse =
            |text: &str| serde_json::from_str(text).map_err(|_| Failure::Internal("a stored resource is not JSON"));
        let minimum = located.minimum.as_deref().map(parse).transpose()?;
        let value = parse(&located.body)?;
        let content = Content { text: located.body, value };
        Ok(Some(Stored { content, minimum, previous: Some(located.version) }))
    }

    /// Puts a new version of a resource. Only with a permit: this is where "decided" becomes "written".
    pub fn put(&mut self, permit: Permit, put: Put) -> &DraftResource {
        let Put { key, content, previous, method, minimum } = put;
        if let Some(version) = previous {
            let known = Precondition::Version { key: key.clone(), version };
            if !self.set.preconditions.contains(&known) {
                self.set.preconditions.push(known);
            }
        }
        self.resources.retain(|resource| resource.key != key);
        let version = VersionId::after(previous, self.caller.now_ms, fresh_bits());
        let Content { text, mut value } = content;
        let facts = if method == Method::Delete {
            Facts::UNKNOWN
        } else {
            value["id"] = json!(key.id);
            self.computed_facts(&key, &value)
        };
        self.resources.push(DraftResource { key, value, text, previous, version, method, minimum, permit, facts });
        let last = self.resources.len() - 1;
        &self.resources[last]
    }

    /// Notes an act in the trail of a record, with the Consents on which it rests.
    pub fn note(&mut self, act: Act, basis: &Basis, key: &ResourceKey) {
        let version_id = self.pending(key.resource_type, &key.id).map_or(0, |resource| resource.version.0);
        let touched = Touched {
            compartment: key.compartment.clone(),
            resource_type: key.resource_type.to_owned(),
            resource_id: key.id.clone(),
            version_id,
            level: Level::Held,
        };
        let event = self.caller.event(act, basis.code(), &touched);
        let consents = if let Basis::Consent { consents } = basis { consents.as_slice() } else { &[] };
        let consents: Vec<String> = consents.iter().map(|id| id.0.clone()).collect();
        self.set.audit.push(event.resting_on(&consents));
    }

    /// The first of the records that the draft looked at; empty where it looked at none.
    pub fn first_record(&self) -> &str {
        self.records.keys().next().map(String::as_str).unwrap_or_default()
    }

    /// The draft as one write set, which leaves it empty but for the records that it rests on.
    pub fn finish(&mut self) -> WriteSet {
        debug_assert!(self.changed_rules.is_empty(), "what changed Consents entail was left out");
        for (compartment, record) in &self.records {
            let mut state = RecordState {
                compartment: compartment.clone(),
                custodian: record.facts.custodian.clone(),
                epoch: record.facts.epoch,
                chain: record.facts.chain.clone(),
            };
            if record.is_new {
                self.set.new_records.push(state);
            } else if record.moved {
                state.epoch += 1;
                self.set.moved_records.push(state);
            }
        }
        for resource in std::mem::take(&mut self.resources) {
            let version = new_version(&resource, &self.instant, self.caller, &self.app.base_url);
            self.set.write(&resource.permit, version);
        }
        std::mem::take(&mut self.set)
    }
}

/// What is stored of a resource, or pending.
#[derive(Debug)]
pub struct Stored {
    /// Bytes and parsed form, `id` and `meta` included.
    pub content: Content,
    /// What is shown of it before pick-up.
    pub minimum: Option<Value>,
    /// The version that is current in the database.
    pub previous: Option<VersionId>,
}

/// A new version on its way into a draft.
#[derive(Debug)]
pub struct Put {
    /// Where it is kept.
    pub key: ResourceKey,
    /// What it says.
    pub content: Content,
    /// The version that it replaces.
    pub previous: Option<VersionId>,
    /// How it comes to be.
    pub method: Method,
    /// What is shown of it to a waiting room or a past sender, without `meta`.
    pub minimum: Option<Value>,
}

impl Put {
    /// A new resource made by the gateway.
    pub fn made(key: ResourceKey, value: Value, minimum: Option<Value>) -> Self {
        let content = Content { text: value.to_string(), value };
        Self { key, content, previous: None, method: Method::Post, minimum }
    }
}

fn new_version(resource: &DraftResource, instant: &str, caller: &Caller, base: &str) -> NewVersion {
    let mut meta = meta(&resource.value, resource.version, instant);
    if is_of_record(&resource.key) {
        stamp(&mut meta, resource.facts.labels);
    }
    let deleted = resource.method == Method::Delete;
    let members = [("id", &*json!(resource.key.id).to_string()), ("meta", &*meta.to_string())];
    let body = if deleted { String::new() } else { set_members(&resource.text, &members) };
    let minimum = resource.minimum.as_ref().filter(|_| !deleted).map(|minimum| {
        let mut minimum = minimum.clone();
        minimum["meta"] = json!({"versionId": resource.version.to_string(), "lastUpdated": instant});
        minimum
    });
    NewVersion {
        key: resource.key.clone(),
        version: resource.version,
        last_updated_ms: caller.now_ms,
        author: caller.organization(),
        method: resource.method,
        body,
        holes: None,
        index: if deleted { Vec::new() } else { rows(resource, &meta, minimum.as_ref(), base) },
        facts: resource.facts.clone(),
        minimum: minimum.map(|minimum| minimum.to_string()),
        replaces: resource.previous.is_some(),
    }
}

/// The index rows with the form that each was made from: what only the whole says is not found by whoever sees the minimum.
fn rows(resource: &DraftResource, meta: &Value, minimum: Option<&Value>, base: &str) -> Vec<(IndexRow, i64)> {
    let mut whole = resource.value.clone();
    whole["meta"] = meta.clone();
    index_rows(resource.key.resource_type, &whole, minimum, base)
}

/// The index rows of a version, from its whole and its minimum, `meta` included. `base` is the gateway's own address.
pub fn index_rows(
    resource_type: &'static str,
    whole: &Value,
    minimum: Option<&Value>,
    base: &str,
) -> Vec<(IndexRow, i64)> {
    const WHOLE: i64 = 1;
    const MINIMUM: i64 = 2;
    let index = |value: &Value| {
        let mut rows = index(resource_type, value);
        localize(resource_type, &mut rows, base);
        rows
    };
    let mut rows: Vec<(IndexRow, i64)> = index(whole).into_iter().map(|row| (row, WHOLE)).collect();
    for row in minimum.map(index).unwrap_or_default() {
        match rows.iter_mut().find(|(other, _)| *other == row) {
            Some((_, sight)) => *sight |= MINIMUM,
            None => rows.push((row, MINIMUM)),
        }
    }
    if minimum.is_some() {
        // A sender finds the Tasks of its order by the order's id, which the minimum does not show to a room.
        rows.iter_mut().filter(|(row, _)| row.parameter == "part-of").for_each(|(_, sight)| *sight |= MINIMUM);
    }
    rows
}

/// Whether a resource is of a person's record: in the directory and in an organisation's own compartment nothing is labelled, for
/// no Consent is asked there.
pub fn is_of_record(key: &ResourceKey) -> bool {
    key.compartment != DIRECTORY && !key.compartment.starts_with("organization/")
}
