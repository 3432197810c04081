//! The index of words, where it is switched on: a row a resource and form, of its body as it is stored, so nothing of what is sealed.
//!
//! A viewer's own records are looked through by the words of their rows, so that there what others hold costs no time. In chains, and where
//! everything is looked through, each database looks the words up in its own way, as long as it has rows with them (SECURITY.md);
//! nothing but letters, digits and spaces is handed to it.

use super::rows::{Cell, Rows};
use super::search::Statement;
use super::statements::key_row;
use super::write_set::{NewVersion, ResourceKey, WriteSet};
use super::{StorageError, Store, read, write};
use crate::search::words::{Sought, VERSION, content, narrative};

/// The form from which words were taken, as in the other index.
const WHOLE: i64 = 1;
const MINIMUM: i64 = 2;

/// The words of one form of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextRow {
    key: ResourceKey,
    sight: i64,
    narrative: String,
    content: String,
}

impl Store {
    /// Whether words are searched.
    pub fn full_text(&self) -> bool {
        self.full_text
    }

    /// The words of versions, sealed as they are; none where they are not searched.
    pub(super) fn texts_of(&self, versions: &[NewVersion]) -> Vec<TextRow> {
        if !self.full_text {
            return Vec::new();
        }
        let mut texts = Vec::new();
        for NewVersion { key, body, minimum, .. } in versions {
            // A narrative is not sealed, and names whoever the sealed elements name.
            let is_told = !self.keys().is_some_and(|keys| keys.sealed().hides(key.resource_type, "_text"));
            let forms = [(WHOLE, Some(body.as_str())), (MINIMUM, minimum.as_deref())];
            for (sight, form) in forms {
                let Some(resource) = form.and_then(|form| serde_json::from_str(form).ok()) else { continue };
                let narrative = if is_told { narrative(&resource) } else { String::new() };
                texts.push(TextRow { key: key.clone(), sight, narrative, content: content(&resource, is_told) });
            }
        }
        texts
    }

    /// Switches the index on or off where it is not: what is stored is listed to be indexed, or the words are forgotten. It is for who serves
    /// to say: an operator's command that was started with other settings takes nothing away.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn switch_full_text(&self) -> Result<(), StorageError> {
        let sql = "SELECT value FROM index_setting WHERE name = 'full-text'";
        let was: Option<String> = read!(&self.database, |pool| sqlx::query_scalar(sql).fetch_optional(pool).await?);
        let is = self.full_text.then_some(VERSION);
        if was.as_deref() == is {
            return Ok(());
        }
        let forgotten = "DELETE FROM text_index";
        let listed = "INSERT INTO stale_index (compartment, resource_type, id) SELECT compartment, resource_type, id FROM resource \
                      WHERE deleted = 0 ON CONFLICT (compartment, resource_type, id) DO NOTHING";
        let unset = "DELETE FROM index_setting WHERE name = 'full-text'";
        let set = "INSERT INTO index_setting (name, value) VALUES ('full-text', $1) ON CONFLICT (name) DO NOTHING";
        write!(&self.database, |pool| {
            let mut tx = pool.begin().await?;
            sqlx::query(unset).execute(&mut *tx).await?;
            if let Some(version) = is {
                sqlx::query(set).bind(version).execute(&mut *tx).await?;
                sqlx::query(listed).execute(&mut *tx).await?;
            } else {
                sqlx::query(forgotten).execute(&mut *tx).await?;
            }
            tx.commit().await?;
        });
        Ok(())
    }
}

pub(super) fn text_rows(set: &WriteSet) -> Rows<'_> {
    fn row(text: &TextRow) -> Vec<Cell<'_>> {
        let mut row = key_row(&text.key);
        row.extend([text.sight.into(), text.narrative.as_str().into(), text.content.as_str().into()]);
        row
    }
    set.texts.iter().map(row).collect()
}

/// The column that a parameter searches.
fn column(parameter: &str) -> &'static str {
    if parameter == "_text" { "narrative" } else { "content" }
}

/// That a row `t` has what is sought: its words stand between spaces, and have no sign in them that means something in a pattern.
pub(super) fn held_sql(statement: &mut Statement, parameter: &str, sought: &Sought) -> String {
    has_sql(statement, column(parameter), sought.words.iter().chain(&sought.phrases))
}

/// The same, by way of the database's own index of words.
pub(super) fn found_sql(statement: &mut Statement, parameter: &str, sought: &Sought) -> String {
    let column = column(parameter);
    let mut text = if statement.is_sqlite {
        let words: Vec<String> = sought.words.iter().map(|word| format!("\"{word}\"")).collect();
        let asked = statement.text(&format!("{column} : ({})", words.join(" AND ")));
        format!("t.number IN (SELECT rowid FROM text_words WHERE text_words MATCH {asked})")
    } else {
        let words = statement.text(&sought.words.join(" "));
        format!("array_remove(string_to_array(t.{column}, ' '), '') @> string_to_array({words}, ' ')")
    };
    if !sought.phrases.is_empty() {
        text.push_str(" AND ");
        text.push_str(&has_sql(statement, column, sought.phrases.iter()));
    }
    text
}

fn has_sql<'w>(statement: &mut Statement, column: &str, texts: impl Iterator<Item = &'w String>) -> String {
    let each = texts.map(|text| format!("t.{column} LIKE {}", statement.text(&format!("% {text} %"))));
    each.collect::<Vec<_>>().join(" AND ")
}
