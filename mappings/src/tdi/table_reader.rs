//! Reads the text of a table of items, and holds it to itself.

use std::collections::HashSet;

use super::date::Date;
use super::link;
use super::table::{Code, Group, Item, Kind, Table, Texts, Validity, When};

/// What is wrong with a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct TableError {
    /// The line, from 1; the last one where the table as a whole lacks something.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

type Ruled = (&'static str, fn(Kind) -> bool);

/// The items that rules refer to, and what they must be answered by.
const RULED: [Ruled; 14] = [
    (link::CENTRE_TYPE, is_choice),
    (link::UNIT, |kind| kind == Kind::Unit),
    (link::TREATMENT_START, |kind| kind == Kind::Date),
    (link::NATIONAL_NUMBER, is_choice),
    (link::PSEUDONYM, |kind| kind == Kind::Pseudonym),
    (link::AGE, is_whole),
    (link::BIRTH_YEAR, is_whole),
    (link::PRIMARY_SUBSTANCE, is_choice),
    (link::FIRST_USE_AGE, is_whole),
    (link::POLYDRUG, is_choice),
    (link::OTHER_SUBSTANCES, |kind| kind == Kind::Choices),
    (link::INJECTING, is_choice),
    (link::FIRST_INJECTION_AGE, is_whole),
    (link::FIRST_SUBSTITUTION_AGE, is_whole),
];

fn is_choice(kind: Kind) -> bool {
    kind == Kind::Choice
}

fn is_whole(kind: Kind) -> bool {
    matches!(kind, Kind::Whole { .. })
}

pub(super) fn read(text: &str) -> Result<Table, TableError> {
    let mut table = Table { version: String::new(), groups: Vec::new(), items: Vec::new() };
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let columns: Vec<&str> = rest.split('|').map(str::trim).collect();
        let read = match word {
            "version" => version(&mut table, &columns),
            "group" => group(&mut table, &columns),
            "item" => item(&mut table, &columns),
            "when" => when(&mut table, &columns),
            "code" => code(&mut table, &columns),
            _ => Err("a line begins with version, group, item, when or code"),
        };
        read.map_err(|problem| TableError { line: n + 1, problem })?;
    }
    whole(&table).map_err(|problem| TableError { line: text.lines().count().max(1), problem })?;
    Ok(table)
}

fn version(table: &mut Table, columns: &[&str]) -> Result<(), &'static str> {
    match columns {
        [version] if is_name(version) && table.version.is_empty() => (*version).clone_into(&mut table.version),
        _ => return Err("a table has one version: letters, digits, - and ."),
    }
    Ok(())
}

fn group(table: &mut Table, columns: &[&str]) -> Result<(), &'static str> {
    let [link_id, texts @ ..] = columns else { return Err("a group has a link id and three texts") };
    if !is_name(link_id) || is_taken(table, link_id) {
        return Err("a link id is letters, digits, - and ., and stands once");
    }
    table.groups.push(Group { link_id: (*link_id).to_owned(), texts: of_three(texts)? });
    Ok(())
}

fn item(table: &mut Table, columns: &[&str]) -> Result<(), &'static str> {
    let [link_id, field, kind, required, from, until, texts @ ..] = columns else {
        return Err("an item has a link id, a field, a kind, required or optional, from, until and three texts");
    };
    if !is_name(link_id) || is_taken(table, link_id) {
        return Err("a link id is letters, digits, - and ., and stands once");
    }
    if !is_field(field) || table.item_by_field(field).is_some() {
        return Err("a field is capitals, digits and _, and stands once");
    }
    let group = table.groups.len().checked_sub(1).ok_or("an item stands below its group")?;
    let is_required = match *required {
        "required" => true,
        "optional" => false,
        _ => return Err("an item is required or optional"),
    };
    table.items.push(Item {
        link_id: (*link_id).to_owned(),
        field: (*field).to_owned(),
        kind: kind_of(kind)?,
        is_required,
        validity: validity(from, until)?,
        when: None,
        texts: of_three(texts)?,
        codes: Vec::new(),
        group,
    });
    Ok(())
}

fn kind_of(text: &str) -> Result<Kind, &'static str> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["choice"] => Ok(Kind::Choice),
        ["choices"] => Ok(Kind::Choices),
        ["date"] => Ok(Kind::Date),
        ["unit"] => Ok(Kind::Unit),
        ["pseudonym"] => Ok(Kind::Pseudonym),
        ["whole", min, max] => {
            let (min, max) = (min.parse().ok(), max.parse().ok());
            let (Some(min), Some(max)) = (min, max) else { return Err("a whole number has a lowest and a highest") };
            if min > max { Err("the lowest number is higher than the highest") } else { Ok(Kind::Whole { min, max }) }
        }
        _ => Err("a kind is choice, choices, date, unit, pseudonym or whole with its bounds"),
    }
}

fn when(table: &mut Table, columns: &[&str]) -> Result<(), &'static str> {
    let [link_id, codes] = columns else { return Err("a condition has a link id and codes") };
    let decides = table.item(link_id).filter(|item| item.kind == Kind::Choice);
    let decides = decides.ok_or("a condition names an earlier item with one code")?;
    let codes: Vec<String> = codes.split_whitespace().map(str::to_owned).collect();
    if codes.is_empty() || !codes.iter().all(|code| decides.code(code).is_some()) {
        return Err("a condition names codes of that item");
    }
    let item = table.items.last_mut().ok_or("a condition stands below its item")?;
    if item.when.is_some() || item.link_id == *link_id {
        return Err("an item has one condition, about another item");
    }
    item.when = Some(When { link_id: (*link_id).to_owned(), codes });
    Ok(())
}

fn code(table: &mut Table, columns: &[&str]) -> Result<(), &'static str> {
    let [code, list_id, says, from, until, texts @ ..] = columns else {
        return Err("a code has a list id, known or unknown, from, until and three texts");
    };
    let list_id = list_id.parse().map_err(|_| "a list id is a whole number")?;
    if table.items.iter().flat_map(|item| &item.codes).any(|known| known.list_id == list_id) {
        return Err("a list id stands once");
    }
    let is_unknown = match *says {
        "known" => false,
        "unknown" => true,
        _ => return Err("a code says what is known or that nothing is: known or unknown"),
    };
    let item = table.items.last_mut().ok_or("a code stands below its item")?;
    if !matches!(item.kind, Kind::Choice | Kind::Choices) {
        return Err("only an item that is a choice has codes");
    }
    if !is_name(code) || item.code(code).is_some() {
        return Err("a code is letters, digits, - and ., and stands once in its item");
    }
    let (validity, texts) = (validity(from, until)?, of_three(texts)?);
    item.codes.push(Code { code: (*code).to_owned(), list_id, validity, is_unknown, texts });
    Ok(())
}

fn validity(from: &str, until: &str) -> Result<Validity, &'static str> {
    let from = Date::parse(from).ok_or("from is a day, such as 2016-01-01")?;
    let until = match until {
        "-" => None,
        until => Some(Date::parse(until).ok_or("until is a day, or -")?),
    };
    if until.is_some_and(|until| until <= from) {
        return Err("until is later than from");
    }
    Ok(Validity { from, until })
}

fn of_three(texts: &[&str]) -> Result<Texts, &'static str> {
    match texts {
        [nl, fr, en] if texts.iter().all(|text| !text.is_empty()) => {
            Ok(Texts { nl: (*nl).to_owned(), fr: (*fr).to_owned(), en: (*en).to_owned() })
        }
        _ => Err("there are three texts: nl, fr and en"),
    }
}

fn whole(table: &Table) -> Result<(), &'static str> {
    if table.version.is_empty() {
        return Err("the table names no version");
    }
    for (link_id, is_right) in RULED {
        if !table.item(link_id).is_some_and(|item| is_right(item.kind)) {
            return Err("an item that rules refer to is missing, or is of another kind");
        }
    }
    let pseudonyms = table.items.iter().filter(|item| item.kind == Kind::Pseudonym).count();
    if pseudonyms != 1 {
        return Err("there is one item for the pseudonym");
    }
    let has_codes = |item: &Item| !item.codes.is_empty() || !matches!(item.kind, Kind::Choice | Kind::Choices);
    let groups: HashSet<usize> = table.items.iter().map(|item| item.group).collect();
    let is_whole = table.items.iter().all(has_codes) && groups.len() == table.groups.len();
    if is_whole { Ok(()) } else { Err("every choice has codes, and every group items") }
}

fn is_taken(table: &Table, link_id: &str) -> bool {
    table.item(link_id).is_some() || table.groups.iter().any(|group| group.link_id == link_id)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
}

fn is_field(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::super::Table;

    const BUILT_IN: &str = include_str!("../../tables/tdi.txt");

    #[test]
    fn the_built_in_table_is_read() {
        let table = Table::read(BUILT_IN).expect("it is read");
        assert_eq!(table.version(), "3.0");
        assert_eq!(*Table::built_in(), table);
        for (link_id, field) in [("unit", "CI2"), ("national-number", "PI1"), ("pseudonym", "PI2")] {
            assert_eq!(table.item(link_id).map(|item| item.field.as_str()), Some(field));
        }
        let substances = table.item("primary-substance").expect("there is one");
        assert!(substances.code("alcohol").is_some(), "Belgium registers alcohol too");
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        let after =
            |line: &str| Table::read(&format!("version 1\ngroup g | a | b | c\n{line}\n")).map_err(|error| error.line);
        for line in [
            "thing x",
            "version 2",
            "group g | a | b | c",
            "group h | a | b",
            "group h | a || c",
            "item g | F | date | required | 2016-01-01 | - | a | b | c",
            "item i | f | date | required | 2016-01-01 | - | a | b | c",
            "item i | F | day | required | 2016-01-01 | - | a | b | c",
            "item i | F | whole 3 2 | required | 2016-01-01 | - | a | b | c",
            "item i | F | whole 3 | required | 2016-01-01 | - | a | b | c",
            "item i | F | date | perhaps | 2016-01-01 | - | a | b | c",
            "item i | F | date | required | 2016 | - | a | b | c",
            "item i | F | date | required | 2016-01-01 | 2016-01-01 | a | b | c",
            "item i | F | date | required | 2016-01-01 | - | a | b",
            "code x | 1 | known | 2016-01-01 | - | a | b | c",
            "when i | x",
        ] {
            assert_eq!(after(line), Err(3), "{line}");
        }
    }

    #[test]
    fn a_table_without_an_item_that_rules_refer_to_is_refused() {
        for link_id in super::RULED.map(|(link_id, _)| link_id) {
            let renamed = BUILT_IN.replace(&format!("item {link_id} "), "item something-else ");
            assert_ne!(renamed, BUILT_IN);
            assert!(Table::read(&renamed).is_err(), "{link_id}");
        }
        assert!(Table::read("").is_err());
        assert!(Table::read(&BUILT_IN.replace("version 3.0", "")).is_err());
    }

    #[test]
    fn what_must_be_unique_is() {
        let item = "item sex | SEX |";
        let line = BUILT_IN.lines().find(|line| line.starts_with(item)).expect("there is such an item");
        let twice = |from: &str, to: &str| Table::read(&format!("{BUILT_IN}\n{}", line.replacen(from, to, 1)));
        assert!(twice(item, "item sex | SEX2 |").is_err(), "a link id");
        assert!(twice(item, "item sex2 | SEX |").is_err(), "a field");
        let code = "code male | 601 | known | 2016-01-01 | - | a | b | c";
        assert!(
            Table::read(&format!(
                "{BUILT_IN}\nitem last | LAST | choice | optional | 2016-01-01 | - | a | b | c\n{code}"
            ))
            .is_err(),
            "a list id"
        );
    }
}
