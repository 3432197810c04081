//! One criterion of a search as SQL: over the rows of the index, and over what else the viewer sees.
//!
//! What a chain leads to and what refers to a match is joined with sight as a match is: what the viewer does not see is not found by
//! either. What is *not* there is asked of what the viewer sees, too: a row that only the whole has does not count for a minimum.

use std::fmt::Write as _;

use super::search::{LAST, Statement, Way};
use super::sight::{CANDIDATES, LEVEL, has_minimum};
use super::text::{found_sql, held_sql};
use crate::search::overlay::record_of;
use crate::search::query::{ChainEnd, Comparison, Criterion, DateCondition, Quantity, Token, TokenSystem, Values};
use crate::search::words::Sought;

/// How the rows of the index that meet a condition are looked up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// By what they say, in all records.
    All,
    /// By what they say, in one record, whatever others have.
    Record,
    /// By the key of their resource, which has a few dozen.
    Resource,
}

/// A row of the index in a condition.
#[derive(Clone, Copy)]
struct At<'a> {
    row: &'a str,
    /// What the rows beside it are held to; empty for nothing.
    sight: &'a str,
    reach: Reach,
}

/// What criteria ask of a resource row `r`, before it is known how it is seen, and of it as a row of `s` afterwards. Each begins with
/// ` AND`, or is empty.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) inner: String,
    pub(super) outer: String,
    /// The parameter that has the one record in which all matches lie; none where they may lie in several.
    pub(super) record: Option<String>,
}

impl Asked {
    /// Adds a criterion on a type; `bound` is the type in the statement.
    pub(super) fn add(
        &mut self,
        statement: &mut Statement,
        way: Way,
        (resource_type, bound): (&str, &str),
        criterion: &Criterion,
    ) {
        if criterion.is_of_identifier() {
            // By law attendance is told and no number: so nothing is found by one either.
            self.outer.push_str(" AND s.level <> 17");
        }
        match &criterion.values {
            Values::Id { ids, is_not } => {
                let list = ids_sql(statement, ids);
                let _ = write!(self.inner, " AND r.id {}IN ({list})", if *is_not { "NOT " } else { "" });
            }
            Values::Date(dates) if criterion.parameter == "_lastUpdated" => {
                let any: Vec<String> = dates
                    .iter()
                    .map(|date| date_sql(statement, date, "r.last_updated_ms", "r.last_updated_ms"))
                    .collect();
                let _ = write!(self.inner, " AND ({})", any.join(" OR "));
            }
            Values::Has { of, reference, found } => {
                let referring = referring_sql(statement, resource_type, (*of, *reference), found);
                let _ = write!(self.inner, " AND r.id IN ({referring})");
            }
            Values::Words(sought) => self.words(statement, way, (resource_type, bound), (criterion.parameter, sought)),
            Values::None(values) => self.none(statement, (resource_type, bound), (criterion.parameter, &**values)),
            Values::Alternatives(alternatives) => self.one_of(statement, (resource_type, bound), alternatives),
            _ => self.row(statement, way, (resource_type, bound), criterion),
        }
    }

    /// All criteria of one list hold. What the viewer sees of a minimum is asked of each list as a whole, so either all lists ask it or none:
    /// those of a type with a minimum, and lists without identifiers and words of any other.
    fn one_of(
        &mut self,
        statement: &mut Statement,
        (resource_type, bound): (&str, &str),
        alternatives: &[Vec<Criterion>],
    ) {
        let (mut inner, mut outer, mut is_held_to_sight) = (Vec::new(), Vec::new(), false);
        for criteria in alternatives {
            let mut asked = Self::default();
            for criterion in criteria {
                asked.add(statement, Way::Records, (resource_type, bound), criterion);
            }
            is_held_to_sight |= !asked.outer.is_empty();
            inner.push(format!("(1 = 1{})", asked.inner));
            outer.push(format!("(1 = 1{})", asked.outer));
        }
        let _ = write!(self.inner, " AND ({})", inner.join(" OR "));
        if is_held_to_sight {
            let _ = write!(self.outer, " AND ({})", outer.join(" OR "));
        }
    }

    /// A row is like that.
    fn row(
        &mut self,
        statement: &mut Statement,
        way: Way,
        (resource_type, bound): (&str, &str),
        criterion: &Criterion,
    ) {
        let Criterion { parameter, values } = criterion;
        let names_record = record_of(resource_type, criterion).is_some();
        let reach = match (way, &self.record) {
            // What names the record is true of nearly all that lies in it; whatever else is asked finds little of it.
            (_, Some(_)) if !names_record => Reach::Record,
            (Way::Type, None) => Reach::All,
            (Way::Type | Way::Records, _) => Reach::Resource,
        };
        let first = statement.bound.len();
        let mut found = |sight, reach| {
            // Of the same values, which are bound once.
            statement.next = first;
            let condition = row_sql(statement, At { row: "i", sight, reach }, parameter, values);
            // SQLite else goes through all rows of the record.
            let is_of_value = statement.is_sqlite && reach == Reach::Record && is_by_value(reach, values);
            let by = if is_of_value { " INDEXED BY search_index_of_value" } else { "" };
            format!("FROM search_index i{by} WHERE i.resource_type = {bound} AND {condition}")
        };
        let rows = found("", reach);
        let _ = match (reach, &self.record) {
            (Reach::Record, Some(record)) => {
                write!(self.inner, " AND r.id IN (SELECT i.id {rows} AND i.compartment = {record})")
            }
            (Reach::All, _) => {
                write!(self.inner, " AND (r.compartment, r.id) IN (SELECT i.compartment, i.id {rows})")
            }
            _ => write!(self.inner, " AND EXISTS (SELECT 1 {rows} AND i.compartment = r.compartment AND i.id = r.id)"),
        };
        // What of the whole is not in the minimum must not be found by it.
        if has_minimum(resource_type) {
            let rows = found("s.level", Reach::Resource);
            let _ = write!(
                self.outer,
                " AND EXISTS (SELECT 1 {rows} AND i.compartment = s.compartment AND i.id = s.id AND (i.sight & s.level) <> 0)"
            );
        }
    }

    /// The words of what the viewer sees have what is sought.
    fn words(
        &mut self,
        statement: &mut Statement,
        way: Way,
        (resource_type, bound): (&str, &str),
        (parameter, sought): (&str, &Sought),
    ) {
        let held = |statement: &mut Statement, row: &str, and: &str| {
            let held = held_sql(statement, parameter, sought);
            format!(
                " AND EXISTS (SELECT 1 FROM text_index t WHERE t.resource_type = {bound} AND t.compartment = {row}.compartment \
                   AND t.id = {row}.id AND {held}{and})"
            )
        };
        match way {
            Way::Type => {
                let found = found_sql(statement, parameter, sought);
                let _ = write!(
                    self.inner,
                    " AND (r.compartment, r.id) IN (SELECT t.compartment, t.id FROM text_index t \
                       WHERE t.resource_type = {bound} AND {found})"
                );
            }
            Way::Records => self.inner.push_str(&held(statement, "r", "")),
        }
        // What of the whole is not in the minimum must not be found by it.
        if has_minimum(resource_type) {
            self.outer.push_str(&held(statement, "s", " AND (t.sight & s.level) <> 0"));
        }
        // By law attendance is told: a text may say much more.
        self.outer.push_str(" AND s.level <> 17");
    }

    /// No row that the viewer sees is like that.
    fn none(
        &mut self,
        statement: &mut Statement,
        (resource_type, bound): (&str, &str),
        (parameter, values): (&str, &Values),
    ) {
        let has_minimum = has_minimum(resource_type);
        // A type without a minimum is seen whole or not at all.
        let (asked, row, sight) =
            if has_minimum { (&mut self.outer, "s", "s.level") } else { (&mut self.inner, "r", "1") };
        let at = At { row: "i", sight, reach: Reach::Resource };
        let condition = row_sql(statement, at, parameter, values);
        let _ = write!(
            asked,
            " AND NOT EXISTS (SELECT 1 FROM search_index i WHERE i.compartment = {row}.compartment AND i.resource_type = {bound} \
               AND i.id = {row}.id AND {condition} AND (i.sight & {sight}) <> 0)"
        );
    }
}

/// Ids as a list: one that is empty has none that equals.
pub(super) fn ids_sql(statement: &mut Statement, ids: &[String]) -> String {
    let list: Vec<String> = ids.iter().map(|id| statement.text(id)).collect();
    // No id is empty.
    if list.is_empty() { "''".to_owned() } else { list.join(", ") }
}

/// The condition on an index row.
fn row_sql(statement: &mut Statement, at: At<'_>, parameter: &str, values: &Values) -> String {
    let At { row, reach, .. } = at;
    let alternatives: Vec<String> = match values {
        Values::Token(tokens) => vec![tokens_sql(statement, row, tokens)],
        Values::Reference(values) | Values::Uri(values) => {
            let list: Vec<String> = values.iter().map(|value| statement.text(value)).collect();
            vec![format!("{row}.value IN ({})", list.join(", "))]
        }
        Values::Chained(ends) => ends.iter().map(|end| chain_sql(statement, row, end)).collect(),
        Values::Date(dates) => dates.iter().map(|date| interval_sql(statement, at, date)).collect(),
        Values::Quantity(quantities) => quantities.iter().map(|one| quantity_sql(statement, at, one)).collect(),
        Values::String(prefixes) => {
            prefixes.iter().map(|prefix| between_sql(statement, row, prefix, &format!("{prefix}{LAST}"))).collect()
        }
        Values::Exact(strings) => strings
            .iter()
            .map(|(folded, written)| {
                let (folded, written) = (statement.text(folded), statement.text(written));
                format!("({row}.value = {folded} AND {row}.system = {written})")
            })
            .collect(),
        Values::Contains(parts) => parts
            .iter()
            .map(|part| {
                let pattern = part.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
                format!("{row}.value LIKE {} ESCAPE '\\'", statement.text(&format!("%{pattern}%")))
            })
            .collect(),
        Values::Below(addresses) => addresses
            .iter()
            .map(|address| {
                let below = between_sql(statement, row, &format!("{address}/"), &format!("{address}0"));
                format!("({row}.value = {} OR {below})", statement.text(address))
            })
            .collect(),
        Values::Any => {
            let name = name_sql(at, values);
            return format!("{name} IN ('{parameter}', '{parameter}:identifier', '{parameter}:text')");
        }
        Values::Either(criteria) => {
            let either = |one: &Criterion| row_sql(statement, at, one.parameter, &one.values);
            return format!("({})", criteria.iter().map(either).collect::<Vec<_>>().join(" OR "));
        }
        Values::Together(alternatives) => {
            let together = |criteria: &Vec<Criterion>| together_sql(statement, at, criteria);
            return format!("({})", alternatives.iter().map(together).collect::<Vec<_>>().join(" OR "));
        }
        // Of resources, and of no row; and a set whose codes nobody put in its place.
        Values::None(_)
        | Values::Has { .. }
        | Values::Words(_)
        | Values::Id { .. }
        | Values::Alternatives(_)
        | Values::InValueSet { .. } => {
            vec!["1 = 0".to_owned()]
        }
    };
    // A date and a number have no other value.
    let bare = if reach == Reach::Record && matches!(values, Values::Date(_)) {
        format!(" AND {row}.value = ''")
    } else {
        String::new()
    };
    format!("{} = '{parameter}'{bare} AND ({})", name_sql(at, values), alternatives.join(" OR "))
}

/// The name of an index row's parameter, or an expression that is the same: by one no index is taken. What a planner knows of a table that was
/// small, or of other records, else has it go through all rows that say the same for each resource, or through those of all records.
fn name_sql(At { row, reach, .. }: At<'_>, values: &Values) -> String {
    if is_by_value(reach, values) { format!("{row}.parameter") } else { format!("{row}.parameter || ''") }
}

/// Whether the index of values finds these.
fn is_by_value(reach: Reach, values: &Values) -> bool {
    match reach {
        Reach::All => true,
        Reach::Record => match values {
            Values::Token(tokens) => tokens.iter().all(|token| token.code.is_some()),
            Values::Reference(_) | Values::Uri(_) | Values::Exact(_) | Values::Chained(_) | Values::Date(_) => true,
            _ => false,
        },
        Reach::Resource => false,
    }
}

/// The first criterion on a row, and the others on rows that were found in the same item.
fn together_sql(statement: &mut Statement, at: At<'_>, criteria: &[Criterion]) -> String {
    let At { row, sight, .. } = at;
    let mut text = String::new();
    for (n, criterion) in criteria.iter().enumerate() {
        let at = if n == 0 { at } else { At { row: "j", reach: Reach::Resource, ..at } };
        let condition = row_sql(statement, at, criterion.parameter, &criterion.values);
        if n == 0 {
            text = format!("({condition}");
            continue;
        }
        let sight = if sight.is_empty() { String::new() } else { format!(" AND (j.sight & {sight}) <> 0") };
        let _ = write!(
            text,
            " AND EXISTS (SELECT 1 FROM search_index j WHERE j.compartment = {row}.compartment \
               AND j.resource_type = {row}.resource_type AND j.id = {row}.id AND j.part = {row}.part{sight} AND {condition})"
        );
    }
    text.push(')');
    text
}

/// The value of a row that refers to a resource which the viewer sees and a criterion finds.
fn chain_sql(statement: &mut Statement, row: &str, ChainEnd { target, found }: &ChainEnd) -> String {
    let seen = seen_sql(statement, target, found);
    format!("{row}.value IN (SELECT '{target}/' || s.id FROM ({seen}) AS s)")
}

/// The ids of resources of a type to which those refer that the viewer sees and a criterion finds.
fn referring_sql(
    statement: &mut Statement,
    resource_type: &str,
    (of, reference): (&str, &str),
    found: &Criterion,
) -> String {
    let seen = seen_sql(statement, of, found);
    // What begins with `Type/` lies before what begins with the sign after the slash.
    format!(
        "SELECT SUBSTR(i.value, {}) FROM ({seen}) AS s CROSS JOIN search_index i WHERE i.compartment = s.compartment \
           AND i.resource_type = '{of}' AND i.id = s.id AND i.parameter || '' = '{reference}' AND (i.sight & s.level) <> 0 \
           AND i.value >= '{resource_type}/' AND i.value < '{resource_type}0'",
        resource_type.len() + 2
    )
}

/// `compartment`, `id` and `level` of the resources of a type that the viewer sees and a criterion finds.
fn seen_sql(statement: &mut Statement, resource_type: &str, criterion: &Criterion) -> String {
    let quoted = format!("'{resource_type}'");
    let mut asked = Asked::default();
    asked.add(statement, Way::Type, (resource_type, quoted.as_str()), criterion);
    let Asked { inner, outer, .. } = asked;
    // Where much may be found, only what may be seen at all is asked how it is seen.
    let candidates = if criterion.is_narrow() {
        String::new()
    } else {
        format!(" AND r.compartment IN (SELECT k.compartment FROM ({CANDIDATES}) AS k)")
    };
    format!(
        "SELECT s.compartment, s.id, s.level FROM (SELECT r.compartment, r.id, {LEVEL} AS level FROM v CROSS JOIN resource r \
           WHERE r.resource_type = {quoted} AND r.deleted = 0{inner}{candidates}) AS s WHERE s.level > 0{outer}"
    )
}

/// One of several tokens, those of a system in one list: SQLite looks up none of them by index where they only stand between ORs, and
/// takes no thousand of those.
fn tokens_sql(statement: &mut Statement, row: &str, tokens: &[Token]) -> String {
    let mut groups: Vec<(&TokenSystem, Vec<&str>)> = Vec::new();
    let mut alternatives = Vec::new();
    for token in tokens {
        match (&token.code, groups.iter_mut().find(|(system, _)| **system == token.system)) {
            (None, _) => {
                alternatives.push(system_sql(statement, row, &token.system).unwrap_or_else(|| "1 = 1".to_owned()));
            }
            (Some(code), Some((_, codes))) => codes.push(code),
            (Some(code), None) => groups.push((&token.system, vec![code])),
        }
    }
    let mut every = Vec::new();
    let are_codes = alternatives.is_empty();
    for (system, codes) in groups {
        let codes: Vec<String> = codes.into_iter().map(|code| statement.text(code)).collect();
        let list = codes.join(", ");
        let system = system_sql(statement, row, system).map(|system| format!(" AND {system}")).unwrap_or_default();
        alternatives.push(format!("({row}.value IN ({list}){system})"));
        every.extend(codes);
    }
    let any = alternatives.join(" OR ");
    // Between the ORs of several systems as well the codes stand in a list of their own.
    if are_codes && alternatives.len() > 1 { format!("{row}.value IN ({}) AND ({any})", every.join(", ")) } else { any }
}

fn system_sql(statement: &mut Statement, row: &str, system: &TokenSystem) -> Option<String> {
    match system {
        TokenSystem::Any => None,
        TokenSystem::None => Some(format!("{row}.system = ''")),
        TokenSystem::Is(system) => Some(format!("{row}.system = {}", statement.text(system))),
    }
}

fn between_sql(statement: &mut Statement, row: &str, low: &str, high: &str) -> String {
    let (low, high) = (statement.text(low), statement.text(high));
    format!("({row}.value >= {low} AND {row}.value < {high})")
}

fn quantity_sql(statement: &mut Statement, at: At<'_>, Quantity { number, system, unit }: &Quantity) -> String {
    let row = at.row;
    let mut text = format!("({}", interval_sql(statement, at, number));
    for (column, sought) in [("system", system), ("value", unit)] {
        if let Some(sought) = sought {
            let _ = write!(text, " AND {row}.{column} = {}", statement.text(sought));
        }
    }
    text.push(')');
    text
}

fn interval_sql(statement: &mut Statement, At { row, reach, .. }: At<'_>, date: &DateCondition) -> String {
    // The index of moments has those of all records.
    let same = if reach == Reach::All { "" } else { " + 0" };
    date_sql(statement, date, &format!("{row}.low_ms{same}"), &format!("{row}.high_ms{same}"))
}

/// The SQL of [`DateCondition::is_met`].
pub(super) fn date_sql(statement: &mut Statement, date: &DateCondition, low: &str, high: &str) -> String {
    let (from, to) = (statement.integer(date.low_ms), statement.integer(date.high_ms));
    let contains = format!("({from} <= {low} AND {high} <= {to})");
    match date.comparison {
        Comparison::Equal => contains,
        Comparison::NotEqual => format!("NOT {contains}"),
        Comparison::Greater => format!("({high} > {to} AND {from} <= {to})"),
        Comparison::Less => format!("({low} < {from} AND {from} <= {to})"),
        Comparison::GreaterOrEqual => format!("({high} > {to} OR {contains})"),
        Comparison::LessOrEqual => format!("({low} < {from} OR {contains})"),
        Comparison::StartsAfter => format!("({low} > {to} AND {from} <= {to})"),
        Comparison::EndsBefore => format!("({high} < {from} AND {from} <= {to})"),
        Comparison::Approximate => format!("({low} <= {to} AND {high} >= {from})"),
    }
}
