//! Values of every type, both ways, to the last digit; and values that do not fit.

use airlock_model::HostError;
use airlock_tests::postgres::Postgres;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

/// Type, value as sent, value as it comes back.
fn samples() -> Vec<(&'static str, Value, Value)> {
    let same = |of, value: Value| (of, value.clone(), value);
    vec![
        same("bool", json!(true)),
        same("int2", json!(-32768)),
        same("int4", json!(2_147_483_647)),
        same("int8", json!(9_007_199_254_740_991_i64)),
        same("int8", json!("9007199254740993")),
        same("int8", json!("-9223372036854775808")),
        ("int8", json!(9_007_199_254_740_993_i64), json!("9007199254740993")),
        same("oid", json!(4_294_967_295_u32)),
        same("float4", json!(0.1)),
        same("float8", json!(1e300)),
        same("float8", json!("NaN")),
        same("float8", json!("-Infinity")),
        same("numeric", json!("123456789012345678901234567890.123456789000")),
        same("numeric", json!("NaN")),
        ("numeric", json!(1.5), json!("1.5")),
        same("text", json!("it's \"quoted\" \\ \n 漢字 \u{1F980}")),
        same("varchar", json!("")),
        ("char(5)", json!("ab"), json!("ab   ")),
        same("name", json!("orders")),
        same("uuid", json!("6f0e3c1a-2b4d-4c8e-9f10-1a2b3c4d5e6f")),
        same("json", json!({"b": [1, null, "x"], "a": {"c": 1e3}})),
        same("jsonb", json!([1, {"a": "ü"}, [[]], true, null])),
        ("jsonb", json!("\"a string\""), json!("a string")),
        ("jsonb", json!("{\"a\": 1}"), json!({"a": 1})),
        same("bytea", json!("\\x00ff10")),
        ("bytea", json!({"$bytes": "AP8Q"}), json!("\\x00ff10")),
        same("date", json!("2026-11-22")),
        same("date", json!("0044-03-15 BC")),
        same("time", json!("23:59:59.999999")),
        same("timestamp", json!("2026-11-22 10:20:30.123456")),
        same("timestamp", json!("infinity")),
        same("timestamptz", json!("2026-11-22 10:20:30.123456+00")),
        ("timestamptz", json!("2026-11-22T12:20:30+02:00"), json!("2026-11-22 10:20:30+00")),
        same("interval", json!("P1Y2M3DT4H5M6.789S")),
        same("inet", json!("10.1.2.3/24")),
        same("cidr", json!("2001:db8::/32")),
        same("macaddr", json!("08:00:2b:01:02:03")),
        same("int4range", json!("[1,5)")),
        same("numrange", json!("(,2.5]")),
        same("tstzrange", json!("[\"2026-01-01 00:00:00+00\",)")),
        same("bit(4)", json!("1010")),
        same("point", json!("(1,2)")),
        same("mood", json!("happy")),
        same("positive", json!(7)),
        same("mood[]", json!(["sad", null, "happy"])),
        same("positive[]", json!([1, 2])),
        same("int4[]", json!([[1, 2], [3, null]])),
        same("int4[]", json!([])),
        same("int4[]", json!("[0:1]={1,2}")),
        same("text[]", json!(["", "NULL", null, "a,b", "{\"}", "\\", " "])),
        same("numeric[]", json!(["1.10", "2"])),
        same("jsonb[]", json!([{"a": "\"\\"}, [1, 2], 3])),
        same("bool[]", json!([true, false])),
        same("bytea[]", json!(["\\x00", "\\xff"])),
        same("timestamptz[]", json!(["2026-11-22 10:20:30+00"])),
        same("int4", json!(null)),
        same("jsonb", json!(null)),
        same("text[]", json!(null)),
    ]
}

#[tokio::test]
async fn every_type_comes_back_as_it_went() {
    let server = Postgres::start();
    let client = server.client("");
    for (of, sent, expected) in samples() {
        let found = client.rows(&format!("select $1::{of}"), json!([sent])).await;
        assert_eq!(found, json!([[expected]]), "{of}");
    }
    let mut runner = TestRunner::deterministic();
    for _ in 0..40 {
        for (of, strategy) in strategies() {
            let value = strategy.new_tree(&mut runner).expect("a value").current();
            let found = client.rows(&format!("select $1::{of}"), json!([value])).await;
            let is_same = found == json!([[value]]) || of == "float8" && found[0][0].as_f64() == value.as_f64();
            assert!(is_same, "{of}: {value} became {found}");
        }
    }
    let names =
        client.read("select 1::int8 as a, array['x']::text[] as b, 'sad'::mood as c", json!([])).await.expect("rows");
    let names: Vec<_> =
        names.columns.iter().map(|column| (column.name.as_str(), column.database_type.as_str())).collect();
    assert_eq!(names, [("a", "int8"), ("b", "text[]"), ("c", "mood")]);
}

fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.replace('\0', ""))
}

fn strategies() -> Vec<(&'static str, BoxedStrategy<Value>)> {
    let safe = -9_007_199_254_740_991..=9_007_199_254_740_991_i64;
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i32>().prop_map(|i| json!(i)),
        text().prop_map(|t| json!(t))
    ];
    let tree = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| json!(items)),
            prop::collection::btree_map(text(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    });
    let value = tree.prop_filter("NULL and text", |value| !value.is_null() && !value.is_string());
    vec![
        ("int4", any::<i32>().prop_map(|i| json!(i)).boxed()),
        ("int8", safe.prop_map(|i| json!(i)).boxed()),
        ("float8", any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| json!(f)).boxed()),
        ("text", text().prop_map(|t| json!(t)).boxed()),
        ("bytea", prop::collection::vec(any::<u8>(), 0..64).prop_map(|b| json!(format!("\\x{}", hex(&b)))).boxed()),
        ("jsonb", value.boxed()),
        ("text[]", prop::collection::vec(prop::option::of(text()), 0..6).prop_map(|v| json!(v)).boxed()),
        ("int8[]", prop::collection::vec(any::<i32>(), 0..6).prop_map(|v| json!(v)).boxed()),
        (
            "numeric",
            ("[1-9][0-9]{0,60}", "[0-9]{1,40}").prop_map(|(whole, rest)| json!(format!("-{whole}.{rest}"))).boxed(),
        ),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn values_that_do_not_fit_are_named() {
    let server = Postgres::start();
    let client = server.client("");
    let deep = format!("[1, {}{}]", "[".repeat(1_000), "]".repeat(1_000));
    let cases = [
        ("int4", json!([1, "x"]), "parameter 2 (int4)"),
        ("int4", json!([1, 1.5]), "parameter 2 (int4)"),
        ("int4", json!([1, 2_147_483_648_i64]), "2147483647"),
        ("int4", json!([1, true]), "parameter 2 (int4)"),
        ("int8", json!([1, "9223372036854775808"]), "parameter 2 (int8)"),
        ("int2", json!([1, [1]]), "parameter 2 (int2)"),
        ("bool", json!([1, 1]), "parameter 2 (bool)"),
        ("text", json!([1, 1]), "parameter 2 (text)"),
        ("text", json!([1, "a\u{0}b"]), "NUL"),
        ("bytea", json!([1, "abc"]), "parameter 2 (bytea)"),
        ("uuid", json!([1, "nonsense"]), "parameter 2 does not fit"),
        ("date", json!([1, "2026-02-30"]), "parameter 2 does not fit"),
        ("numeric", json!([1, "1.2.3"]), "parameter 2 does not fit"),
        ("float8", json!([1, "1e999"]), "parameter 2 does not fit"),
        ("mood", json!([1, "angry"]), "parameter 2 does not fit"),
        ("positive", json!([1, 0]), "positive"),
        ("int4[]", json!([1, [1, "x"]]), "parameter 2 (int4[])"),
        ("int4[]", json!([1, 5]), "parameter 2 (int4[])"),
        ("int4[]", json!([1, [[1], [2, 3]]]), "parameter 2 does not fit"),
        ("jsonb", json!([1, ["\u{0}"]]), "parameter 2 does not fit"),
        ("jsonb", json!([1, "{"]), "parameter 2 does not fit"),
        ("int4", json!([1]), "2 parameters and 1 values"),
        ("int4", json!([1, 2, 3]), "2 parameters and 3 values"),
        ("int4", json!({"a": 1}), "not a JSON array"),
    ];
    for (of, parameters, wanted) in cases {
        let refused = client.read(&format!("select $1::int4, $2::{of}"), parameters.clone()).await;
        let text = refused.as_ref().map_or_else(ToString::to_string, |rows| format!("{rows:?}"));
        let is_ours = matches!(refused, Err(HostError::BadRequest(_))) || of == "positive";
        assert!(is_ours && text.contains(wanted), "{of} {parameters}: {refused:?}");
    }
    for (parameters, wanted) in
        [("[1, \"\\ud800\"]", "surrogate"), ("[1, ", "not a JSON array"), (deep.as_str(), "128")]
    {
        let mut request = airlock_tests::postgres::statement(
            airlock_model::StatementClass::Read,
            "select $1::int4, $2::jsonb::text",
            &json!([]),
        );
        parameters.clone_into(&mut request.parameters);
        if wanted == "surrogate" {
            "select $1::int4, $2::text".clone_into(&mut request.statement);
        }
        let refused = client.perform(request).await.expect_err(parameters).to_string();
        assert!(refused.contains(wanted), "{refused}");
    }
    assert_eq!(client.rows("select 1", json!([])).await, json!([[1]]), "the connection is still good");
}
