//! Bytes to lines and columns, and how deep brackets nest.

/// Where the lines of a text begin.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(after).collect() }
    }

    /// Line and column of a byte, both from 1; columns count characters.
    pub(super) fn position(&self, offset: usize) -> (u32, u32) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= offset);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let column = self.text.get(start..offset).unwrap_or_default().chars().count() + 1;
        (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
    }
}

/// How deep parsers go at most for a text: its nesting of brackets and, within one expression, the operators in a row.
///
/// Texts and comments are not told apart from code. Only a hostile file comes near the limits.
pub(super) fn nesting(text: &str) -> (usize, usize) {
    let mut depth = Depth { open: vec![Segment::default()], total: 0, deepest: 0, longest: 0 };
    let mut word = String::new();
    let mut last = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            last = c;
            continue;
        }
        let ended = std::mem::take(&mut word);
        depth.word(&ended);
        if c == '\n' {
            let next = rest.clone().find(|next| !next.is_whitespace()).unwrap_or(' ');
            let goes_on = is_operator(last)
                || matches!(last, '\\' | '(' | '[' | ',' | ':')
                || is_operator(next)
                || matches!(next, ':' | ')' | ']');
            if !goes_on && depth.in_block() && !WORDS.contains(&ended.as_str()) {
                depth.reset();
            }
        } else {
            depth.sign(c, last);
        }
        if !c.is_whitespace() {
            last = c;
        }
    }
    (depth.deepest, depth.longest)
}

/// Words that take an operand, as operators do.
const WORDS: &[&str] = &[
    "not",
    "await",
    "typeof",
    "void",
    "new",
    "delete",
    "yield",
    "lambda",
    "and",
    "or",
    "in",
    "is",
    "else",
    "elif",
    "if",
    "async",
    "move",
    "return",
    "as",
    "of",
    "instanceof",
    "from",
    "for",
    "case",
    "do",
    "while",
    "loop",
    "unsafe",
];

const fn is_operator(c: char) -> bool {
    matches!(
        c,
        '+' | '-' | '*' | '/' | '%' | '!' | '~' | '&' | '|' | '^' | '?' | '<' | '>' | '=' | '.' | '@' | '`' | '#'
    )
}

#[derive(Default)]
struct Segment {
    operators: usize,
    /// Commas stand between parameters, not between elements.
    has_function: bool,
    /// Between parentheses or square brackets, where a line does not end anything.
    is_inside: bool,
}

struct Depth {
    open: Vec<Segment>,
    /// Operators of all segments that are open.
    total: usize,
    deepest: usize,
    longest: usize,
}

impl Depth {
    fn count(&mut self) {
        self.total += 1;
        self.longest = self.longest.max(self.total);
        if let Some(segment) = self.open.last_mut() {
            segment.operators += 1;
        }
    }

    fn reset(&mut self) {
        if let Some(segment) = self.open.last_mut() {
            self.total = self.total.saturating_sub(segment.operators);
            *segment = Segment { is_inside: segment.is_inside, ..Segment::default() };
        }
    }

    fn in_block(&self) -> bool {
        self.open.last().is_none_or(|segment| !segment.is_inside)
    }

    fn word(&mut self, word: &str) {
        if WORDS.contains(&word) {
            self.count();
        }
        if word == "lambda"
            && let Some(segment) = self.open.last_mut()
        {
            segment.has_function = true;
        }
    }

    fn sign(&mut self, c: char, last: char) {
        match c {
            '(' | '[' | '{' => {
                if last.is_alphanumeric() || matches!(last, ')' | ']' | '_') {
                    self.count();
                }
                self.open.push(Segment { is_inside: c != '{', ..Segment::default() });
                self.deepest = self.deepest.max(self.open.len() - 1);
            }
            ')' | ']' | '}' if self.open.len() > 1 => {
                self.reset();
                self.open.pop();
            }
            ',' if !self.open.last().is_some_and(|segment| segment.has_function) => self.reset(),
            ';' => self.reset(),
            _ if is_operator(c) => {
                self.count();
                if c == '|'
                    && let Some(segment) = self.open.last_mut()
                {
                    segment.has_function = true;
                }
            }
            _ => {}
        }
    }
}
