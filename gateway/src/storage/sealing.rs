//! Sealing at the door of the storage: what is written is sealed before it is queued, what is shown is opened after it is recorded.
//!
//! Everything above the storage sees values, everything below sees holes and tokens.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::facts::Located;
use super::key_store::{DestroyedKey, KeyStore, RecordKey};
use super::resource::Seen;
use super::sight::Level;
use super::write_set::{NewVersion, ResourceKey, WriteSet};
use super::{StorageError, Store};
use crate::search::query::{Query, Token, TokenSystem, Values};
use crate::vault::{Holes, scope};

/// A text that may have holes.
struct Text<'a> {
    body: &'a mut String,
    holes: &'a str,
}

impl Store {
    /// The key store, where there is one.
    pub fn keys(&self) -> Option<&KeyStore> {
        self.keys.as_ref()
    }

    /// Seals what a write set would store: bodies and the rows by which they are found.
    pub(super) async fn seal(&self, set: &mut WriteSet) -> Result<(), StorageError> {
        let Some(keys) = &self.keys else { return Ok(()) };
        let now_ms = set.versions.iter().map(|version| version.last_updated_ms).max().unwrap_or_default();
        let mut sealed = Vec::new();
        let mut scopes: Vec<String> = Vec::new();
        for (n, version) in set.versions.iter_mut().enumerate() {
            version.holes = Some(String::new());
            let resource_type = version.key.resource_type;
            version.index.retain(|(row, _)| !keys.sealed().hides(resource_type, row.parameter));
            let spans = keys.sealed().places(&version.body);
            if version.minimum.as_deref().is_some_and(|minimum| !keys.sealed().places(minimum).is_empty()) {
                return Err(StorageError::Corrupt("a minimum has a sealed value"));
            }
            let is_found = version.index.iter().any(|(row, _)| keys.sealed().has_system(&row.system));
            if spans.is_empty() && !is_found {
                continue;
            }
            let scope = scope_of(&version.key);
            if !scopes.contains(&scope) {
                scopes.push(scope.clone());
            }
            sealed.push((n, scope, spans));
        }
        if sealed.is_empty() {
            return Ok(());
        }
        let found = keys.for_writing(&scopes, now_ms).await?;
        let mut tokens = Vec::new();
        for (n, scope, spans) in sealed {
            let Some(version) = set.versions.get_mut(n) else { continue };
            let key = found.iter().find(|key| key.scope == scope).ok_or(StorageError::Vault("a key is missing"))?;
            seal_version(version, &spans, key)?;
            seal_index(keys, version, key, &mut tokens);
        }
        tokens.sort();
        tokens.dedup();
        // Before the rows that need them: a token without a row finds nothing, a row without a token would be lost.
        if tokens.is_empty() { Ok(()) } else { keys.remember(&tokens).await }
    }

    /// Fills the holes of what is shown. By law only attendance is told, and never a number.
    pub(super) async fn fill_shown(&self, shown: Vec<&mut Seen>) -> Result<(), StorageError> {
        let may_have = |seen: &&mut Seen| !matches!(seen.level, Level::Law | Level::Minimum);
        let texts = shown.into_iter().filter(may_have);
        self.fill(texts.map(|Seen { body, holes, .. }| Text { body, holes: holes.as_str() }).collect()).await
    }

    /// Fills the holes of what a decision rests on, and a new version may be made from.
    pub(super) async fn fill_located(&self, located: &mut [Located]) -> Result<(), StorageError> {
        let texts = located.iter_mut().map(|Located { body, holes, .. }| Text { body, holes: holes.as_str() });
        self.fill(texts.collect()).await
    }

    async fn fill(&self, texts: Vec<Text<'_>>) -> Result<(), StorageError> {
        let holed: Vec<(Text<'_>, Holes)> = texts
            .into_iter()
            .filter(|text| !text.holes.is_empty())
            .map(|text| Holes::read(text.holes).map(|holes| (text, holes)).ok_or(StorageError::Corrupt("holes")))
            .collect::<Result<_, _>>()?;
        let Some(keys) = self.keys.as_ref().filter(|_| !holed.is_empty()) else { return Ok(()) };
        let mut ids: Vec<String> = holed.iter().map(|(_, holes)| holes.key.clone()).collect();
        ids.sort();
        ids.dedup();
        let found = keys.by_ids(&ids).await?;
        ids.retain(|id| !found.contains_key(id));
        // A mask in place of a value that is merely not found would be written back as the value.
        if !ids.is_empty() && !keys.missing(&ids).await?.is_empty() {
            return Err(StorageError::Vault(
                "a key is missing: the key store is an older copy; see wellgate vault give-up",
            ));
        }
        for (text, holes) in holed {
            // A key that ended: the mask stays.
            if let Some(key) = found.get(&holes.key) {
                *text.body = holes.fill(text.body, (&key.key, &key.scope)).ok_or(StorageError::Corrupt("a hole"))?;
            }
        }
        Ok(())
    }

    /// The query in the words of the index: sealed identifiers by their tokens.
    pub(super) async fn sealed_query<'q>(&self, query: &'q Query) -> Result<Cow<'q, Query>, StorageError> {
        let Some(keys) = &self.keys else { return Ok(Cow::Borrowed(query)) };
        let mut asked: BTreeSet<String> = BTreeSet::new();
        for criterion in &query.criteria {
            criterion.each(&mut |values| {
                let Values::Token(tokens) = values else { return };
                for token in tokens {
                    let code = token.code.as_deref().unwrap_or_default();
                    asked.extend(sealed_systems(keys, token).into_iter().map(|system| keys.blind(system, code)));
                }
            });
        }
        if asked.is_empty() {
            return Ok(Cow::Borrowed(query));
        }
        let blinds: Vec<String> = asked.into_iter().collect();
        let mut known: HashMap<String, Vec<String>> = HashMap::new();
        for (blind, token) in keys.tokens(&blinds).await? {
            known.entry(blind).or_default().push(token);
        }
        let mut query = query.clone();
        for criterion in &mut query.criteria {
            criterion.each_mut(&mut |values| put_tokens(keys, &known, values));
        }
        Ok(Cow::Owned(query))
    }

    /// Seals a text that is kept beside the resources, with a key of its own: the scope ([`crate::vault::scope`]) says whose it is.
    ///
    /// # Errors
    /// [`StorageError`]; there is no key store.
    pub async fn seal_text(&self, scope: &str, text: &str, now_ms: i64) -> Result<String, StorageError> {
        let keys = self.keys().ok_or(StorageError::Vault("there is no key store"))?;
        let found = keys.for_writing(&[scope.to_owned()], now_ms).await?;
        let key = found.first().ok_or(StorageError::Vault("a key is missing"))?;
        let sealed = key.key.seal(&key.scope, text).ok_or(StorageError::Vault("a text cannot be sealed"))?;
        Ok(format!("{} {sealed}", key.id))
    }

    /// Opens what [`Store::seal_text`] sealed.
    ///
    /// # Errors
    /// [`StorageError`]; its key is gone.
    pub async fn open_text(&self, sealed: &str) -> Result<String, StorageError> {
        let texts = self.open_texts(&[sealed]).await?;
        texts.into_iter().next().ok_or(StorageError::Corrupt("a sealed text"))
    }

    /// Opens several, with one look into the key store, in their order.
    ///
    /// # Errors
    /// [`StorageError`]; a key is gone.
    pub async fn open_texts(&self, sealed: &[&str]) -> Result<Vec<String>, StorageError> {
        let keys = self.keys().ok_or(StorageError::Vault("there is no key store"))?;
        let split = sealed.iter().map(|one| one.split_once(' ').ok_or(StorageError::Corrupt("a sealed text")));
        let split: Vec<(&str, &str)> = split.collect::<Result<_, _>>()?;
        let mut ids: Vec<String> = split.iter().map(|(id, _)| (*id).to_owned()).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = keys.by_ids(&ids).await?;
        let open = |(id, sealed): &(&str, &str)| {
            let key = found.get(*id).ok_or(StorageError::Vault("the key of a text is missing"))?;
            key.key.open(&key.scope, sealed).ok_or(StorageError::Corrupt("a sealed text"))
        };
        split.iter().map(open).collect()
    }

    /// A name for a text that may have a number in it (a condition, a request), which tells nothing of it.
    pub fn veil(&self, text: &str) -> String {
        self.keys.as_ref().map_or_else(|| text.to_owned(), |keys| keys.blind("veil", text))
    }

    /// What stands for a person at a register; none without a key store.
    pub fn pseudonym(&self, register: &str, number: &str) -> Option<[u8; 32]> {
        self.keys.as_ref().map(|keys| keys.pseudonym(register, number))
    }

    /// Destroys the keys of a record: what they sealed is unreadable from then on, in every copy of the database. Answers how many
    /// keys there were; the trail gets its receipt by [`Store::destroyed_keys`].
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn destroy_keys(&self, compartment: &str, now_ms: i64) -> Result<u64, StorageError> {
        match &self.keys {
            Some(keys) => keys.destroy(compartment, i64::MAX, now_ms).await,
            None => Ok(0),
        }
    }

    /// Destroyed keys for which the trail has no receipt yet.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn destroyed_keys(&self) -> Result<Vec<DestroyedKey>, StorageError> {
        match &self.keys {
            Some(keys) => keys.without_receipt().await,
            None => Ok(Vec::new()),
        }
    }

    /// Forgets a destroyed key, once the trail has its receipt.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn forget_destroyed_key(&self, id: &str) -> Result<(), StorageError> {
        match &self.keys {
            Some(keys) => keys.forget(id).await,
            None => Ok(()),
        }
    }
}

fn scope_of(key: &ResourceKey) -> String {
    scope(&key.compartment, key.resource_type, &key.id)
}

fn seal_version(
    version: &mut NewVersion,
    spans: &[std::ops::Range<usize>],
    key: &RecordKey,
) -> Result<(), StorageError> {
    if spans.is_empty() {
        return Ok(());
    }
    let cut = Holes::cut(&version.body, spans, &key.id, (&key.key, &key.scope));
    let (body, holes) = cut.ok_or(StorageError::Vault("a value cannot be sealed"))?;
    (version.body, version.holes) = (body, Some(holes.write()));
    Ok(())
}

fn seal_index(keys: &KeyStore, version: &mut NewVersion, key: &RecordKey, tokens: &mut Vec<[String; 3]>) {
    for (row, _) in &mut version.index {
        if keys.sealed().has_system(&row.system) {
            let token = key.key.token(&row.system, &row.value);
            tokens.push([keys.blind(&row.system, &row.value), token.clone(), key.id.clone()]);
            row.value = token;
        }
    }
}

/// The sealed systems in which a token may be found. A token without a code asks for the system alone, which is not sealed.
fn sealed_systems<'k>(keys: &'k KeyStore, token: &Token) -> Vec<&'k str> {
    let systems = keys.sealed().systems.iter().map(String::as_str);
    match (&token.system, &token.code) {
        (_, None) | (TokenSystem::None, _) => Vec::new(),
        (TokenSystem::Any, Some(_)) => systems.collect(),
        (TokenSystem::Is(asked), Some(_)) => systems.filter(|system| system == asked).collect(),
    }
}

fn put_tokens(keys: &KeyStore, known: &HashMap<String, Vec<String>>, values: &mut Values) {
    let Values::Token(tokens) = values else { return };
    let mut put = Vec::new();
    for token in tokens.drain(..) {
        let code = token.code.clone().unwrap_or_default();
        for system in sealed_systems(keys, &token) {
            for sealed in known.get(&keys.blind(system, &code)).into_iter().flatten() {
                put.push(Token { system: TokenSystem::Is(system.to_owned()), code: Some(sealed.clone()) });
            }
        }
        // The value itself finds what is of no sealed system, or is not sealed yet.
        put.push(token);
    }
    *tokens = put;
}
