//! Bounds how deep the syntax tree can become, from the tokens alone.
//!
//! The parser limits its own recursion, but builds chains (`1+1+1+...`, `a or b or ...`, `select .. union select ..`)
//! in loops, as trees that lean left without limit. Visiting and dropping such a tree recurses, so a long enough
//! chain would overflow the stack. Here each token of a chain counts as one level, which is never too little.

use sqlparser::{
    keywords::Keyword,
    tokenizer::{Token, TokenWithSpan},
};

use super::SqlRefusal;

/// Most levels, as estimated here. A chain of 700 `or column = value` fits.
const LEVELS_MAX: usize = 3_000;
/// Most parentheses and brackets open at once.
const OPEN_MAX: usize = 64;

/// Most joins of one statement: a join without its condition is parsed by unguarded recursion. MySQL itself stops at 61.
const JOINS_MAX: usize = 64;

/// Most operators for which the parser copies the whole left side, which makes a chain of them quadratic.
const COPYING_OPERATORS_MAX: usize = 200;

/// What is known of one pair of parentheses while it is open.
#[derive(Default)]
struct Group {
    /// Bound of the chain that is being read.
    chain: usize,
    /// Largest bound of the chains that commas ended.
    longest: usize,
    /// Set operations chain across commas.
    set_operations: usize,
}

impl Group {
    fn levels(&self) -> usize {
        self.longest.max(self.chain) + self.set_operations
    }
}

/// Refuses tokens whose tree could be deeper than is safe to walk.
pub(super) fn check(tokens: &[TokenWithSpan]) -> Result<(), SqlRefusal> {
    let mut outer: Vec<Group> = Vec::new();
    let mut group = Group::default();
    let mut joins: usize = 0;
    let mut copying: usize = 0;
    let mut before = &Token::EOF;
    for TokenWithSpan { token, .. } in tokens {
        match token {
            Token::Whitespace(_) => {}
            Token::LParen | Token::LBracket | Token::LBrace => {
                outer.push(std::mem::take(&mut group));
                if outer.len() > OPEN_MAX {
                    return Err(SqlRefusal::TooDeep { configured: OPEN_MAX });
                }
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                let inner = group.levels();
                // One parenthesis too many is for the parser to name.
                group = outer.pop().unwrap_or_default();
                group.chain = group.chain.max(inner) + 1;
            }
            Token::Comma => {
                group.longest = group.longest.max(group.chain);
                group.chain = 0;
            }
            other => {
                group.chain += 1;
                group.set_operations += usize::from(is_set_operation(other));
                joins += usize::from(is_join(other));
                copying += usize::from(is_copying_operator(before, other));
            }
        }
        before = token;
        if joins > JOINS_MAX {
            return Err(SqlRefusal::TooDeep { configured: JOINS_MAX });
        }
        if copying > COPYING_OPERATORS_MAX {
            return Err(SqlRefusal::TooDeep { configured: COPYING_OPERATORS_MAX });
        }
        if group.levels() > LEVELS_MAX {
            return Err(SqlRefusal::TooDeep { configured: LEVELS_MAX });
        }
    }
    Ok(())
}

fn is_set_operation(token: &Token) -> bool {
    use Keyword::{EXCEPT, INTERSECT, MINUS, UNION};
    matches!(token, Token::Word(word) if matches!(word.keyword, UNION | EXCEPT | INTERSECT | MINUS))
}

fn is_join(token: &Token) -> bool {
    use Keyword::{APPLY, JOIN, STRAIGHT_JOIN};
    matches!(token, Token::Word(word) if matches!(word.keyword, JOIN | STRAIGHT_JOIN | APPLY))
}

fn is_copying_operator(before: &Token, token: &Token) -> bool {
    use Keyword::{DIV, GLOB, MATCH, REGEXP};
    match token {
        Token::Word(word) => matches!(word.keyword, DIV | GLOB | MATCH | REGEXP),
        // The record operators (`*=`), which our own PostgreSQL grammar adds.
        Token::Eq | Token::Neq | Token::Lt | Token::LtEq | Token::Gt | Token::GtEq => *before == Token::Mul,
        _ => false,
    }
}
