//! Statements made up by a grammar over the tables of the oracle, and damaged: reads, and everything that may pass for one.

use std::fmt::Write as _;

/// Over `items i`, which every query has.
const NUMBERS: &[&str] =
    &["i.id", "i.price", "1", "-7", "1.5e3", "length(i.name)", "(i).price", "U&\"\\0069d\"", "extract(year from i.at)"];
const TEXTS: &[&str] = &[
    "i.name",
    "'a'",
    "E'it\\'s'",
    "$$items$$",
    "$t$a$t$",
    "U&'\\0061'",
    "i.doc ->> 'a'",
    "i.tags[1]",
    "upper(i.name)",
    "current_user",
    "i.at::date::text",
    "format('%s', i.id)",
];
const TRUTHS: &[&str] = &[
    "true",
    "i.id in (1, 2, 3)",
    "i.doc @> '{\"a\": 1}'",
    "i.tags && array['a']",
    "i.at < now()",
    "i.name like 'item%'",
    "i.price between 1 and 20",
    "i.name is not null",
    "i.id = any (array[1, 2])",
];
const MORE: &[&str] = &[
    "cross join cheap c",
    "left join cheap c on c.id = i.id",
    "join generate_series(1, 3) g(n) on g.n = i.id",
    ", unnest(i.tags) with ordinality u(tag, n)",
    ", lateral (select count(*) as n from items x where x.id < i.id) l",
    "join (values (1, 'a'), (2, 'b')) v(id, name) using (id)",
    ", jsonb_each(i.doc) e",
    "natural join pg_catalog.pg_class k",
];
/// What no read may hold, wherever it stands.
const CHANGES: &[&str] = &[
    "insert into items (id) values (1000) returning id",
    "insert into items (id) select nextval('counter') returning *",
    "update items set price = 0 returning id",
    "delete from items returning id",
    "select nextval('counter')",
    "select setval('counter', 9)",
    "select touch()",
    "select lo_create(0)",
    "select lo_unlink(4711)",
    "select pg_advisory_lock(1)",
    "select set_config('search_path', 'x', false)",
    "select txid_current()",
    "select pg_notify('a', 'b')",
    "select * into copied from items",
    "select * from items for update",
    "table items for share",
];
/// Whole statements of other classes.
const OTHERS: &[&str] = &[
    "create table copied as select * from items",
    "create temp table t (x int)",
    "drop table items",
    "truncate items",
    "copy items to '/tmp/items'",
    "copy (select 1) to program 'true'",
    "set transaction read write",
    "set search_path = x",
    "begin",
    "commit",
    "listen a",
    "lock items",
    "prepare p as select 1",
    "declare c cursor with hold for select 1",
    "do $$ begin perform 1; end $$",
    "call nothing()",
    "explain analyze delete from items",
    "merge into items using cheap on false when not matched then do nothing",
    "vacuum",
    "discard all",
];

/// A reproducible source of statements.
pub(super) struct Grammar<'a> {
    state: u64,
    /// Calls of the server's own functions.
    calls: &'a [String],
    /// Whether what is no read may stand anywhere in the statement at hand.
    is_wild: bool,
}

impl<'a> Grammar<'a> {
    pub(super) fn new(seed: u64, calls: &'a [String]) -> Self {
        Self { state: seed | 1, calls, is_wild: false }
    }

    /// One statement: half of them look like reads through and through, and one in six is damaged.
    pub(super) fn statement(&mut self) -> String {
        self.is_wild = self.below(2) == 0;
        let statement = match self.below(8) {
            0 if self.is_wild => self.pick(OTHERS).to_owned(),
            1 => self.with(),
            2 => format!("explain {} {}", self.pick(&["", "analyze", "(analyze, buffers)"]), self.select(2)),
            3 => format!("select {} {} select {}", self.text(2), self.pick(&["union all", "except"]), self.text(1)),
            _ => self.select(2),
        };
        if self.below(6) == 0 { self.damage(&statement) } else { statement }
    }

    fn with(&mut self) -> String {
        let inner = if self.is_wild { self.pick(CHANGES).to_owned() } else { self.select(1) };
        format!("with part as {}({inner}) {}", self.pick(&["", "materialized "]), self.select(1))
    }

    fn select(&mut self, depth: u32) -> String {
        let mut text = format!("select {}, {}", self.number(depth), self.text(depth));
        if self.is_wild && self.below(2) == 0 {
            let _infallible = write!(text, ", {}", self.call());
        }
        let _infallible = write!(text, " from items i {}", if self.below(2) == 0 { self.pick(MORE) } else { "" });
        if self.below(2) == 0 {
            let _infallible = write!(text, " where {}", self.truth(depth));
        }
        if self.below(3) == 0 {
            let _infallible = write!(text, " order by {}", self.number(depth));
        }
        let wild: &[&str] = &["", " limit 3", " for update", " for key share skip locked", " into copied"];
        text + self.pick(if self.is_wild { wild } else { &["", " limit 3", " offset 1", " fetch first row only"] })
    }

    fn number(&mut self, depth: u32) -> String {
        match self.below(if depth > 0 { 8 } else { 3 }) {
            0..=2 => self.pick(NUMBERS).to_owned(),
            3 => format!("({} {} {})", self.number(depth - 1), self.pick(&["+", "-", "*"]), self.number(depth - 1)),
            4 => format!("(select count(*) from ({}) s)", self.select(depth - 1)),
            5 => format!("case when {} then {} end", self.truth(depth - 1), self.number(depth - 1)),
            6 => format!("sum({}) over (partition by i.id % 2)", self.number(0)),
            _ if self.is_wild => format!("({})", self.pick(CHANGES)),
            _ => format!("coalesce({}, 0)::int", self.number(depth - 1)),
        }
    }

    fn text(&mut self, depth: u32) -> String {
        match self.below(if depth > 0 { 7 } else { 3 }) {
            0..=2 => self.pick(TEXTS).to_owned(),
            3 => format!("({} || {})", self.text(depth - 1), self.text(depth - 1)),
            4 => format!("({})::text", self.number(depth - 1)),
            5 => format!("({})::text", self.call()),
            _ => format!("coalesce({}, {})", self.text(depth - 1), self.text(depth - 1)),
        }
    }

    fn truth(&mut self, depth: u32) -> String {
        match self.below(if depth > 0 { 6 } else { 3 }) {
            0..=2 => self.pick(TRUTHS).to_owned(),
            3 => format!("({} {} {})", self.truth(depth - 1), self.pick(&["and", "or"]), self.truth(depth - 1)),
            4 => format!("exists ({})", self.select(depth - 1)),
            _ => format!("{} is distinct from {}", self.number(depth - 1), self.number(depth - 1)),
        }
    }

    /// Of one argument list of its own, without the SELECT around it.
    fn call(&mut self) -> String {
        let calls = self.calls;
        let whole = calls[self.below(calls.len())].as_str();
        whole.trim_start_matches("select ").trim_start_matches("* from ").to_owned()
    }

    /// Puts something where it does not belong, or leaves something out.
    fn damage(&mut self, statement: &str) -> String {
        let mut words: Vec<&str> = statement.split(' ').collect();
        let at = self.below(words.len());
        match self.below(5) {
            0 => drop(words.remove(at)),
            1 => words.insert(
                at,
                self.pick(&["--\n", "/* /* */", "/*", "*/", ";", "; commit;", "\u{a0}", "'", "\"", "$$", "("]),
            ),
            2 => words.insert(at, self.pick(CHANGES)),
            3 => words[at] = self.pick(OTHERS),
            _ => words.truncate(at + 1),
        }
        words.join(self.pick(&[" ", "\n", "/**/ ", "\t"]))
    }

    fn pick(&mut self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len())]
    }

    /// Marsaglia's xorshift: the same statements for the same seed, everywhere.
    fn below(&mut self, count: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state % count as u64).expect("below a usize")
    }
}
