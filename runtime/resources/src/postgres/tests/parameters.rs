//! Values on their way in, without a server.

use super::super::{
    parameters::{encode, parse},
    types::{Kind, Type, Width},
};

fn one(json: &str, kind: Kind, is_array: bool) -> Result<Option<String>, String> {
    let text = format!("[{json}]");
    let values = parse(&text).map_err(|why| why.to_string())?;
    let of = [Type { name: "t".into(), kind, is_array }];
    encode(&values, &of).map(|mut values| values.remove(0)).map_err(|why| why.to_string())
}

#[test]
fn values_are_text_as_the_server_reads_it() {
    let int = Kind::Int(Width::Eight);
    for (json, kind, is_array, text) in [
        ("9223372036854775807", int, false, "9223372036854775807"),
        ("\"-5\"", int, false, "-5"),
        ("1.250", Kind::Numeric, false, "1.250"),
        ("{\"a\": 1}", Kind::Json, false, "{\"a\": 1}"),
        ("\"{\\\"a\\\": 1}\"", Kind::Json, false, "{\"a\": 1}"),
        ("{\"$bytes\":\"AP8=\"}", Kind::Bytea, false, "\\x00ff"),
        ("[[1,2],[3,null]]", int, true, "{{\"1\",\"2\"},{\"3\",NULL}}"),
        ("[\"a\\\"b\",\"\\\\\"]", Kind::Text, true, "{\"a\\\"b\",\"\\\\\"}"),
        ("\"{1,2}\"", int, true, "{1,2}"),
    ] {
        assert_eq!(one(json, kind, is_array), Ok(Some(text.to_owned())), "{json}");
    }
    assert_eq!(one("null", Kind::Json, false), Ok(None));
    assert_eq!(parse("").map(|values| values.len()), Ok(0));
}

#[test]
fn what_cannot_be_bound_is_named() {
    for (json, kind, is_array) in [
        ("1.5", Kind::Int(Width::Four), false),
        ("1e3", Kind::Int(Width::Four), false),
        ("-1", Kind::Int(Width::Oid), false),
        ("1", Kind::Bool, false),
        ("1", Kind::Text, false),
        ("\"a\\u0000\"", Kind::Text, false),
        ("\"\\\\xzz\"", Kind::Bytea, false),
        ("{\"bytes\":1}", Kind::Bytea, false),
        ("{}", Kind::Other, false),
        ("[[[[[[[1]]]]]]]", Kind::Int(Width::Four), true),
    ] {
        let refused = one(json, kind, is_array).expect_err(json);
        assert!(refused.contains("parameter 1 (t)"), "{refused}");
    }
    let many = format!("[{}0]", "0,".repeat(65_535));
    assert!(parse(&many).is_err());
    assert!(one(&format!("{}{}", "[".repeat(129), "]".repeat(129)), Kind::Json, false).is_err());
    assert!(one(&format!("[\"{}\"]", "[".repeat(129)), Kind::Json, false).is_ok(), "brackets in a string are no depth");
}
