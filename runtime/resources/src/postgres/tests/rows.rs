//! Values on their way out, without a server.

use super::super::{
    array, scalar,
    types::{Kind, Width},
};

fn written(text: &str, kind: Kind) -> String {
    let mut out = Vec::new();
    scalar::write(text, kind, &mut out).expect("memory");
    String::from_utf8(out).expect("text")
}

fn array_of(text: &str, kind: Kind) -> Result<String, String> {
    let mut out = Vec::new();
    array::write(text, kind, &mut out).map_err(|why| why.to_string())?;
    Ok(String::from_utf8(out).expect("text"))
}

#[test]
fn every_value_is_json_whatever_the_server_says() {
    for (text, kind, json) in [
        ("t", Kind::Bool, "true"),
        ("yes", Kind::Bool, "\"yes\""),
        ("9007199254740991", Kind::Int(Width::Eight), "9007199254740991"),
        ("9007199254740992", Kind::Int(Width::Eight), "\"9007199254740992\""),
        ("1]", Kind::Int(Width::Four), "\"1]\""),
        ("1e-05", Kind::Float, "1e-05"),
        ("NaN", Kind::Float, "\"NaN\""),
        ("-Infinity", Kind::Float, "\"-Infinity\""),
        ("1.50", Kind::Numeric, "\"1.50\""),
        ("{\"a\":1}", Kind::Json, "{\"a\":1}"),
        ("{\"a\":1}]", Kind::Json, "\"{\\\"a\\\":1}]\""),
        ("a\"b", Kind::Text, "\"a\\\"b\""),
    ] {
        assert_eq!(written(text, kind), json, "{text}");
    }
}

#[test]
fn arrays_are_arrays_and_anything_else_is_refused() {
    let int = Kind::Int(Width::Four);
    assert_eq!(array_of("{}", int).as_deref(), Ok("[]"));
    assert_eq!(array_of("{{1,2},{3,NULL}}", int).as_deref(), Ok("[[1,2],[3,null]]"));
    assert_eq!(array_of(r#"{"NULL",NULL,"a,b","\"\\"}"#, Kind::Text).as_deref(), Ok(r#"["NULL",null,"a,b","\"\\"]"#));
    assert_eq!(array_of("[0:1]={1,2}", int).as_deref(), Ok("\"[0:1]={1,2}\""));
    for text in [
        "",
        "1",
        "{",
        "{1",
        "{1,}",
        "{,1}",
        "{1}{2}",
        "{1}x",
        "{\"a}",
        "{\"a\"b}",
        "}",
        "{{1}",
        "{1{2}}",
        "{{{{{{{1}}}}}}}",
    ] {
        assert!(array_of(text, int).is_err(), "{text}: {:?}", array_of(text, int));
    }
}
