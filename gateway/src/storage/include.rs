//! What a page brings along: resources that its matches refer to, and those that refer to them, each as the viewer sees it.
//!
//! References are read from the rows of the index, masked by how each resource is seen, and what is found by them is found by the very
//! statement of a search. So what the viewer does not see is not there, and every limit counts what the viewer sees.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use mappings::r4::primitive::is_id;
use sqlx::Row;

use super::resource::{Seen, Unrecorded};
use super::rows::{Rows, integers, json, texts};
use super::search::{Key, Page};
use super::sight::{Level, Viewer};
use super::{Database, StorageError, Store};
use crate::search::include::{Include, Join};
use crate::search::parameters::type_name;
use crate::search::query::{Criterion, Query, Values};

/// What is to be brought along, and how much of it.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// By which references.
    pub includes: Vec<Include>,
    /// The types that the viewer may have; others are not looked for.
    pub types: BTreeSet<&'static str>,
    /// The most resources beside the matches; as many references are followed.
    pub resources_max: usize,
    /// How often `:iterate` is applied to what it brought.
    pub rounds_max: u32,
}

/// What joins in a round.
type Source = (String, &'static str, String, bool);

/// A page to which something is added.
struct Bringing<'b> {
    viewer: &'b Viewer,
    wanted: &'b Wanted,
    known: HashSet<(&'static str, String)>,
    included: Vec<Seen>,
    bytes_left: usize,
    is_cut: bool,
}

impl Store {
    /// As [`Store::search`], with what is to be brought along.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn search_including(
        &self,
        viewer: &Viewer,
        resource_type: &'static str,
        query: &Query,
        (after, bytes_max): (Option<&[Key]>, usize),
        (with_total, wanted): (bool, &Wanted),
    ) -> Result<Unrecorded<Page>, StorageError> {
        let mut page = self.found(viewer, resource_type, query, (after, bytes_max), with_total).await?;
        self.bring(viewer, &mut page, bytes_max, wanted).await?;
        Ok(Unrecorded::new(page))
    }

    /// Adds to a page what is wanted beside its matches.
    pub(super) async fn bring(
        &self,
        viewer: &Viewer,
        page: &mut Page,
        bytes_max: usize,
        wanted: &Wanted,
    ) -> Result<(), StorageError> {
        if wanted.includes.is_empty() || page.matches.is_empty() {
            return Ok(());
        }
        let bytes: usize = page.matches.iter().map(|seen| seen.body.len()).sum();
        let mut bringing = Bringing {
            viewer,
            wanted,
            known: page.matches.iter().map(|seen| (seen.key.resource_type, seen.key.id.clone())).collect(),
            included: Vec::new(),
            bytes_left: bytes_max.saturating_sub(bytes),
            is_cut: false,
        };
        let mut sources = sources_of(&page.matches);
        for round in 0..=wanted.rounds_max {
            let before = bringing.included.len();
            let applied: Vec<&Include> =
                wanted.includes.iter().filter(|include| round == 0 || include.iterates).collect();
            self.round(&mut bringing, &sources, &applied).await?;
            sources = sources_of(&bringing.included[before..]);
            let goes_on =
                |include: &Include| include.iterates && sources.iter().any(|source| begins(include, source.1));
            if bringing.is_cut || !wanted.includes.iter().any(goes_on) {
                break;
            }
            // What a further round would find is not looked at.
            bringing.is_cut = round == wanted.rounds_max;
        }
        (page.included, page.is_cut) = (bringing.included, bringing.is_cut);
        Ok(())
    }

    /// What is joined with the sources, once.
    async fn round(
        &self,
        bringing: &mut Bringing<'_>,
        sources: &[Source],
        includes: &[&Include],
    ) -> Result<(), StorageError> {
        let joins = |is_reverse| {
            let of_way = includes.iter().filter(move |include| include.is_reverse == is_reverse);
            of_way.flat_map(|include| &include.joins)
        };
        let forward: Vec<&Join> = joins(false).collect();
        let mut ids: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for (resource_type, id) in self.referenced(bringing, sources, &forward).await? {
            ids.entry(resource_type).or_default().push(id);
        }
        for (resource_type, ids) in ids {
            let query = Query { ids: Some(ids), ..Query::everything() };
            self.add(bringing, resource_type, query).await?;
        }
        let types = &bringing.wanted.types;
        for join in joins(true).filter(|join| types.contains(join.source)) {
            let reached = sources.iter().filter(|(_, resource_type, ..)| join.reaches(resource_type));
            let references: Vec<String> =
                reached.map(|(_, resource_type, id, _)| format!("{resource_type}/{id}")).collect();
            if !references.is_empty() {
                let values = Values::Reference(references);
                let criteria = vec![Criterion { parameter: join.parameter.name, values }];
                self.add(bringing, join.source, Query { criteria, ..Query::everything() }).await?;
            }
        }
        Ok(())
    }

    /// The resources of this gateway that the sources refer to and that are not known yet, as many as may still come along.
    async fn referenced(
        &self,
        bringing: &mut Bringing<'_>,
        sources: &[Source],
        joins: &[&Join],
    ) -> Result<Vec<(&'static str, String)>, StorageError> {
        let left = bringing.left();
        let read_max = bringing.known.len() + left + 1;
        let references = if joins.is_empty() { Vec::new() } else { self.references(sources, joins, read_max).await? };
        bringing.is_cut |= references.len() == read_max;
        let mut found: Vec<(&'static str, String)> = Vec::new();
        for reference in references {
            // What is contained has no row, and what is elsewhere begins with no type.
            let Some((resource_type, id)) = reference.split_once('/') else { continue };
            let Some(resource_type) = type_name(resource_type) else { continue };
            let one = (resource_type, id.to_owned());
            if is_id(id) && bringing.wanted.types.contains(resource_type) && !bringing.known.contains(&one) {
                found.push(one);
            }
        }
        bringing.is_cut |= found.len() > left;
        found.truncate(left);
        Ok(found)
    }

    /// What the index has at these references, each value once, those of the first sources first.
    async fn references(
        &self,
        sources: &[Source],
        joins: &[&Join],
        read_max: usize,
    ) -> Result<Vec<String>, StorageError> {
        let from: Rows<'_> = sources
            .iter()
            .enumerate()
            .map(|(n, (compartment, resource_type, id, is_whole))| {
                let n = i64::try_from(n).unwrap_or(i64::MAX);
                let mask: i64 = if *is_whole { 1 } else { 2 };
                vec![n.into(), compartment.as_str().into(), (*resource_type).into(), id.as_str().into(), mask.into()]
            })
            .collect();
        let by: Rows<'_> = joins
            .iter()
            .map(|join| vec![join.source.into(), join.parameter.name.into(), join.target.unwrap_or_default().into()])
            .collect();
        let most = i64::try_from(read_max).unwrap_or(i64::MAX);
        Ok(match &self.database {
            Database::Sqlite { reader, .. } => {
                let text = "WITH q AS (SELECT json_extract(value, '$[0]') AS n, json_extract(value, '$[1]') AS compartment, \
                       json_extract(value, '$[2]') AS resource_type, json_extract(value, '$[3]') AS id, \
                       json_extract(value, '$[4]') AS mask FROM jsonb_each($1)), \
                     w AS (SELECT json_extract(value, '$[0]') AS source, json_extract(value, '$[1]') AS parameter, \
                       json_extract(value, '$[2]') AS target FROM jsonb_each($2)) ";
                let text = format!("{text}{}", references_of("$3"));
                let query = sqlx::query(sqlx::AssertSqlSafe(text)).bind(json(&from)?).bind(json(&by)?).bind(most);
                query.fetch_all(reader).await?.iter().map(|row| row.get(0)).collect()
            }
            Database::Postgres { pool } => {
                let text = "WITH q AS (SELECT * FROM UNNEST($1::bigint[], $2::text[], $3::text[], $4::text[], $5::bigint[]) \
                       AS q(n, compartment, resource_type, id, mask)), \
                     w AS (SELECT * FROM UNNEST($6::text[], $7::text[], $8::text[]) AS w(source, parameter, target)) ";
                let text = format!("{text}{}", references_of("$9"));
                let query = sqlx::query(sqlx::AssertSqlSafe(text))
                    .bind(integers(&from, 0))
                    .bind(texts(&from, 1))
                    .bind(texts(&from, 2))
                    .bind(texts(&from, 3))
                    .bind(integers(&from, 4))
                    .bind(texts(&by, 0))
                    .bind(texts(&by, 1))
                    .bind(texts(&by, 2))
                    .bind(most);
                query.fetch_all(pool).await?.iter().map(|row| row.get(0)).collect()
            }
        })
    }

    /// Adds what a query finds, as far as there is room. What is known already takes none.
    async fn add(
        &self,
        bringing: &mut Bringing<'_>,
        resource_type: &'static str,
        query: Query,
    ) -> Result<(), StorageError> {
        let left = bringing.left();
        if left == 0 || bringing.bytes_left == 0 {
            bringing.is_cut = true;
            return Ok(());
        }
        let of_type = bringing.known.iter().filter(|(known, _)| *known == resource_type).count();
        let query = Query { count: u32::try_from(left + of_type).unwrap_or(u32::MAX), ..query };
        let place = (None, bringing.bytes_left);
        let found = self.found(bringing.viewer, resource_type, &query, place, false).await?;
        bringing.is_cut |= found.next.is_some();
        for seen in found.matches {
            if bringing.known.contains(&(resource_type, seen.key.id.clone())) {
                continue;
            }
            if bringing.left() == 0 {
                bringing.is_cut = true;
                break;
            }
            bringing.bytes_left = bringing.bytes_left.saturating_sub(seen.body.len());
            bringing.known.insert((resource_type, seen.key.id.clone()));
            bringing.included.push(seen);
        }
        Ok(())
    }
}

impl Bringing<'_> {
    fn left(&self) -> usize {
        self.wanted.resources_max.saturating_sub(self.included.len())
    }
}

/// The references of the rows `q`, as far as they are seen, by the joins `w`. `SQLite` keeps the order of a CROSS JOIN.
fn references_of(most: &str) -> String {
    format!(
        "SELECT i.value FROM q CROSS JOIN search_index i CROSS JOIN w \
         WHERE i.compartment = q.compartment AND i.resource_type = q.resource_type AND i.id = q.id AND (i.sight & q.mask) <> 0 \
         AND w.source = i.resource_type AND w.parameter = i.parameter \
         AND (w.target = '' OR SUBSTR(i.value, 1, LENGTH(w.target) + 1) = w.target || '/') \
         GROUP BY i.value ORDER BY MIN(q.n), i.value LIMIT CAST({most} AS BIGINT)"
    )
}

fn sources_of(seen: &[Seen]) -> Vec<Source> {
    let source = |seen: &Seen| {
        let is_whole = seen.level != Level::Minimum;
        (seen.key.compartment.clone(), seen.key.resource_type, seen.key.id.clone(), is_whole)
    };
    seen.iter().map(source).collect()
}

/// Whether an include can be applied to a resource of a type.
fn begins(include: &Include, resource_type: &str) -> bool {
    let applies =
        |join: &Join| if include.is_reverse { join.reaches(resource_type) } else { join.source == resource_type };
    include.joins.iter().any(applies)
}
