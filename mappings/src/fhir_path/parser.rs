//! The grammar: <https://hl7.org/fhirpath/N1/grammar.html>.

use regex_lite::Regex;

use super::function::Function;
use super::lexer::{Token, words};

/// The longest expression that is read.
const BYTES_MAX: usize = 10_000;
/// The most parts of an expression: so many may lie within each other without brackets.
const PARTS_MAX: usize = 300;
/// How deep brackets may lie within each other.
const DEPTH_MAX: usize = 40;
/// The most words of an error.
const QUOTED_MAX: usize = 60;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Tree {
    /// `$this`, and what a name without anything before it begins at.
    This,
    /// `{}`
    Nothing,
    Text(String),
    Number(f64),
    Boolean(bool),
    /// `%resource`, `%rootResource`, `%context`.
    Resource,
    RootResource,
    Context,
    /// The elements of a name.
    Child(Box<Tree>, String),
    /// A name with a capital at the beginning: stays where it is of this type.
    Root(String),
    Item(Box<Tree>, Box<Tree>),
    Call(Box<Tree>, Function, Vec<Tree>),
    /// `matches` and its like with a pattern that is written out.
    Pattern(Box<Tree>, Pattern, Option<Box<Tree>>),
    Negative(Box<Tree>),
    Both(Operator, Box<Tree>, Box<Tree>),
    Is(Box<Tree>, String),
    As(Box<Tree>, String),
}

/// A regular expression, read once.
#[derive(Debug, Clone)]
pub(super) struct Pattern(pub(super) Regex);

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// What stands between two expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Implies,
    Or,
    Xor,
    And,
    In,
    Contains,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Union,
    Plus,
    Minus,
    Concatenate,
    Times,
    Divide,
    WholeDivide,
    Modulo,
}

/// Those that bind alike, the loosest first.
const LEVELS: [&[(&str, Operator)]; 8] = [
    &[("implies", Operator::Implies)],
    &[("or", Operator::Or), ("xor", Operator::Xor)],
    &[("and", Operator::And)],
    &[("in", Operator::In), ("contains", Operator::Contains)],
    &[("=", Operator::Equal), ("!=", Operator::NotEqual)],
    &[("<", Operator::Less), ("<=", Operator::LessOrEqual), (">", Operator::Greater), (">=", Operator::GreaterOrEqual)],
    &[("|", Operator::Union)],
    &[("+", Operator::Plus), ("-", Operator::Minus), ("&", Operator::Concatenate)],
];
/// The level that binds tighter than `is` and `as`.
const OF_TYPES: usize = 7;
const FACTORS: &[(&str, Operator)] =
    &[("*", Operator::Times), ("/", Operator::Divide), ("div", Operator::WholeDivide), ("mod", Operator::Modulo)];

/// Reads an expression.
///
/// # Errors
/// What of it is not served.
pub(super) fn read(text: &str) -> Result<Tree, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("an expression of more than {BYTES_MAX} bytes"));
    }
    let mut words = words(text)?;
    words.reverse();
    let mut parser = Parser { words, parts: 0, depth: 0 };
    let tree = parser.level(0)?;
    match parser.words.last() {
        None => Ok(tree),
        Some(word) => Err(shown(word)),
    }
}

fn shown(word: &Token) -> String {
    let word = match word {
        Token::Name(word, _) | Token::Text(word) | Token::Number(word) => word.clone(),
        Token::Dollar(word) => format!("${word}"),
        Token::Percent(word) => format!("%{word}"),
        Token::Sign(sign) => (*sign).to_owned(),
    };
    format!("'{}'", word.chars().take(QUOTED_MAX).collect::<String>())
}

struct Parser {
    /// The next word comes last.
    words: Vec<Token>,
    parts: usize,
    depth: usize,
}

impl Parser {
    /// Takes the sign or keyword, if it is next.
    fn takes(&mut self, word: &str) -> bool {
        let is_next = match self.words.last() {
            Some(Token::Sign(sign)) => *sign == word,
            Some(Token::Name(name, false)) => name == word,
            _ => false,
        };
        if is_next {
            self.words.pop();
        }
        is_next
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.takes(sign) { Ok(()) } else { Err(self.words.last().map_or_else(|| "its end".to_owned(), shown)) }
    }

    fn level(&mut self, level: usize) -> Result<Tree, String> {
        if level == 0 {
            self.part()?;
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return Err(format!("an expression more than {DEPTH_MAX} deep"));
            }
        }
        let operators = LEVELS.get(level).copied().unwrap_or(FACTORS);
        let mut left = self.tighter(level)?;
        while let Some((_, operator)) = operators.iter().find(|(word, _)| self.takes(word)) {
            self.part()?;
            left = Tree::Both(*operator, Box::new(left), Box::new(self.tighter(level)?));
        }
        if level == OF_TYPES {
            left = self.of_type(left)?;
        }
        if level == 0 {
            self.depth -= 1;
        }
        Ok(left)
    }

    /// Counts a part.
    fn part(&mut self) -> Result<(), String> {
        self.parts += 1;
        if self.parts > PARTS_MAX { Err(format!("an expression of more than {PARTS_MAX} parts")) } else { Ok(()) }
    }

    fn tighter(&mut self, level: usize) -> Result<Tree, String> {
        if level < LEVELS.len() { self.level(level + 1) } else { self.signed() }
    }

    fn of_type(&mut self, left: Tree) -> Result<Tree, String> {
        if self.takes("is") {
            return Ok(Tree::Is(Box::new(left), self.type_name()?));
        }
        if self.takes("as") {
            return Ok(Tree::As(Box::new(left), self.type_name()?));
        }
        Ok(left)
    }

    fn type_name(&mut self) -> Result<String, String> {
        let mut name = self.name()?;
        // `FHIR.uri`, `System.String`: the end of the name tells the type.
        while self.takes(".") {
            name = self.name()?;
        }
        Ok(name)
    }

    fn name(&mut self) -> Result<String, String> {
        match self.words.pop() {
            Some(Token::Name(name, _)) => Ok(name),
            Some(other) => Err(shown(&other)),
            None => Err("its end".to_owned()),
        }
    }

    fn signed(&mut self) -> Result<Tree, String> {
        self.part()?;
        if self.takes("-") {
            return Ok(Tree::Negative(Box::new(self.signed()?)));
        }
        if self.takes("+") {
            return self.signed();
        }
        let mut tree = self.term()?;
        loop {
            if self.takes(".") {
                self.part()?;
                tree = self.step(tree)?;
            } else if self.takes("[") {
                let index = self.level(0)?;
                self.expect("]")?;
                tree = Tree::Item(Box::new(tree), Box::new(index));
            } else {
                return Ok(tree);
            }
        }
    }

    fn term(&mut self) -> Result<Tree, String> {
        if self.takes("(") {
            let tree = self.level(0)?;
            self.expect(")")?;
            return Ok(tree);
        }
        if self.takes("{") {
            self.expect("}")?;
            return Ok(Tree::Nothing);
        }
        match self.words.pop() {
            Some(Token::Text(text)) => Ok(Tree::Text(text)),
            Some(Token::Number(number)) => number.parse().map(Tree::Number).map_err(|_| format!("'{number}'")),
            Some(Token::Dollar(name)) if name == "this" => Ok(Tree::This),
            Some(Token::Percent(name)) => match name.as_str() {
                "resource" => Ok(Tree::Resource),
                "rootResource" => Ok(Tree::RootResource),
                "context" => Ok(Tree::Context),
                "ucum" => Ok(Tree::Text("http://unitsofmeasure.org".to_owned())),
                "sct" => Ok(Tree::Text("http://snomed.info/sct".to_owned())),
                "loinc" => Ok(Tree::Text("http://loinc.org".to_owned())),
                _ => Err(format!("'%{}'", name.chars().take(QUOTED_MAX).collect::<String>())),
            },
            Some(Token::Name(name, false)) if name == "true" || name == "false" => Ok(Tree::Boolean(name == "true")),
            Some(name @ Token::Name(..)) => {
                self.words.push(name);
                self.step(Tree::This)
            }
            Some(other) => Err(shown(&other)),
            None => Err("its end".to_owned()),
        }
    }

    /// A name or a call, of what stands before it.
    fn step(&mut self, of: Tree) -> Result<Tree, String> {
        let name = match self.words.pop() {
            Some(Token::Dollar(name)) if name == "this" => return Ok(of),
            Some(Token::Name(name, _)) => name,
            Some(other) => return Err(shown(&other)),
            None => return Err("its end".to_owned()),
        };
        if !self.takes("(") {
            let is_type = name.starts_with(|first: char| first.is_ascii_uppercase());
            return Ok(if is_type && of == Tree::This { Tree::Root(name) } else { Tree::Child(Box::new(of), name) });
        }
        if matches!(name.as_str(), "is" | "as" | "ofType") {
            let kind = self.type_name()?;
            self.expect(")")?;
            return Ok(if name == "is" { Tree::Is(Box::new(of), kind) } else { Tree::As(Box::new(of), kind) });
        }
        let mut given = Vec::new();
        if !self.takes(")") {
            given.push(self.level(0)?);
            while self.takes(",") {
                given.push(self.level(0)?);
            }
            self.expect(")")?;
        }
        call(of, &name, given)
    }
}

fn call(of: Tree, name: &str, mut given: Vec<Tree>) -> Result<Tree, String> {
    let function = Function::named(name, given.len());
    let function = function.ok_or_else(|| format!("{}() with {} arguments", shown_name(name), given.len()))?;
    if !matches!(function, Function::Matches | Function::ReplaceMatches) {
        return Ok(Tree::Call(Box::new(of), function, given));
    }
    let replacement = if given.len() > 1 { given.pop().map(Box::new) } else { None };
    match given.pop() {
        Some(Tree::Text(pattern)) => {
            let regex = Regex::new(&pattern).map_err(|_| format!("the pattern of {name}()"))?;
            Ok(Tree::Pattern(Box::new(of), Pattern(regex), replacement))
        }
        _ => Err(format!("{name}() with a pattern that is not written out")),
    }
}

fn shown_name(name: &str) -> String {
    name.chars().take(QUOTED_MAX).collect()
}
