//! The words of a query. Strings end where Salesforce ends them, so that no text in one is read as query.

use super::SoqlRefusal;

/// What a query is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword, field, object, date literal or `TRUE`, as written: `Account.Name`, `LAST_N_DAYS:30`.
    Word(String),
    /// `:name`, without the colon.
    Bind(String),
    /// A string, number, date or time.
    Literal,
    Operator(String),
    Comma,
    Open,
    Close,
}

/// Characters that may stand behind `\` in a string.
const ESCAPED: &str = "nNrRtTbBfF\"'\\_%";

impl Token {
    /// As it was written, a value as `?`.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Word(text) | Self::Operator(text) => text.clone(),
            Self::Bind(name) => format!(":{name}"),
            Self::Literal => "?".to_owned(),
            Self::Comma => ",".to_owned(),
            Self::Open => "(".to_owned(),
            Self::Close => ")".to_owned(),
        }
    }
}

pub(super) struct Lexer {
    characters: Vec<char>,
    at: usize,
}

impl Lexer {
    pub(super) fn new(text: &str) -> Self {
        Self { characters: text.chars().collect(), at: 0 }
    }

    /// Every token with its place, from 1.
    pub(super) fn tokens(mut self) -> Result<Vec<(usize, Token)>, SoqlRefusal> {
        let mut tokens = Vec::new();
        while let Some(next) = self.peek() {
            let at = self.at + 1;
            if next.is_ascii_whitespace() {
                self.at += 1;
            } else {
                tokens.push((at, self.token(next)?));
            }
        }
        Ok(tokens)
    }

    fn token(&mut self, first: char) -> Result<Token, SoqlRefusal> {
        match first {
            '\'' => self.string(),
            ':' => {
                self.at += 1;
                let name = self.take(|c| c.is_ascii_alphanumeric() || c == '_');
                if name.is_empty() { Err(self.refuse("a name belongs behind `:`")) } else { Ok(Token::Bind(name)) }
            }
            'a'..='z' | 'A'..='Z' | '_' => Ok(self.word()),
            '0'..='9' | '+' | '-' | '.' => {
                let text = self.take(|c| c.is_ascii_alphanumeric() || "+-.:".contains(c));
                // Two dashes are no number, and to nobody the beginning of a comment.
                let is_number = text.contains(|c: char| c.is_ascii_digit()) && !text.contains("--");
                if is_number { Ok(Token::Literal) } else { Err(self.refuse("this character belongs into a string")) }
            }
            '=' | '<' | '>' | '!' => Ok(Token::Operator(self.take(|c| "=<>!".contains(c)))),
            ',' => Ok(self.single(Token::Comma)),
            '(' => Ok(self.single(Token::Open)),
            ')' => Ok(self.single(Token::Close)),
            _ => Err(self.refuse("this character belongs into a string")),
        }
    }

    /// A date literal such as `LAST_N_DAYS:30` is one word.
    fn word(&mut self) -> Token {
        let mut word = self.take(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        let counts = self.characters.get(self.at + 1).is_some_and(char::is_ascii_digit);
        if self.peek() == Some(':') && counts && word.to_ascii_uppercase().contains("_N_") {
            self.at += 1;
            word.push(':');
            word.push_str(&self.take(|c| c.is_ascii_digit()));
        }
        Token::Word(word)
    }

    fn string(&mut self) -> Result<Token, SoqlRefusal> {
        self.at += 1;
        while let Some(next) = self.peek() {
            self.at += 1;
            match next {
                '\'' => return Ok(Token::Literal),
                '\\' => match self.peek() {
                    Some('u') => self.at += 1,
                    Some(escaped) if ESCAPED.contains(escaped) => self.at += 1,
                    _ => return Err(self.refuse("no such escape in a string")),
                },
                '\n' | '\r' | '\0' => return Err(self.refuse("a string has no line breaks: write \\n")),
                _ => {}
            }
        }
        Err(self.refuse("a string is not closed"))
    }

    fn single(&mut self, token: Token) -> Token {
        self.at += 1;
        token
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let rest = self.characters.get(self.at..).unwrap_or_default();
        let taken: String = rest.iter().copied().take_while(|c| belongs(*c)).collect();
        self.at += taken.chars().count();
        taken
    }

    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn refuse(&self, message: &'static str) -> SoqlRefusal {
        SoqlRefusal::Unparsed { at: self.at + 1, message }
    }
}
