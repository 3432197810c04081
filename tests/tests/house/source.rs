//! The project's files, and their code without what is compiled for tests only.

use std::collections::BTreeSet;
use std::process::Command;
use std::str::FromStr;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use wellgate_tests::project;

/// A text file of the project.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// From the project's root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// `rs` of `gateway/src/lib.rs`; empty for `tests/run`.
    pub(crate) fn extension(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// The tokens of a Rust file.
    pub(crate) fn tokens(&self) -> TokenStream {
        TokenStream::from_str(&self.text).unwrap_or_else(|error| panic!("{} is not Rust: {error}", self.path))
    }

    /// `path:line: message`
    pub(crate) fn violation(&self, line: usize, message: &str) -> String {
        format!("{}:{line}: {message}", self.path)
    }
}

/// Every file under version control, or about to be, that is text.
pub(crate) fn tracked() -> Vec<File> {
    let mut git = Command::new("git");
    // A checkout may belong to another user than the one who tests it.
    git.args(["-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = git.current_dir(project()).output().expect("git is installed: tests/setup does it");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let paths = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let read = |path: &str| Some(File::new(path, &std::fs::read_to_string(project().join(path)).ok()?));
    let files: Vec<File> = paths.split('\0').filter(|path| !path.is_empty()).filter_map(read).collect();
    assert!(!files.is_empty(), "the project has files");
    files
}

/// The files that are modules of tests: `#[cfg(test)] mod tests;`.
pub(crate) struct TestOnly(BTreeSet<String>);

impl TestOnly {
    /// Whether the file is such a module or lies within one.
    pub(crate) fn covers(&self, path: &str) -> bool {
        let module = module_folder(path);
        self.0
            .iter()
            .any(|test| module == *test || module.strip_prefix(test.as_str()).is_some_and(|rest| rest.starts_with('/')))
    }
}

pub(crate) fn test_only(files: &[File]) -> TestOnly {
    let mut modules = BTreeSet::new();
    for file in files.iter().filter(|file| file.extension() == "rs") {
        let mut tokens = file.tokens().into_iter().peekable();
        let mut is_test = false;
        while let Some(token) = tokens.next() {
            match &token {
                TokenTree::Group(attribute) if is_test_attribute(attribute) => is_test = true,
                TokenTree::Ident(word) if is_test && word == "mod" => {
                    let name = tokens.next().map(|name| name.to_string()).unwrap_or_default();
                    if matches!(tokens.peek(), Some(TokenTree::Punct(end)) if end.as_char() == ';') {
                        modules.insert(format!("{}/{name}", module_folder(&file.path)));
                    }
                    is_test = false;
                }
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => is_test = false,
                TokenTree::Punct(end) if end.as_char() == ';' => is_test = false,
                _ => {}
            }
        }
    }
    TestOnly(modules)
}

/// Where the modules within a file lie: `a/b` for `a/b.rs` and `a/b/mod.rs`, `a` for `a/lib.rs`.
fn module_folder(path: &str) -> String {
    let stem = path.trim_end_matches(".rs");
    let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    if matches!(name, "mod" | "lib" | "main") { folder.to_owned() } else { stem.to_owned() }
}

/// `[cfg(test)]`, `[cfg(any(test, …))]`, but not `[cfg(not(test))]`.
fn is_test_attribute(attribute: &Group) -> bool {
    let words = words(attribute.stream());
    attribute.delimiter() == Delimiter::Bracket
        && words.first().is_some_and(|word| word == "cfg")
        && words.iter().any(|word| word == "test")
        && !words.iter().any(|word| word == "not")
}

fn words(tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(word) => found.push(word.to_string()),
            TokenTree::Group(group) => found.extend(words(group.stream())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}

/// The tokens of one level without attributes (documentation is one) and without what they give to tests only.
pub(crate) fn compiled(tokens: TokenStream) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if !matches!(&token, TokenTree::Punct(mark) if mark.as_char() == '#') {
            kept.push(token);
            continue;
        }
        // `#[…]` is about the next item, `#![…]` about the whole level.
        let is_inner = tokens.next_if(|next| matches!(next, TokenTree::Punct(mark) if mark.as_char() == '!')).is_some();
        let Some(TokenTree::Group(attribute)) = tokens.next_if(|next| matches!(next, TokenTree::Group(_))) else {
            continue;
        };
        if is_test_attribute(&attribute) {
            if is_inner {
                return Vec::new();
            }
            skip_item(&mut tokens);
        }
    }
    kept
}

/// An item ends with its block or semicolon, a field or an arm with its comma.
fn skip_item(tokens: &mut impl Iterator<Item = TokenTree>) {
    const ITEMS: [&str; 11] =
        ["fn", "mod", "use", "impl", "struct", "enum", "const", "static", "trait", "type", "macro_rules"];
    let mut is_item = false;
    for token in tokens {
        match token {
            TokenTree::Ident(word) => is_item |= ITEMS.iter().any(|item| word == item),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
            TokenTree::Punct(mark) if mark.as_char() == ';' || (mark.as_char() == ',' && !is_item) => return,
            _ => {}
        }
    }
}

#[test]
fn what_is_compiled_for_tests_only_is_left_out() {
    let file = File::new(
        "a.rs",
        "//! A.\n#[cfg(test)] use x::{y}; struct S { #[cfg(test)] z: u8, kept: u8 }\n#[cfg(any(test, feature = \"f\"))] \
         pub fn t<A, B>() { u() }\n#[cfg(not(test))] fn also() {}\n#[cfg(test)]\nmod tests { fn v() {} }\nfn last() {}",
    );
    let text = |tokens: Vec<TokenTree>| tokens.into_iter().collect::<TokenStream>().to_string();
    let kept = text(compiled(file.tokens()));
    for word in ["S", "also", "last"] {
        assert!(kept.contains(word), "{word} in {kept}");
    }
    for word in ["x", "t <", "tests"] {
        assert!(!kept.contains(&format!(" {word}")), "{word} in {kept}");
    }
    assert_eq!(text(compiled(TokenStream::from_str("#[cfg(test)] z: u8, kept: u8").expect("it is Rust"))), "kept : u8");
}

#[test]
fn modules_of_tests_are_found_by_their_declaration() {
    let tests = test_only(&[
        File::new("g/src/a/mod.rs", "#[cfg(test)]\nmod samples;\n#[cfg(test)]\nmod inline {}\nmod code;"),
        File::new("g/src/b.rs", "fn f() {}\n#[cfg(test)]\nmod tests;"),
    ]);
    for path in ["g/src/a/samples.rs", "g/src/a/samples/large.rs", "g/src/b/tests.rs"] {
        assert!(tests.covers(path), "{path}");
    }
    for path in ["g/src/a/mod.rs", "g/src/a/code.rs", "g/src/a/samples_of_code.rs", "g/src/b.rs", "g/src/a/inline.rs"] {
        assert!(!tests.covers(path), "{path}");
    }
}
