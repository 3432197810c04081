//! All SQL is in `gateway/src/storage`: whoever asks which statement runs looks in one place.

use proc_macro2::{TokenStream, TokenTree};

use crate::source::File;

const STORAGE: &str = "gateway/src/storage";

/// SQL, or the library that runs it, in a crate's code outside storage. Test code beside it is no exception.
pub(crate) fn violations(file: &File) -> Vec<String> {
    let is_code =
        ["gateway/src/", "connectors/src/", "mappings/src/"].iter().any(|folder| file.path.starts_with(folder));
    if !is_code || file.extension() != "rs" || file.path.starts_with(STORAGE) {
        return Vec::new();
    }
    lines(file.tokens())
        .into_iter()
        .map(|(line, what)| file.violation(line, &format!("{what} outside {STORAGE}")))
        .collect()
}

fn lines(tokens: TokenStream) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    let mut is_attribute = false;
    for token in tokens {
        let line = token.span().start().line;
        match &token {
            // Documentation is an attribute, and may speak of SQL.
            TokenTree::Group(group) if !is_attribute => found.extend(lines(group.stream())),
            TokenTree::Literal(literal) if is_sql(&literal.to_string()) => found.push((line, "SQL")),
            TokenTree::Ident(word) if word == "sqlx" => found.push((line, "sqlx")),
            _ => {}
        }
        is_attribute = matches!(&token, TokenTree::Punct(mark) if matches!(mark.as_char(), '#') || (is_attribute && mark.as_char() == '!'));
    }
    found
}

/// Whether a literal, as written in the code, holds a statement. Only capitals count: English selects and updates too.
fn is_sql(literal: &str) -> bool {
    let text: String = literal.split_whitespace().collect::<Vec<_>>().join(" ") + " ";
    let updates = text.find("UPDATE ").is_some_and(|start| text[start..].contains(" SET "));
    updates || ["SELECT ", "INSERT INTO ", "DELETE FROM "].iter().any(|start| text.contains(start))
}

#[test]
fn sql_is_found_in_every_form_of_text_and_only_outside_storage() {
    let refused = [
        "fn f() { query(\"SELECT id FROM resource\"); }",
        "const A: &str = \"\n    SELECT\n  id\";",
        "const A: &str = r#\"insert \"x\" INSERT INTO resource VALUES (1)\"#;",
        "fn f() { run(format!(\"UPDATE {table} SET a = 1\")) }",
        "const A: &str = \"DELETE FROM resource\";",
        "use sqlx::Row;",
        "fn f() -> Result<(), sqlx::Error> { Ok(()) }",
        "#[cfg(test)] mod tests { const A: &str = \"SELECT 1\"; }",
    ];
    for text in refused {
        assert_eq!(violations(&File::new("gateway/src/fhir/read.rs", text)).len(), 1, "{text}");
        assert!(violations(&File::new("gateway/src/storage/rows.rs", text)).is_empty(), "{text}");
    }
    let allowed = [
        "//! The SELECT of storage joins grants.\n/// An UPDATE may SET nothing.\nfn f() {}",
        "const A: &str = \"Select an organisation to update and set\";",
        "const A: &str = \"SELECTED\"; const B: &str = \"UPDATE first\";",
    ];
    for text in allowed {
        assert_eq!(violations(&File::new("gateway/src/fhir/read.rs", text)), Vec::<String>::new(), "{text}");
    }
}
