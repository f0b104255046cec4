//! Attacks through the host calls of Airlock itself: one Rust guest, `tests/guests/zoo-host`, told by its input what to do.

use super::{Group, Specimen};
use crate::guests;

/// `[limits]` with these lines, and the resources that the guest imports.
macro_rules! manifest {
    ($limits:literal) => {
        concat!(
            "[limits]\n",
            $limits,
            "\n[resources.orders-db]\nkind = \"sql\"\noperations = [\"read\"]\n",
            "[resources.crm]\nkind = \"http\"\noperations = [\"GET\", \"POST\"]\n"
        )
    };
}

/// One call to `orders-db`.
macro_rules! sql {
    ($fields:literal) => {
        concat!(r#"{"op":"once","call":{"to":"sql","#, $fields, "}}")
    };
}

/// One call to `crm`.
macro_rules! http {
    ($fields:literal) => {
        concat!(r#"{"op":"once","call":{"to":"http","#, $fields, "}}")
    };
}

/// Name, `[limits]` and resources, input, outcome.
type Line = (&'static str, &'static str, &'static str, &'static str);

const HALF_A_SECOND: &str = manifest!("wall_time_ms = 500");
const USUAL: &str = manifest!("wall_time_ms = 5000");

const FLOODS: &[Line] = &[
    // Refusals are values: the flood goes on until its time or its fuel is up.
    ("host-call-flood", HALF_A_SECOND, r#"{"op":"flood","call":{"to":"sql","before":"select 1"}}"#, "time_exhausted"),
    (
        "refused-call-flood",
        HALF_A_SECOND,
        r#"{"op":"flood","call":{"to":"sql","before":"drop table orders"}}"#,
        "time_exhausted",
    ),
    (
        "large-refused-call-flood",
        HALF_A_SECOND,
        r#"{"op":"flood","call":{"to":"sql","before":"select '","unit":"x","middle":"'","count":1000000}}"#,
        "time_exhausted",
    ),
    (
        "http-flood",
        HALF_A_SECOND,
        r#"{"op":"flood","call":{"to":"http","method":"GET","path":"/customers/ada"}}"#,
        "time_exhausted",
    ),
    ("log-flood", HALF_A_SECOND, r#"{"op":"log","count":1000000000,"bytes":100}"#, "time_exhausted"),
    ("empty-log-flood", HALF_A_SECOND, r#"{"op":"log","count":1000000000,"bytes":0}"#, "time_exhausted"),
    (
        "flood-without-fuel",
        manifest!("fuel = 50_000_000"),
        r#"{"op":"log","count":1000000000,"bytes":0}"#,
        "fuel_exhausted",
    ),
];

const LARGE: &[Line] = &[
    (
        "sql-10-mib",
        USUAL,
        sql!(r#""before":"select '","unit":"x","middle":"'","count":10485760"#),
        "host_bytes_exhausted",
    ),
    (
        "sql-3-mib",
        USUAL,
        sql!(r#""before":"select '","unit":"x","middle":"'","count":3145728"#),
        "function_error:denied",
    ),
    ("sql-of-spaces", USUAL, sql!(r#""before":"select 1","unit":" ","count":3145728"#), "function_error:denied"),
    ("parameters-65536", USUAL, sql!(r#""before":"select ?1","params":{"many":65536}"#), "function_error:bad_request"),
    (
        "placeholders-65536",
        USUAL,
        sql!(r#""before":"select 1 where 1 in (","unit":"?,","middle":"?)","count":65536,"params":{"many":65537}"#),
        "function_error:denied",
    ),
    (
        "placeholders-32000",
        USUAL,
        sql!(r#""before":"select 1 where 1 in (","unit":"?,","middle":"?)","count":32000,"params":{"many":32001}"#),
        "function_error",
    ),
    ("log-line-16-mib", USUAL, r#"{"op":"log","count":1,"bytes":16777216}"#, "host_bytes_exhausted"),
    ("log-line-3-mib", USUAL, r#"{"op":"log","count":20,"bytes":3145728}"#, "returned"),
    ("log-line-1-gib", USUAL, r#"{"op":"log","count":1,"bytes":1073741824}"#, "memory_exhausted"),
    ("log-escapes", USUAL, r#"{"op":"escapes"}"#, "returned"),
    (
        "http-body-16-mib",
        USUAL,
        http!(r#""method":"POST","path":"/echo","body_bytes":16777216"#),
        "host_bytes_exhausted",
    ),
    (
        "http-body-3-mib-echoed",
        USUAL,
        http!(r#""method":"POST","path":"/echo","body_bytes":3145728"#),
        "function_error",
    ),
    (
        "http-headers",
        USUAL,
        http!(r#""method":"GET","path":"/echo","headers":10000,"header_bytes":100"#),
        "function_error:bad_request",
    ),
    (
        "http-header-1-mib",
        USUAL,
        http!(r#""method":"GET","path":"/echo","headers":1,"header_bytes":1048576"#),
        "function_error:bad_request",
    ),
    (
        "http-query",
        USUAL,
        http!(r#""method":"GET","path":"/echo","query":100000,"header_bytes":1"#),
        "function_error:bad_request",
    ),
    (
        "http-query-10000",
        USUAL,
        http!(r#""method":"GET","path":"/echo","query":10000,"header_bytes":10"#),
        "function_error",
    ),
    ("http-path-1-mib", USUAL, http!(r#""method":"GET","path":"/","path_bytes":1048576"#), "function_error:denied"),
    ("http-response-8-mib", USUAL, http!(r#""method":"GET","path":"/flood""#), "returned"),
    (
        "http-response-over-budget",
        manifest!("egress_bytes = \"4MiB\""),
        http!(r#""method":"GET","path":"/flood""#),
        "function_error:limit",
    ),
];

const DEEP: &[Line] = &[
    (
        "sql-parentheses",
        USUAL,
        sql!(r#""before":"select ","unit":"(","middle":"1","after":")","count":100000"#),
        "function_error:denied",
    ),
    (
        "sql-not-not-not",
        USUAL,
        sql!(r#""before":"select ","unit":"not ","middle":"1","count":100000"#),
        "function_error:denied",
    ),
    (
        "sql-minus-minus",
        USUAL,
        sql!(r#""before":"select ","unit":"- ","middle":"1","count":100000"#),
        "function_error:denied",
    ),
    ("sql-sum", USUAL, sql!(r#""before":"select 1","unit":"+1","count":100000"#), "function_error:denied"),
    (
        "sql-case",
        USUAL,
        sql!(r#""before":"select ","unit":"case when 1 then ","middle":"1","after":" end","count":100000"#),
        "function_error:denied",
    ),
    (
        "sql-subqueries",
        USUAL,
        sql!(r#""before":"select * from ","unit":"(select * from ","middle":"orders","after":")","count":100000"#),
        "function_error:denied",
    ),
    (
        "sql-unions",
        USUAL,
        sql!(r#""before":"select 1","unit":" union select 1","count":100000"#),
        "function_error:denied",
    ),
    (
        "sql-joins",
        USUAL,
        sql!(r#""before":"select 1 from orders","unit":" join orders","count":20000"#),
        "function_error",
    ),
    ("sql-comments", USUAL, sql!(r#""before":"select 1","unit":"/*","count":100000"#), "function_error:denied"),
    (
        "parameters-nested",
        USUAL,
        sql!(r#""before":"select ?1","params":{"nested":100000}"#),
        "function_error:bad_request",
    ),
];

/// Counts for ever.
macro_rules! counting {
    ($query:literal) => {
        concat!(r#"{"op":"once","call":{"to":"sql","before":"with recursive c(x) as (select 1 union all select x+1 from c) "#, $query, "\"}}")
    };
}

/// 500,000 letters `a`, as SQL.
macro_rules! letters {
    ($before:literal, $after:literal) => {
        concat!(
            r#"{"op":"once","call":{"to":"sql","before":"select "#,
            $before,
            "replace(hex(zeroblob(250000)), '0', 'a')",
            $after,
            "\"}}"
        )
    };
}

const BUSY: &[Line] = &[
    ("result-of-a-billion-rows", USUAL, counting!("select x from c limit 1000000000"), "returned"),
    ("query-without-rows", HALF_A_SECOND, counting!("select count(*) from c"), "time_exhausted"),
    ("query-that-never-matches", HALF_A_SECOND, counting!("select x from c where x < 0"), "time_exhausted"),
    (
        "query-that-sorts",
        USUAL,
        counting!("select x, hex(zeroblob(500)) from c order by 2, 1"),
        "function_error:backend",
    ),
    ("query-cross-join", HALF_A_SECOND, counting!("select count(*) from c a, c b, c d"), "time_exhausted"),
    ("query-wide-values", USUAL, counting!("select hex(zeroblob(400000)) from c"), "returned"),
    ("query-huge-value", USUAL, sql!(r#""before":"select hex(zeroblob(1000000000))""#), "function_error"),
    ("query-like", HALF_A_SECOND, letters!("", " like '%a%a%a%a%a%a%a%a%a%a%b'"), "returned"),
    // One operation of SQLite, which nothing can interrupt: the call ends in time, its connection later.
    (
        "query-instr",
        HALF_A_SECOND,
        letters!("instr(", ", replace(hex(zeroblob(120000)), '0', 'a') || 'b')"),
        "time_exhausted",
    ),
    // SQLite takes 8 bytes for each character that is trimmed away, so that its own cap on a value ends this.
    (
        "query-trim",
        HALF_A_SECOND,
        letters!("trim(", ", replace(hex(zeroblob(120000)), '0', 'b') || 'a')"),
        "function_error:backend",
    ),
    ("http-slow", HALF_A_SECOND, http!(r#""method":"GET","path":"/slow""#), "time_exhausted"),
    (
        "in-flight-at-return",
        HALF_A_SECOND,
        r#"{"op":"unawaited","count":1,"wait":false,"call":{"to":"http","method":"GET","path":"/slow"}}"#,
        "returned",
    ),
    (
        "thousand-calls-unawaited",
        HALF_A_SECOND,
        r#"{"op":"unawaited","count":1000,"wait":false,"call":{"to":"http","method":"GET","path":"/slow"}}"#,
        "returned",
    ),
    (
        "thousand-calls-awaited",
        HALF_A_SECOND,
        r#"{"op":"unawaited","count":1000,"wait":true,"call":{"to":"http","method":"GET","path":"/slow"}}"#,
        "time_exhausted",
    ),
    (
        "nine-hundred-queries",
        USUAL,
        r#"{"op":"unawaited","count":900,"wait":true,"call":{"to":"sql","before":"select 1"}}"#,
        "returned",
    ),
];

pub(super) fn specimens() -> Vec<Specimen> {
    let specimen = |&(name, manifest, payload, expected): &Line| Specimen {
        name,
        group: Group::HostCalls,
        component: Box::new(|| guests::built("zoo-host").1),
        manifest,
        payload,
        expected,
    };
    [FLOODS, LARGE, DEEP, BUSY].into_iter().flatten().map(specimen).collect()
}
