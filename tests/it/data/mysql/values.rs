//! Values of every type, both ways, to the last digit; and values that do not fit.

use airlock_model::{HostError, StatementClass};
use airlock_tests::mariadb::{Client, Mariadb, statement};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

/// Type of the column, value as sent, value as it comes back.
fn samples() -> Vec<(&'static str, Value, Value)> {
    let same = |of, value: Value| (of, value.clone(), value);
    vec![
        same("tinyint", json!(-128)),
        same("tinyint unsigned", json!(255)),
        ("bool", json!(true), json!(1)),
        same("smallint", json!(-32768)),
        same("mediumint unsigned", json!(16_777_215)),
        same("int", json!(-2_147_483_648)),
        same("bigint", json!(9_007_199_254_740_991_i64)),
        same("bigint", json!("9007199254740993")),
        same("bigint", json!("-9223372036854775808")),
        ("bigint", json!(9_007_199_254_740_993_i64), json!("9007199254740993")),
        ("bigint unsigned", json!(u64::MAX), json!("18446744073709551615")),
        same("bigint unsigned", json!("18446744073709551615")),
        same("float", json!(0.1)),
        same("float", json!(16_777_216.0)),
        same("double", json!(1e300)),
        same("double", json!(0.1)),
        same("double", json!(-1.797_693_134_862_315_7e308)),
        same("decimal(65,30)", json!("12345678901234567890123456789012345.123456789012345678901234567890")),
        ("decimal(10,2)", json!(1.5), json!("1.50")),
        ("decimal(20,0)", json!(18_446_744_073_709_551_615_u64), json!("18446744073709551615")),
        same("bit(1)", json!(1)),
        same("bit(12)", json!(4095)),
        ("bit(64)", json!(u64::MAX), json!("18446744073709551615")),
        same("year", json!(2026)),
        same("date", json!("2026-11-22")),
        same("date", json!("0000-00-00")),
        same("time", json!("-838:59:59")),
        same("time(6)", json!("23:59:59.999999")),
        same("time(1)", json!("00:00:00.0")),
        same("datetime", json!("9999-12-31 23:59:59")),
        same("datetime(6)", json!("2026-11-22 10:20:30.123456")),
        same("datetime(3)", json!("2026-11-22 00:00:00.000")),
        same("datetime", json!("0000-00-00 00:00:00")),
        same("timestamp", json!("2026-11-22 10:20:30")),
        same("char(5)", json!("ab")),
        same("varchar(100)", json!("it's \"quoted\" \\ \n \u{0} 漢字 \u{1F980}")),
        same("varchar(1)", json!("")),
        same("longtext", json!("x".repeat(1_000_000))),
        same("enum('sad','happy')", json!("happy")),
        same("set('a','b','c')", json!("a,c")),
        ("binary(4)", json!({"$bytes": "AP8="}), json!("\\x00ff0000")),
        ("varbinary(10)", json!({"$bytes": "AP8Q"}), json!("\\x00ff10")),
        ("blob", json!({"$bytes": ""}), json!("\\x")),
        ("longblob", json!({"$bytes": "AP8Q"}), json!("\\x00ff10")),
        same("json", json!({"b": [1, null, "x"], "a": {"c": 1.5}})),
        same("json", json!([1, {"a": "ü"}, [[]], true, null])),
        ("json", json!("\"a string\""), json!("a string")),
        same("uuid", json!("6f0e3c1a-2b4d-4c8e-9f10-1a2b3c4d5e6f")),
        same("inet6", json!("2001:db8::1")),
        same("int", json!(null)),
        same("json", json!(null)),
        same("blob", json!(null)),
    ]
}

/// What a column of a type makes of a value.
async fn kept(server: &Mariadb, client: &Client, of: &str, sent: &Value) -> Value {
    server.sql(&format!("create or replace table kept (v {of} null)"));
    let written = client.write("insert into kept values (?)", json!([sent])).await;
    assert_eq!(written, Ok(1), "{of} {}", sent.to_string().chars().take(80).collect::<String>());
    client.rows("select v from kept", json!([])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_comes_back_as_it_went() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 1");
    for (of, sent, expected) in samples() {
        let found = kept(&server, &client, of, &sent).await;
        assert!(found == json!([[expected]]), "{of}: {}", found.to_string().chars().take(200).collect::<String>());
    }
    let names = "select cast(1 as unsigned) as a, 1.5 as b, 'x' as c, now() as d, cast('a' as binary) as e, null as f";
    let names = client.read(names, json!([])).await.expect("rows");
    let names: Vec<_> =
        names.columns.iter().map(|column| (column.name.as_str(), column.database_type.as_str())).collect();
    let expected = ["int unsigned", "decimal", "varchar", "datetime", "varbinary", "null"];
    assert_eq!(names, ["a", "b", "c", "d", "e", "f"].into_iter().zip(expected).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn any_value_comes_back_as_it_went() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 1");
    let mut runner = TestRunner::deterministic();
    let safe = -9_007_199_254_740_991..=9_007_199_254_740_991_i64;
    let decimal = ("[1-9][0-9]{0,34}", "[0-9]{1,30}").prop_map(|(whole, rest)| format!("-{whole}.{rest}"));
    let strategies: [BoxedStrategy<(Value, Value)>; 4] = [
        safe.prop_map(|i| (json!(i), json!(i))).boxed(),
        any::<i64>()
            .prop_filter("beyond", |i| i.unsigned_abs() > 1 << 53)
            .prop_map(|i| (json!(i), json!(i.to_string())))
            .boxed(),
        any::<String>().prop_map(|text| (json!(text), json!(text))).boxed(),
        decimal.prop_map(|text| (Value::Number(text.parse().expect("a number")), json!(text))).boxed(),
    ];
    for round in 0..200 {
        let (sent, expected) = strategies[round % strategies.len()].new_tree(&mut runner).expect("a value").current();
        let mut request = statement(StatementClass::Read, "select ?", &json!([]));
        request.parameters =
            if round % 4 == 3 { format!("[{}]", expected.as_str().expect("text")) } else { json!([sent]).to_string() };
        let reply = client.perform(request).await.expect("rows");
        let airlock_model::HostReply::Rows(rows) = reply else { panic!("no rows") };
        let found: Value = serde_json::from_str(&rows.rows).expect("JSON");
        assert_eq!(found, json!([[expected]]), "{sent}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_do_not_fit_are_errors_and_are_not_bent() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 1");
    for (of, sent) in [
        ("int", json!("x")),
        ("int", json!(2_147_483_648_i64)),
        ("int unsigned", json!(-1)),
        ("tinyint", json!(1000)),
        ("double", json!("NaN")),
        ("decimal(4,2)", json!("1000")),
        ("date", json!("2026-02-30")),
        ("date", json!("nonsense")),
        ("varchar(3)", json!("abcd")),
        ("enum('sad','happy')", json!("angry")),
        ("json", json!("{")),
        ("bit(1)", json!(2)),
        ("uuid", json!("nonsense")),
    ] {
        server.sql(&format!("create or replace table kept (v {of} null)"));
        let refused = client.write("insert into kept values (?)", json!([sent])).await;
        assert!(matches!(refused, Err(HostError::Backend { .. })), "{of} {sent}: {refused:?}");
        assert_eq!(server.sql("select count(*) from kept"), "0", "{of} {sent}");
    }
    for (parameters, wanted) in [
        ("[1]", "2 parameters and 1 values"),
        ("[1, 2, 3]", "2 parameters and 3 values"),
        ("{\"a\": 1}", "not a JSON array"),
        ("[1, NaN]", "not a JSON array"),
        ("[1, \"\\ud800\"]", "parameter 2"),
        ("[1, 1e999]", "parameter 2"),
        ("[1, {\"$bytes\": \"?\"}]", "parameter 2"),
    ] {
        let mut request = statement(StatementClass::Read, "select ?, ?", &json!([]));
        parameters.clone_into(&mut request.parameters);
        let refused = client.perform(request).await;
        assert!(
            matches!(&refused, Err(HostError::BadRequest(text)) if text.contains(wanted)),
            "{parameters}: {refused:?}"
        );
    }
    let injected = json!(["' or 1 = 1; drop table orders; -- \\' \""]);
    assert_eq!(client.rows("select count(*) from orders where customer = ?", injected).await, json!([[0]]));
}
