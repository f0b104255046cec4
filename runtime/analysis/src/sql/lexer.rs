//! The database's own way to split a text: where strings, quoted names and comments begin and end, and which operators stand
//! between them. Written from the lexers themselves (PostgreSQL's scan.l, SQLite's tokenize.c, MySQL's sql_lex.cc).
//!
//! It knows nothing else, so that it stays small enough to be read. What sqlparser makes of the same text is compared with it.

use sqlparser::tokenizer::Location;

use super::{Dialect, SqlRefusal, parse::unparsed};

/// Something whose inside is no code: where it starts and where the text goes on.
pub(super) type Opaque = (Location, Location);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Split {
    pub(super) opaque: Vec<Opaque>,
    /// PostgreSQL only, as its lexer cuts them.
    pub(super) operators: Vec<String>,
}

/// Splits a text.
///
/// # Errors
/// When something is not closed, or would end elsewhere under other settings of the session.
pub(super) fn split(dialect: Dialect, text: &str) -> Result<Split, SqlRefusal> {
    let mut lexer = Lexer { dialect, rest: text, line: 1, column: 1, split: Split::default() };
    while let Some(first) = lexer.peek() {
        lexer.one(first)?;
    }
    Ok(lexer.split)
}

struct Lexer<'a> {
    dialect: Dialect,
    rest: &'a str,
    line: u64,
    column: u64,
    split: Split,
}

impl Lexer<'_> {
    fn one(&mut self, first: char) -> Result<(), SqlRefusal> {
        let start = self.place();
        if self.is_comment() {
            self.comment()?;
        } else if let Some(prefix) = self.string_prefix() {
            self.skip(prefix.chars().count());
            self.quoted('\'', Inside::of(self.dialect, prefix))?;
        } else if let Some((close, inside)) = self.quote(first) {
            self.quoted(close, inside)?;
        } else if let Some(tag) = self.dollar_tag() {
            self.dollar_quoted(&tag)?;
        } else {
            return self.code(first);
        }
        self.split.opaque.push((start, self.place()));
        Ok(())
    }

    fn is_comment(&self) -> bool {
        if self.rest.starts_with("/*") {
            return true;
        }
        match self.dialect {
            Dialect::Postgres | Dialect::Sqlite => self.rest.starts_with("--"),
            // `--` needs a blank or a control character after it.
            Dialect::Mysql => {
                let after = self.rest.strip_prefix("--").map(|rest| rest.chars().next());
                self.rest.starts_with('#') || after.is_some_and(|c| c.is_none_or(|c| c == ' ' || c.is_ascii_control()))
            }
        }
    }

    fn comment(&mut self) -> Result<(), SqlRefusal> {
        if !self.rest.starts_with("/*") {
            let ends = |c| c == '\n' || (c == '\r' && self.dialect == Dialect::Postgres);
            let length = self.rest.chars().take_while(|c| !ends(*c)).count();
            self.skip(length);
            return Ok(());
        }
        self.skip(2);
        let mut open = 1_u32;
        while open > 0 {
            if self.rest.starts_with("*/") {
                self.skip(2);
                open -= 1;
            } else if self.dialect == Dialect::Postgres && self.rest.starts_with("/*") {
                self.skip(2);
                open += 1;
            } else if self.next().is_none() {
                return Err(self.refuse("the comment is not closed"));
            }
        }
        Ok(())
    }

    /// The letters that make something else of the string behind them.
    fn string_prefix(&self) -> Option<&'static str> {
        let prefixes: &[&'static str] = match self.dialect {
            Dialect::Postgres => &["e", "x", "b", "n", "u&"],
            Dialect::Mysql => &["x", "b", "n"],
            Dialect::Sqlite => &["x"],
        };
        let matches = |prefix: &&&str| {
            let start = self.rest.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
            start && self.rest.get(prefix.len()..).is_some_and(|rest| rest.starts_with('\''))
        };
        prefixes.iter().find(matches).copied()
    }

    fn quote(&self, first: char) -> Option<(char, Inside)> {
        match (first, self.dialect) {
            ('\'', dialect) => Some(('\'', Inside::of(dialect, ""))),
            ('"', Dialect::Mysql) => Some(('"', Inside::Ambiguous)),
            ('"', Dialect::Postgres | Dialect::Sqlite) | ('`', Dialect::Mysql | Dialect::Sqlite) => {
                Some((first, Inside::Plain))
            }
            ('[', Dialect::Sqlite) => Some((']', Inside::Bracket)),
            _ => None,
        }
    }

    fn quoted(&mut self, close: char, inside: Inside) -> Result<(), SqlRefusal> {
        self.next();
        loop {
            let Some(c) = self.next() else { return Err(self.refuse("the quote is not closed")) };
            let again = self.peek() == Some(close);
            if c == close && again && inside != Inside::Bracket {
                self.next();
            } else if c == close {
                return Ok(());
            } else if !inside.allows(c) {
                return Err(self.refuse("a character that this literal cannot hold"));
            } else if c == '\\' && inside.escapes() {
                let ends = self.peek().is_some_and(|next| next == close);
                if ends && inside == Inside::Ambiguous {
                    let problem = "a backslash before a quote, which settings of the session give another meaning: \
                        bind the value as a parameter";
                    return Err(self.refuse(problem));
                }
                self.next();
            }
        }
    }

    /// `$tag$`, where one starts here; PostgreSQL only.
    fn dollar_tag(&self) -> Option<String> {
        if self.dialect != Dialect::Postgres {
            return None;
        }
        let (tag, _) = self.rest.strip_prefix('$')?.split_once('$')?;
        let starts_well = !tag.starts_with(|c: char| c.is_ascii_digit());
        (starts_well && tag.chars().all(|c| c != '$' && is_word(c))).then(|| format!("${tag}$"))
    }

    fn dollar_quoted(&mut self, tag: &str) -> Result<(), SqlRefusal> {
        self.skip(tag.chars().count());
        while !self.rest.starts_with(tag) {
            if self.next().is_none() {
                return Err(self.refuse("the dollar quote is not closed"));
            }
        }
        self.skip(tag.chars().count());
        Ok(())
    }

    fn code(&mut self, first: char) -> Result<(), SqlRefusal> {
        if is_word(first) && first != '$' {
            let length = self.rest.chars().take_while(|c| is_word(*c)).count();
            self.skip(length);
        } else if self.dialect == Dialect::Postgres && OPERATOR.contains(first) {
            let operator = operator(self.rest).to_owned();
            self.skip(operator.len());
            self.split.operators.push(operator);
        } else if self.dialect == Dialect::Sqlite && "$@:#".contains(first) {
            self.sqlite_variable()?;
        } else {
            self.next();
        }
        Ok(())
    }

    /// A variable in the manner of Tcl takes `::` and what stands in parentheses as part of its name.
    fn sqlite_variable(&mut self) -> Result<(), SqlRefusal> {
        self.next();
        let length = self.rest.chars().take_while(|c| is_word(*c)).count();
        self.skip(length);
        if self.rest.starts_with("::") || (length > 0 && self.rest.starts_with('(')) {
            return Err(self.refuse("a variable with `::` or parentheses in its name: use `?` or `:name`"));
        }
        Ok(())
    }

    fn place(&self) -> Location {
        Location::new(self.line, self.column)
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        if c == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(c)
    }

    fn skip(&mut self, characters: usize) {
        for _ in 0..characters {
            self.next();
        }
    }

    fn refuse(&self, message: &str) -> SqlRefusal {
        unparsed(self.line, self.column, message)
    }
}

/// What a backslash and other characters mean between two quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    /// Nothing but themselves.
    Plain,
    /// A backslash is one or escapes, as settings of the session have it.
    Ambiguous,
    /// A backslash escapes.
    Escapes,
    /// Hexadecimal digits alone.
    Hex,
    /// Zeros and ones alone.
    Bits,
    /// `[name]`, where a doubled bracket closes twice.
    Bracket,
}

impl Inside {
    fn of(dialect: Dialect, prefix: &str) -> Self {
        match (prefix, dialect) {
            ("e", _) => Self::Escapes,
            ("x", _) => Self::Hex,
            ("b", _) => Self::Bits,
            (_, Dialect::Sqlite) => Self::Plain,
            (_, Dialect::Postgres | Dialect::Mysql) => Self::Ambiguous,
        }
    }

    const fn escapes(self) -> bool {
        matches!(self, Self::Ambiguous | Self::Escapes)
    }

    fn allows(self, c: char) -> bool {
        match self {
            Self::Hex => c.is_ascii_hexdigit(),
            Self::Bits => matches!(c, '0' | '1'),
            Self::Plain | Self::Ambiguous | Self::Escapes | Self::Bracket => true,
        }
    }
}

/// Part of a name or number. All three databases take every character beyond ASCII for a letter.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()
}

/// The characters of PostgreSQL's operators.
const OPERATOR: &str = "~!@#^&|`?+-*/%<>=";

/// The operator at the start of a text: a comment ends it, and so do `+` and `-` at its end unless it has one of the
/// characters that standard operators have not.
fn operator(text: &str) -> &str {
    let end = text.find(|c| !OPERATOR.contains(c)).unwrap_or(text.len());
    let mut operator = text.get(..end).unwrap_or_default();
    for comment in ["/*", "--"] {
        operator = operator.split_once(comment).map_or(operator, |(before, _)| before);
    }
    while operator.len() > 1 && operator.ends_with(['+', '-']) {
        let before = operator.get(..operator.len() - 1).unwrap_or_default();
        if before.contains(['~', '!', '@', '#', '^', '&', '|', '`', '?', '%']) {
            break;
        }
        operator = before;
    }
    operator
}
