//! Values on their way in, without a server.

use super::super::parameters::{Bound, parse, write};

#[test]
fn values_keep_their_type_and_their_last_digit() {
    let text = r#"[null, true, false, 9007199254740993, -9223372036854775808, 18446744073709551615, 0.10, 1e3,
        123456789012345678901234567890, "a'b\u0000", {"$bytes":"AP8="}, {"a": [1]}, [1, 2], {"$bytes":"AP8=","b":1}]"#;
    let expected = [
        Bound::Null,
        Bound::Signed(1),
        Bound::Signed(0),
        Bound::Signed(9_007_199_254_740_993),
        Bound::Signed(i64::MIN),
        Bound::Unsigned(u64::MAX),
        Bound::Decimal("0.10".to_owned()),
        Bound::Double(1000.0),
        Bound::Decimal("123456789012345678901234567890".to_owned()),
        Bound::Text("a'b\0".to_owned()),
        Bound::Bytes(vec![0, 255]),
        Bound::Text("{\"a\": [1]}".to_owned()),
        Bound::Text("[1, 2]".to_owned()),
        Bound::Text("{\"$bytes\":\"AP8=\",\"b\":1}".to_owned()),
    ];
    assert_eq!(parse(text).expect("valid"), expected);
    assert_eq!(parse("").expect("none"), []);
}

#[test]
fn what_cannot_be_bound_is_named_by_place() {
    let long = format!("[1, {}]", "1".repeat(66));
    let fine = format!("[1, 0.{}]", "1".repeat(31));
    for text in ["[1, 1e999]", "[1, \"\\ud800\"]", "[1, {\"$bytes\":\"?\"}]", &long, &fine] {
        let refused = parse(text).expect_err(text).to_string();
        assert!(refused.contains("parameter 2"), "{text}: {refused}");
    }
    for text in ["{}", "1", "[1", "[1,]", "[NaN]", "[nul]", &"[".repeat(100_000)] {
        assert!(parse(text).is_err(), "{}", text.get(..5).unwrap_or(text));
    }
    assert!(parse(&format!("[{}0]", "0,".repeat(65_535))).is_err());
}

#[test]
fn null_is_a_bit_and_has_no_value() {
    let mut out = Vec::new();
    write(&[Bound::Null, Bound::Text("ab".to_owned()), Bound::Null], &mut out);
    assert_eq!(out, [0b101, 1, 6, 0, 0xfd, 0, 6, 0, 2, b'a', b'b']);
    let mut none = Vec::new();
    write(&[], &mut none);
    assert!(none.is_empty());
}
