//! The floors of the gateway: which module may use which.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::source::{File, compiled};

/// The modules of the gateway, from the lowest floor up. A module uses modules of lower floors only: never of a higher one, and
/// never a neighbour on its own, except where the row says so.
///
/// A new module is entered here first: as low as it can stand. What it must not know decides, not what it happens to use.
const FLOORS: [Floor; 12] = [
    // What everything depends on: time, settings, and text within markup.
    strangers(&["clock", "config", "markup"]),
    // What a resource is about: facts that rules are held against.
    strangers(&["labels"]),
    // Pure rules. They are strangers to each other so that each can be read, and proved, alone.
    strangers(&["audit", "auth", "consent", "queue", "rates", "routing", "search", "vault"]),
    // What the rules are fed with from outside. All SQL is in storage; it takes the viewer and the write set as the rules make
    // them.
    strangers(&["auth_keys", "bodies", "key_ring", "storage", "validation"]),
    // What a running gateway holds, and what its errors mean to a client.
    strangers(&["app", "error"]),
    // Who asks, and may this pass?
    strangers(&["access"]),
    strangers(&["billing", "referral", "tdi"]),
    // What is done over HTTP or by the operator: a file an interaction.
    strangers(&[
        "backup", "delivery", "evidence", "fhir", "oauth", "people", "registry", "reindex", "relabel", "sealed",
    ]),
    // What whoever runs the gateway asks over HTTP, and the pages of a billing office: the acts of the floors below, in an exchange.
    strangers(&["admin", "console"]),
    // Assembly: here a gateway is put together, so these use each other.
    neighbours(&["api", "gateway", "openapi", "router", "server", "telemetry"]),
    // A whole gateway with made-up surroundings.
    strangers(&["demo", "sandbox"]),
    // The program.
    neighbours(&["cli", "commands", "lib", "main"]),
];

struct Floor {
    modules: &'static [&'static str],
    uses_its_own: bool,
}

const fn strangers(modules: &'static [&'static str]) -> Floor {
    Floor { modules, uses_its_own: false }
}

const fn neighbours(modules: &'static [&'static str]) -> Floor {
    Floor { modules, uses_its_own: true }
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.modules.contains(&module))
}

/// What a file of `gateway/src` uses that stands on its own floor or above.
pub(crate) fn violations(file: &File) -> Vec<String> {
    let module = module_path(&file.path);
    let Some(own) = floor(&module[0]) else {
        return vec![file.violation(1, &format!("`{}` stands on no floor: enter it in FLOORS", module[0]))];
    };
    let is_root = matches!(module[0].as_str(), "lib" | "main");
    let depth = if is_root { 0 } else { module.len() };
    let mut violations = Vec::new();
    for (used, line) in used(file.tokens(), depth) {
        if used == module[0] {
            continue;
        }
        let message = match floor(&used) {
            None => format!("uses `{used}` of the crate's root, which stands on no floor"),
            Some(floor) if floor < own || (floor == own && FLOORS[own].uses_its_own) => continue,
            Some(floor) if floor == own => format!("`{}` uses its neighbour `{used}`", module[0]),
            Some(floor) => format!("`{}` (floor {own}) uses `{used}` above it (floor {floor})", module[0]),
        };
        violations.push(file.violation(line, &message));
    }
    violations
}

/// `["storage", "writer"]` for `gateway/src/storage/writer.rs`; never empty.
fn module_path(path: &str) -> Vec<String> {
    let path = path.trim_start_matches("gateway/src/").trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(str::to_owned).collect()
}

/// Every module of the crate's root that a path in the code names, with its line. `depth`: how many modules the code is in.
fn used(tokens: TokenStream, depth: usize) -> Vec<(String, usize)> {
    let tokens = compiled(tokens);
    let mut found = Vec::new();
    // How many of the `super`s that lead to the root stand before this token.
    let mut supers = 0;
    for (index, token) in tokens.iter().enumerate() {
        let rest = &tokens[index + 1..];
        match token {
            TokenTree::Ident(word) if word == "crate" && is_separator(rest) => found.extend(heads(&rest[2..])),
            TokenTree::Ident(word) if word == "super" && is_separator(rest) => {
                supers += 1;
                if supers == depth {
                    found.extend(heads(&rest[2..]));
                }
            }
            TokenTree::Punct(mark) if mark.as_char() == ':' => {}
            TokenTree::Group(group) => {
                let is_module =
                    group.delimiter() == Delimiter::Brace && index >= 2 && tokens[index - 2].to_string() == "mod";
                found.extend(used(group.stream(), depth + usize::from(is_module)));
                supers = 0;
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => supers = 0,
        }
    }
    found
}

fn is_separator(tokens: &[TokenTree]) -> bool {
    let is_colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(mark)) if mark.as_char() == ':');
    is_colon(tokens.first()) && is_colon(tokens.get(1))
}

/// The first names of what follows `crate::`: of `a::b` that is `a`, of `{a::b, c}` they are `a` and `c`.
fn heads(tokens: &[TokenTree]) -> Vec<(String, usize)> {
    match tokens.first() {
        Some(TokenTree::Group(group)) => {
            let items: Vec<TokenTree> = group.stream().into_iter().collect();
            let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(mark) if mark.as_char() == ',');
            items.split(is_comma).flat_map(heads).collect()
        }
        Some(TokenTree::Ident(word)) if word == "super" || word == "self" => Vec::new(),
        Some(token) => vec![(token.to_string(), token.span().start().line)],
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        violations(&File::new(path, text))
    }

    #[test]
    fn a_use_of_a_higher_floor_or_a_neighbour_is_found_however_it_is_written() {
        let refused = [
            ("gateway/src/storage/rows.rs", "use crate::access::Permitted;"),
            ("gateway/src/storage/rows.rs", "use super::super::access::Permitted;"),
            ("gateway/src/storage/mod.rs", "use super::access::Permitted;"),
            ("gateway/src/storage.rs", "use super::*;"),
            ("gateway/src/consent/decide.rs", "use crate::{clock::Clock, search::{index, path}};"),
            ("gateway/src/consent/decide.rs", "fn f() -> crate::audit::Event { todo!() }"),
            ("gateway/src/consent/decide.rs", "fn f() { log!(\"{}\", crate::audit::line()) }"),
            ("gateway/src/consent/decide.rs", "mod inner { use super::super::super::audit::Event; }"),
            ("gateway/src/access/mod.rs", "pub(crate) use crate::fhir::read;"),
            ("gateway/src/access/mod.rs", "use crate::Surprise;"),
            ("gateway/src/mystery/mod.rs", "fn f() {}"),
            ("gateway/src/mystery.rs", ""),
        ];
        for (path, text) in refused {
            assert_eq!(check(path, text).len(), 1, "{path}: {text}: {:?}", check(path, text));
        }
    }

    #[test]
    fn what_stands_lower_is_free_to_use() {
        let allowed = [
            (
                "gateway/src/storage/rows.rs",
                "use crate::{audit, clock::Clock, storage::writer::Writer};\nuse super::writer;",
            ),
            ("gateway/src/storage/rows.rs", "#[cfg(test)]\nmod tests { use crate::access::Permitted; }"),
            ("gateway/src/storage/rows.rs", "//! See [`crate::access`].\npub(crate) fn f() {}\npub(super) fn g() {}"),
            ("gateway/src/router.rs", "use crate::server;\nuse crate::storage::Store;"),
            ("gateway/src/server/activity.rs", "use super::super::telemetry;\nuse super::Server;"),
            ("gateway/src/lib.rs", "pub mod access;\npub mod storage;"),
        ];
        for (path, text) in allowed {
            assert_eq!(check(path, text), Vec::<String>::new(), "{path}: {text}");
        }
    }

    #[test]
    fn no_module_stands_on_two_floors() {
        let mut modules: Vec<&str> = FLOORS.iter().flat_map(|floor| floor.modules).copied().collect();
        let before = modules.len();
        modules.sort_unstable();
        modules.dedup();
        assert_eq!(modules.len(), before);
    }
}
