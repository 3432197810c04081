//! The questions of the register as data: items, their values and codes, and from when to when each of them counts.
//!
//! The table that comes with the program is `mappings/tables/tdi.txt`; its first lines explain its form.

use std::sync::{Arc, LazyLock};

use super::date::Date;
use super::record::Answer;
use super::table_reader::{TableError, read};

static BUILT_IN: LazyLock<Arc<Table>> = LazyLock::new(|| {
    let table = Table::read(include_str!("../../tables/tdi.txt"));
    Arc::new(table.expect("the built-in table is read, or a test fails"))
});

/// The languages of the form and of what is said of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Dutch.
    Nl,
    /// French.
    Fr,
    /// English.
    En,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Nl, Self::Fr, Self::En];

    /// The code of BCP 47.
    pub fn code(self) -> &'static str {
        match self {
            Self::Nl => "nl",
            Self::Fr => "fr",
            Self::En => "en",
        }
    }

    /// Reads a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }
}

/// One text in every language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    pub(super) nl: String,
    pub(super) fr: String,
    pub(super) en: String,
}

impl Texts {
    /// The text in a language.
    pub fn text(&self, language: Language) -> &str {
        match language {
            Language::Nl => &self.nl,
            Language::Fr => &self.fr,
            Language::En => &self.en,
        }
    }
}

/// From when to when something counts, by the first day of the treatment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first day.
    pub from: Date,
    /// The first day on which it does not count any more.
    pub until: Option<Date>,
}

impl Validity {
    /// Whether a day lies within.
    pub fn covers(self, day: Date) -> bool {
        self.from <= day && self.until.is_none_or(|until| day < until)
    }
}

/// What answers an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One code.
    Choice,
    /// One code or more.
    Choices,
    /// A whole number.
    Whole {
        /// The lowest that is taken.
        min: i64,
        /// The highest that is taken.
        max: i64,
    },
    /// A day.
    Date,
    /// The code of a unit: letters, digits, `-`, `_` and `.`.
    Unit,
    /// What stands for the national number: never asked.
    Pseudonym,
}

/// When an item is asked at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// The item that decides.
    pub link_id: String,
    /// The answers under which it is asked.
    pub codes: Vec<String>,
}

/// One code of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code, unique in its item.
    pub code: String,
    /// The id that the register's code list has for it, unique in the table.
    pub list_id: u32,
    /// From when to when it is taken.
    pub validity: Validity,
    /// Whether it says that the answer is not known.
    pub is_unknown: bool,
    /// What it says.
    pub texts: Texts,
}

/// One item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its link id in the Questionnaire, unique.
    pub link_id: String,
    /// Its name in what is sent, unique: the register's own item code where it is known.
    pub field: String,
    /// What answers it.
    pub kind: Kind,
    /// Whether it must be answered wherever it is asked.
    pub is_required: bool,
    /// From when to when it is asked.
    pub validity: Validity,
    /// When it is asked at all.
    pub when: Option<When>,
    /// The question.
    pub texts: Texts,
    /// Its codes, in the order of the form.
    pub codes: Vec<Code>,
    pub(super) group: usize,
}

impl Item {
    /// The code of this name.
    pub fn code(&self, code: &str) -> Option<&Code> {
        self.codes.iter().find(|known| known.code == code)
    }

    /// The code with this id in the register's list.
    pub fn code_by_list_id(&self, list_id: u64) -> Option<&Code> {
        self.codes.iter().find(|known| u64::from(known.list_id) == list_id)
    }

    /// Whether an answer says no more than that nothing is known.
    pub fn is_unknown(&self, answer: &Answer) -> bool {
        let codes = answer.codes();
        !codes.is_empty() && codes.iter().all(|code| self.code(code).is_some_and(|code| code.is_unknown))
    }

    /// Whether somebody is asked this item.
    pub fn is_asked(&self) -> bool {
        self.kind != Kind::Pseudonym
    }
}

/// Items that stand together in the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its link id.
    pub link_id: String,
    /// Its title.
    pub texts: Texts,
}

/// The questions of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    pub(super) version: String,
    pub(super) groups: Vec<Group>,
    pub(super) items: Vec<Item>,
}

impl Table {
    /// The table that comes with the program.
    pub fn built_in() -> Arc<Self> {
        Arc::clone(&BUILT_IN)
    }

    /// Reads a table.
    ///
    /// # Errors
    /// The first line that is not understood, or what the table as a whole lacks.
    pub fn read(text: &str) -> Result<Self, TableError> {
        read(text)
    }

    /// The version that it names.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Every item, in the order of the form.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// The item with this link id.
    pub fn item(&self, link_id: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.link_id == link_id)
    }

    /// The item with this name in what is sent.
    pub fn item_by_field(&self, field: &str) -> Option<&Item> {
        self.items.iter().find(|item| item.field == field)
    }

    /// The groups, in the order of the form.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The group of an item.
    pub fn group_of(&self, item: &Item) -> &Group {
        &self.groups[item.group]
    }

    /// The items of a group that are asked on a day, in the order of the form.
    pub fn asked<'t>(&'t self, group: &'t Group, day: Date) -> impl Iterator<Item = &'t Item> {
        let is_asked = move |item: &&Item| item.is_asked() && item.validity.covers(day);
        self.items.iter().filter(move |item| self.group_of(item) == group).filter(is_asked)
    }
}
