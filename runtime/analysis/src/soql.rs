//! What one SOQL query reads, by its text alone: one SELECT, its objects and its fields.
//!
//! Salesforce's query language has no statement that changes data, but clauses that do: `FOR UPDATE` locks, `FOR VIEW`, `FOR
//! REFERENCE` and `UPDATE TRACKING` or `VIEWSTAT` write. They are refused here, and so is everything that is not understood.
//! (SOQL and SOSL Reference, "SOQL SELECT Syntax" and "Quoted String Escape Sequences".)

mod lexer;

use std::collections::BTreeSet;

use lexer::{Lexer, Token};

/// Longest query, in bytes; Salesforce itself takes 100,000 characters.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Queries within each other. Salesforce takes five levels of relationships.
const LEVELS_MAX: u32 = 8;
/// What may stand behind an object without being its alias.
const NO_ALIAS: [&str; 13] =
    ["where", "with", "group", "having", "order", "limit", "offset", "for", "update", "using", "all", "select", "from"];

/// What a query reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SoqlReport {
    /// Objects and relationships, sorted, without duplicates.
    pub objects: Vec<String>,
    /// Fields of the outermost query as written, aggregates without their arguments' braces.
    pub fields: Vec<String>,
    /// Names of values that are still to be bound.
    pub binds: Vec<String>,
    /// The query with a `?` for each value.
    pub shape: String,
}

impl SoqlReport {
    /// The shape without anything that a value decides: binds, truth values and `NULL` are `?`, and so is a list of any length.
    /// Two texts that one template gives have the same.
    #[must_use]
    pub fn listed_shape(&self) -> String {
        let is_value = |word: &str| {
            word.starts_with(':') || ["?", "true", "false", "null"].iter().any(|value| word.eq_ignore_ascii_case(value))
        };
        let words = self.shape.split(' ').map(|word| if is_value(word) { "?" } else { word });
        let mut shape = words.collect::<Vec<_>>().join(" ");
        while shape.contains("? , ?") {
            shape = shape.replace("? , ?", "?");
        }
        shape.replace("( ? )", "?")
    }
}

/// Why a text is not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SoqlRefusal {
    /// Longer than 64 KiB.
    #[error("the query has {found} bytes, the limit is {configured}")]
    TooLong {
        /// The limit in bytes.
        configured: usize,
        /// Bytes of the text.
        found: usize,
    },
    /// Not one SELECT.
    #[error("the query is not understood at character {at}: {message}")]
    Unparsed {
        /// From 1.
        at: usize,
        /// What is wrong.
        message: &'static str,
    },
    /// A clause that writes.
    #[error("`{clause}` changes something, and a query only reads: leave it out")]
    Writes {
        /// Which.
        clause: String,
    },
}

/// Reads one query.
///
/// # Errors
/// When it is too long, not one SELECT, or would change something.
pub fn soql(text: &str) -> Result<SoqlReport, SoqlRefusal> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(SoqlRefusal::TooLong { configured: TEXT_BYTES_MAX, found: text.len() });
    }
    let tokens = Lexer::new(text).tokens()?;
    let mut reader = Reader { tokens: &tokens, next: 0, end: text.chars().count() + 1, found: Found::default() };
    reader.query(0)?;
    if reader.peek().is_some() {
        return Err(reader.refuse("one query ends here, and there is more"));
    }
    let Found { objects, fields, binds } = reader.found;
    let shape = tokens.iter().map(|(_, token)| token.shown()).collect::<Vec<_>>().join(" ");
    Ok(SoqlReport { objects: objects.into_iter().collect(), fields, binds: binds.into_iter().collect(), shape })
}

#[derive(Default)]
struct Found {
    objects: BTreeSet<String>,
    fields: Vec<String>,
    binds: BTreeSet<String>,
}

struct Reader<'a> {
    tokens: &'a [(usize, Token)],
    next: usize,
    end: usize,
    found: Found,
}

impl<'a> Reader<'a> {
    /// `SELECT fields FROM objects rest`, up to the end or to a brace that it did not open.
    fn query(&mut self, level: u32) -> Result<(), SoqlRefusal> {
        if level >= LEVELS_MAX {
            return Err(self.refuse("queries stand in each other too deeply"));
        }
        self.expect("select", "a query begins with SELECT")?;
        self.fields(level)?;
        self.expect("from", "FROM and an object belong here")?;
        self.objects()?;
        self.rest(level)
    }

    fn fields(&mut self, level: u32) -> Result<(), SoqlRefusal> {
        let from = self.next;
        while !self.is_word("from") {
            match self.peek() {
                Some(Token::Open) => self.braces(level)?,
                Some(Token::Word(word)) => {
                    if level == 0 && !["typeof", "when", "then", "else", "end"].contains(&word.to_lowercase().as_str())
                    {
                        self.found.fields.push(word.clone());
                    }
                    self.next += 1;
                }
                Some(Token::Comma) => self.next += 1,
                _ => return Err(self.refuse("a field, a comma or FROM belongs here")),
            }
        }
        if self.next == from { Err(self.refuse("at least one field belongs here")) } else { Ok(()) }
    }

    fn objects(&mut self) -> Result<(), SoqlRefusal> {
        loop {
            let Some(Token::Word(name)) = self.peek() else { return Err(self.refuse("an object belongs here")) };
            self.found.objects.insert(name.clone());
            self.next += 1;
            // An alias, with or without AS.
            if self.is_word("as") {
                self.next += 1;
            }
            if matches!(self.peek(), Some(Token::Word(word)) if !NO_ALIAS.contains(&word.to_lowercase().as_str())) {
                self.next += 1;
            }
            if !matches!(self.peek(), Some(Token::Comma)) {
                return Ok(());
            }
            self.next += 1;
        }
    }

    /// Conditions, order and limits: nothing in them is named, and nothing in them may write.
    fn rest(&mut self, level: u32) -> Result<(), SoqlRefusal> {
        loop {
            match self.peek() {
                None | Some(Token::Close) => return Ok(()),
                Some(Token::Open) => self.braces(level)?,
                Some(Token::Word(word)) => {
                    let word = word.to_lowercase();
                    if word == "select" {
                        return Err(self.refuse("a query in a query stands in braces"));
                    }
                    if word == "for" || word == "update" {
                        return Err(SoqlRefusal::Writes { clause: self.clause() });
                    }
                    self.next += 1;
                }
                Some(Token::Bind(name)) => {
                    self.found.binds.insert(name.clone());
                    self.next += 1;
                }
                Some(Token::Literal | Token::Operator(_) | Token::Comma) => self.next += 1,
            }
        }
    }

    /// What stands in braces: a query, a list of values, arguments or conditions.
    fn braces(&mut self, level: u32) -> Result<(), SoqlRefusal> {
        if level + 1 >= LEVELS_MAX * 4 {
            return Err(self.refuse("braces nest too deeply"));
        }
        self.next += 1;
        if self.is_word("select") {
            self.query(level + 1)?;
        } else {
            self.rest(level + 1)?;
        }
        match self.peek() {
            Some(Token::Close) => {
                self.next += 1;
                Ok(())
            }
            _ => Err(self.refuse("a brace is not closed")),
        }
    }

    fn clause(&self) -> String {
        let words = self.tokens.iter().skip(self.next).take(2);
        let text =
            words.filter_map(|(_, token)| if let Token::Word(word) = token { Some(word.to_uppercase()) } else { None });
        text.collect::<Vec<_>>().join(" ").chars().take(40).collect()
    }

    fn expect(&mut self, word: &str, message: &'static str) -> Result<(), SoqlRefusal> {
        if !self.is_word(word) {
            return Err(self.refuse(message));
        }
        self.next += 1;
        Ok(())
    }

    fn is_word(&self, wanted: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted))
    }

    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn refuse(&self, message: &'static str) -> SoqlRefusal {
        SoqlRefusal::Unparsed { at: self.tokens.get(self.next).map_or(self.end, |(at, _)| *at), message }
    }
}
