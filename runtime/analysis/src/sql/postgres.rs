//! PostgreSQL's grammar where sqlparser's own lacks it: SQL/XML, `COLLATION FOR`, `VARIADIC` and the record operators.
//!
//! Nothing is rewritten: sqlparser asks its dialect before it parses an expression, and gets the parts that are evaluated.
//! Accepting more than PostgreSQL does is harmless, since PostgreSQL parses the text again.

use std::any::TypeId;

use sqlparser::{
    ast::{BinaryOperator, Expr},
    dialect::{Dialect, PostgreSqlDialect, Precedence},
    keywords::Keyword,
    parser::{Parser, ParserError},
    tokenizer::Token,
};

/// sqlparser's PostgreSQL with more expressions.
#[derive(Debug)]
pub(super) struct Postgres;

const BASE: PostgreSqlDialect = PostgreSqlDialect {};

/// Answers as sqlparser's PostgreSQL does.
macro_rules! as_base {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool {
            BASE.$name()
        })*
    };
}

impl Dialect for Postgres {
    fn dialect(&self) -> TypeId {
        BASE.dialect()
    }

    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        prefix(parser)
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
        record_comparison(parser, left, precedence)
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        BASE.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        BASE.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        BASE.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        BASE.is_identifier_part(ch)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        BASE.is_custom_operator_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        BASE.is_reserved_for_identifier(keyword)
    }

    fn is_table_alias(&self, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        BASE.is_table_alias(keyword, parser)
    }

    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        BASE.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        BASE.prec_value(precedence)
    }

    as_base!(
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_aliased_function_args,
        supports_alter_column_type_using,
        supports_alter_user_as_alter_role,
        supports_array_typedef_with_brackets,
        supports_bitwise_shift_operators,
        supports_comma_separated_trim,
        supports_comment_on,
        supports_comment_optimizer_hint,
        supports_create_index_with_clause,
        supports_create_table_like_parenthesized,
        supports_empty_projections,
        supports_exclude_constraint,
        supports_explain_with_utility_options,
        supports_factorial_operator,
        supports_filter_during_aggregation,
        supports_geometric_types,
        supports_group_by_expr,
        supports_insert_table_alias,
        supports_interval_options,
        supports_left_associative_joins_without_parens,
        supports_listen_notify,
        supports_load_extension,
        supports_named_fn_args_with_colon_operator,
        supports_named_fn_args_with_expr_name,
        supports_nested_comments,
        supports_notnull_operator,
        supports_numeric_literal_underscores,
        supports_order_by_using_operator,
        supports_select_wildcard_with_alias,
        supports_set_names,
        supports_string_escape_constant,
        supports_unicode_string_literal,
        supports_xml_expressions,
    );
}

type Parts = Result<Vec<Expr>, ParserError>;

/// Constructs that begin with a word of their own. Each such word is reserved, so nothing else can be meant.
fn prefix(parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
    let Token::Word(word) = &parser.peek_token_ref().token else { return None };
    if word.quote_style.is_some() {
        return None;
    }
    let calls = parser.peek_nth_token_ref(1).token == Token::LParen;
    let parse: fn(&mut Parser<'_>) -> Parts = match word.value.to_ascii_lowercase().as_str() {
        "variadic" => variadic,
        "collation" if is_word(parser, 1, "for") => collation_for,
        "xmlelement" if calls => |parser| call(parser, xml_element),
        "xmlpi" if calls => |parser| call(parser, xml_pi),
        "xmlroot" if calls => |parser| call(parser, xml_root),
        "xmlserialize" if calls => |parser| call(parser, xml_serialize),
        "xmlparse" if calls => |parser| call(parser, xml_parse),
        "xmlexists" if calls => |parser| call(parser, xml_exists),
        _ => return None,
    };
    Some(parse(parser).map(Expr::Tuple))
}

fn variadic(parser: &mut Parser<'_>) -> Parts {
    parser.advance_token();
    Ok(vec![parser.parse_expr()?])
}

fn collation_for(parser: &mut Parser<'_>) -> Parts {
    parser.advance_token();
    call(parser, |parser| Ok(vec![parser.parse_expr()?]))
}

/// A word, and between parentheses what `inside` takes.
fn call(parser: &mut Parser<'_>, inside: fn(&mut Parser<'_>) -> Parts) -> Parts {
    parser.advance_token();
    parser.expect_token(&Token::LParen)?;
    let parts = inside(parser)?;
    parser.expect_token(&Token::RParen)?;
    Ok(parts)
}

/// `NAME a [, expression ..]`, where `XMLATTRIBUTES(..)` parses as an expression.
fn xml_element(parser: &mut Parser<'_>) -> Parts {
    xml_name(parser)?;
    let mut parts = Vec::new();
    while parser.consume_token(&Token::Comma) {
        parts.push(parser.parse_expr()?);
    }
    Ok(parts)
}

/// `NAME a [, expression]`.
fn xml_pi(parser: &mut Parser<'_>) -> Parts {
    xml_name(parser)?;
    Ok(if parser.consume_token(&Token::Comma) { vec![parser.parse_expr()?] } else { Vec::new() })
}

fn xml_name(parser: &mut Parser<'_>) -> Result<(), ParserError> {
    word(parser, &["name"])?;
    parser.parse_identifier().map(drop)
}

/// `expression, VERSION {expression | NO VALUE} [, STANDALONE {YES | NO | NO VALUE}]`.
fn xml_root(parser: &mut Parser<'_>) -> Parts {
    let mut parts = vec![parser.parse_expr()?];
    parser.expect_token(&Token::Comma)?;
    word(parser, &["version"])?;
    if is_word(parser, 0, "no") && is_word(parser, 1, "value") {
        skip_words(parser, &["no", "value"]);
    } else {
        parts.push(parser.parse_expr()?);
    }
    if parser.consume_token(&Token::Comma) {
        word(parser, &["standalone"])?;
        word(parser, &["yes", "no"])?;
        skip_words(parser, &["value"]);
    }
    Ok(parts)
}

/// `{DOCUMENT | CONTENT} expression AS type [[NO] INDENT]`.
fn xml_serialize(parser: &mut Parser<'_>) -> Parts {
    word(parser, &["document", "content"])?;
    let parts = vec![parser.parse_expr()?];
    word(parser, &["as"])?;
    parser.parse_data_type()?;
    skip_words(parser, &["no", "indent"]);
    Ok(parts)
}

/// `{DOCUMENT | CONTENT} expression [{PRESERVE | STRIP} WHITESPACE]`.
fn xml_parse(parser: &mut Parser<'_>) -> Parts {
    word(parser, &["document", "content"])?;
    let parts = vec![parser.parse_expr()?];
    skip_words(parser, &["preserve", "strip", "whitespace"]);
    Ok(parts)
}

/// `expression PASSING [BY {REF | VALUE}] expression [BY {REF | VALUE}]`.
fn xml_exists(parser: &mut Parser<'_>) -> Parts {
    let mut parts = vec![parser.parse_expr()?];
    word(parser, &["passing"])?;
    skip_words(parser, &["by", "ref", "value"]);
    parts.push(parser.parse_expr()?);
    skip_words(parser, &["by", "ref", "value"]);
    Ok(parts)
}

/// `*<`, `*=` and so on, which sqlparser splits behind the star.
fn record_comparison(parser: &mut Parser<'_>, left: &Expr, precedence: u8) -> Option<Result<Expr, ParserError>> {
    let (star, next) = (parser.peek_token_ref(), parser.peek_nth_token_ref(1));
    if star.token != Token::Mul || star.span.end != next.span.start {
        return None;
    }
    let rest = match next.token {
        Token::Eq => "=",
        Token::Neq => "<>",
        Token::Lt => "<",
        Token::LtEq => "<=",
        Token::Gt => ">",
        Token::GtEq => ">=",
        _ => return None,
    };
    parser.advance_token();
    parser.advance_token();
    let op = BinaryOperator::Custom(format!("*{rest}"));
    let right = parser.parse_subexpr(precedence);
    Some(right.map(|right| Expr::BinaryOp { left: Box::new(left.clone()), op, right: Box::new(right) }))
}

fn is_word(parser: &Parser<'_>, ahead: usize, wanted: &str) -> bool {
    match &parser.peek_nth_token_ref(ahead).token {
        Token::Word(word) => word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted),
        _ => false,
    }
}

/// Takes one of these words.
fn word(parser: &mut Parser<'_>, wanted: &[&str]) -> Result<(), ParserError> {
    if wanted.iter().any(|wanted| is_word(parser, 0, wanted)) {
        parser.advance_token();
        return Ok(());
    }
    let found = parser.peek_token_ref();
    Err(ParserError::ParserError(format!("Expected: {}, found: {found}", wanted.join(" or "))))
}

/// Takes any of these words as long as they come: they have no parts and no effect.
fn skip_words(parser: &mut Parser<'_>, words: &[&str]) {
    while words.iter().any(|word| is_word(parser, 0, word)) {
        parser.advance_token();
    }
}
