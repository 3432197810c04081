//! One criterion of a search as SQL over the rows of the index.

use super::search::{LAST, Statement};
use super::sight::LEVEL;
use crate::search::query::{Comparison, Criterion, DateCondition, Token, TokenSystem, Values};

/// The condition on index row `i`.
pub(super) fn criterion_sql(statement: &mut Statement, criterion: &Criterion) -> String {
    let alternatives: Vec<String> = match &criterion.values {
        Values::Token(tokens) => vec![tokens_sql(statement, tokens)],
        Values::Reference(values) | Values::Uri(values) => {
            let list: Vec<String> = values.iter().map(|value| statement.text(value)).collect();
            vec![format!("i.value IN ({})", list.join(", "))]
        }
        // What the viewer does not see is not found by either: a chain would else tell whose identifier it is.
        Values::Chained { target, found } => {
            let found = criterion_sql(statement, found);
            vec![format!(
                "i.value IN (SELECT '{target}/' || r.id FROM v CROSS JOIN resource r \
                   WHERE r.resource_type = '{target}' AND r.deleted = 0 AND (r.compartment, r.id) IN \
                   (SELECT i.compartment, i.id FROM search_index i WHERE i.resource_type = '{target}' AND {found}) \
                   AND ({LEVEL} & 1) = 1)"
            )]
        }
        Values::Date(dates) => dates.iter().map(|date| date_sql(statement, date, "i.low_ms", "i.high_ms")).collect(),
        Values::String(prefixes) => prefixes
            .iter()
            .map(|prefix| {
                let low = statement.text(prefix);
                let high = statement.text(&format!("{prefix}{LAST}"));
                format!("(i.value >= {low} AND i.value < {high})")
            })
            .collect(),
    };
    format!("i.parameter = '{}' AND ({})", criterion.parameter, alternatives.join(" OR "))
}

/// One of several tokens, those of a system in one list: SQLite looks up none of them by index where they only stand between ORs, and
/// takes no thousand of those.
fn tokens_sql(statement: &mut Statement, tokens: &[Token]) -> String {
    let mut groups: Vec<(&TokenSystem, Vec<&str>)> = Vec::new();
    let mut alternatives = Vec::new();
    for token in tokens {
        match (&token.code, groups.iter_mut().find(|(system, _)| **system == token.system)) {
            (None, _) => alternatives.push(system_sql(statement, &token.system).unwrap_or_else(|| "1 = 1".to_owned())),
            (Some(code), Some((_, codes))) => codes.push(code),
            (Some(code), None) => groups.push((&token.system, vec![code])),
        }
    }
    let mut every = Vec::new();
    let are_codes = alternatives.is_empty();
    for (system, codes) in groups {
        let codes: Vec<String> = codes.into_iter().map(|code| statement.text(code)).collect();
        let list = codes.join(", ");
        let system = system_sql(statement, system).map(|system| format!(" AND {system}")).unwrap_or_default();
        alternatives.push(format!("(i.value IN ({list}){system})"));
        every.extend(codes);
    }
    let any = alternatives.join(" OR ");
    // Between the ORs of several systems as well the codes stand in a list of their own.
    if are_codes && alternatives.len() > 1 { format!("i.value IN ({}) AND ({any})", every.join(", ")) } else { any }
}

fn system_sql(statement: &mut Statement, system: &TokenSystem) -> Option<String> {
    match system {
        TokenSystem::Any => None,
        TokenSystem::None => Some("i.system = ''".to_owned()),
        TokenSystem::Is(system) => Some(format!("i.system = {}", statement.text(system))),
    }
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
