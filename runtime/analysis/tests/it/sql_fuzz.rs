//! Statements out of a grammar, with and without damage: no panic, no class that depends on blanks, and no read with an
//! effect in it. `AIRLOCK_SQL_FUZZ=1000000` runs longer, `AIRLOCK_SQL_FUZZ_SEED` elsewhere.

use airlock_analysis::{Dialect, classify, fingerprint};
use airlock_model::StatementClass;

use crate::fixture::Chance;

/// Rounds without `AIRLOCK_SQL_FUZZ`.
const ROUNDS: u64 = 20_000;

#[expect(clippy::disallowed_methods, reason = "how long to look for trouble is up to whoever runs the test")]
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Calls, one for each dialect, that must never stand in a read.
const fn effect(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "nextval ( 's' )",
        Dialect::Sqlite => "load_extension ( 's' )",
        Dialect::Mysql => "load_file ( 's' )",
    }
}

struct Grammar<'a> {
    chance: &'a mut Chance,
    dialect: Dialect,
    effects: u32,
}

impl Grammar<'_> {
    /// Tokens with a blank between each two.
    fn statement(&mut self) -> String {
        match self.chance.below(8) {
            0 => format!("with a as ( {} ) {}", self.query(2), self.query(3)),
            1 => format!("explain {}", self.query(3)),
            2 => format!("insert into t ( a ) values ( {} )", self.expression(2)),
            3 => format!("update t set a = {} where {}", self.expression(2), self.expression(2)),
            4 => format!("delete from t where {}", self.expression(3)),
            _ => self.query(4),
        }
    }

    fn query(&mut self, depth: usize) -> String {
        let mut text = format!("select {} , {} as x", self.expression(depth), self.expression(1));
        text += &format!(" from {}", self.source(depth));
        if self.chance.below(2) == 0 {
            text += &format!(" where {}", self.expression(depth));
        }
        if self.chance.below(4) == 0 {
            text += &format!(" group by a having {} > 1", self.expression(1));
        }
        if depth > 1 && self.chance.below(5) == 0 {
            text += &format!(" union all {}", self.query(depth - 1));
        }
        text
    }

    fn source(&mut self, depth: usize) -> String {
        match self.chance.below(5) {
            0 if depth > 1 => format!("( {} ) as d", self.query(depth - 1)),
            1 => format!("t join u on {}", self.expression(1)),
            2 => {
                "\"odd -- name\" as o".to_owned().replace('"', if self.dialect == Dialect::Mysql { "`" } else { "\"" })
            }
            3 => "s.t".to_owned(),
            _ => "t".to_owned(),
        }
    }

    fn expression(&mut self, depth: usize) -> String {
        let leaf = depth == 0;
        match self.chance.below(if leaf { 5 } else { 13 }) {
            0 => "a".to_owned(),
            1 => "t . b".to_owned(),
            2 => "1".to_owned(),
            3 => self.chance.pick(&["'x'", "'it''s'", "'-- no comment'", "'/* '", "'$$'", "''"]).to_owned(),
            4 => "null".to_owned(),
            5 => format!("{} {} {}", self.expression(depth - 1), self.operator(), self.expression(depth - 1)),
            6 => format!("( {} )", self.expression(depth - 1)),
            7 => format!("coalesce ( {} , {} )", self.expression(depth - 1), self.expression(depth - 1)),
            8 => format!("case when {} then {} end", self.expression(depth - 1), self.expression(depth - 1)),
            9 => format!("{} in ( {} , 2 )", self.expression(depth - 1), self.expression(depth - 1)),
            10 => format!("exists ( {} )", self.query(depth - 1)),
            // MySQL takes `cast` with a blank behind it for a function of the user's own.
            11 if self.dialect == Dialect::Mysql => format!("cast( {} as char ( 3 ) )", self.expression(depth - 1)),
            11 => format!("cast ( {} as char ( 3 ) )", self.expression(depth - 1)),
            _ => self.effect(),
        }
    }

    fn operator(&mut self) -> &'static str {
        self.chance.pick(&["+", "-", "*", "/", "=", "<>", "<", ">=", "and", "or", "like", "||"])
    }

    fn effect(&mut self) -> String {
        if self.chance.below(4) > 0 {
            return "length ( 'x' )".to_owned();
        }
        self.effects += 1;
        effect(self.dialect).to_owned()
    }
}

/// The same tokens with other blanks between them. Quotes hold no blank that stands alone but in `"odd -- name"`.
fn respaced(text: &str, chance: &mut Chance) -> String {
    let mut inside = false;
    let mut out = String::new();
    for part in text.split(' ') {
        if !out.is_empty() {
            let blanks: &[&str] = &["  ", "\n", "\t", " /* ' */ ", " /**/\n", " -- \" '\n", "\r\n"];
            out.push_str(if inside { " " } else { chance.pick(blanks) });
        }
        out.push_str(part);
        inside ^= part.matches(['\'', '"', '`']).count() % 2 == 1;
    }
    out
}

fn damaged(text: &str, chance: &mut Chance) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=chance.below(3) {
        let at = chance.below(characters.len());
        let odd = chance.pick(&[
            "'", "\"", "`", "\\", "$$", "/*", "*/", "--", "#", ";", "(", ")", "\0", "\u{a0}", "é", "@", "E'", "U&'",
            "$1",
        ]);
        match chance.below(4) {
            0 => drop(characters.splice(at..at, odd.chars())),
            1 => drop(characters.drain(at..(at + 1 + chance.below(4)).min(characters.len()))),
            2 => characters.extend_from_within(at..),
            _ => drop(characters.splice(at..(at + 1).min(characters.len()), odd.chars())),
        }
        if characters.is_empty() {
            characters.push(';');
        }
    }
    characters.into_iter().collect()
}

#[test]
fn generated_statements_keep_their_class_and_damage_never_panics() {
    let rounds = setting("AIRLOCK_SQL_FUZZ", ROUNDS);
    let mut chance = Chance(setting("AIRLOCK_SQL_FUZZ_SEED", 0x5eed_0005));
    let (mut reads, mut with_effect, mut survived) = (0_u64, 0_u64, 0_u64);
    for round in 0..rounds {
        let dialect = Dialect::ALL[usize::try_from(round % 3).expect("small")];
        let mut grammar = Grammar { chance: &mut chance, dialect, effects: 0 };
        let text = grammar.statement();
        let effects = grammar.effects;
        let class = classify(dialect, &text).unwrap_or_else(|refusal| panic!("{dialect}: {text}: {refusal}")).class;
        assert!(effects == 0 || class != StatementClass::Read, "{dialect}: {text}");
        let spaced = respaced(&text, &mut chance);
        let again = classify(dialect, &spaced).map(|report| report.class);
        assert_eq!(again, Ok(class), "{dialect}: {text}\n{spaced}");
        let broken = damaged(&spaced, &mut chance);
        survived += u64::from(classify(dialect, &broken).is_ok());
        drop(fingerprint(dialect, &broken));
        reads += u64::from(class == StatementClass::Read);
        with_effect += u64::from(effects > 0);
    }
    println!("{rounds} statements: {reads} reads, {with_effect} with an effect; {survived} damaged ones still parsed");
    assert!(reads * 10 > rounds && with_effect * 20 > rounds && survived * 50 > rounds, "all kinds are met");
}
