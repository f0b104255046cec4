//! Values on their way out, without a server.

use super::super::{types::Kind, value::write};

fn json(kind: Kind, bytes: &[u8]) -> String {
    let mut out = Vec::new();
    write(bytes, kind, &mut out).expect("a value");
    String::from_utf8(out).expect("text")
}

#[test]
fn integers_beyond_what_a_reader_keeps_are_strings() {
    let int = |bytes, is_signed| Kind::Int { bytes, is_signed };
    assert_eq!(json(int(1, true), &[0xff]), "-1");
    assert_eq!(json(int(1, false), &[0xff]), "255");
    assert_eq!(json(int(8, true), &9_007_199_254_740_991_i64.to_le_bytes()), "9007199254740991");
    assert_eq!(json(int(8, true), &9_007_199_254_740_992_i64.to_le_bytes()), "\"9007199254740992\"");
    assert_eq!(json(int(8, true), &i64::MIN.to_le_bytes()), "\"-9223372036854775808\"");
    assert_eq!(json(int(8, false), &u64::MAX.to_le_bytes()), "\"18446744073709551615\"");
    assert_eq!(json(Kind::Bit, &[1, 0]), "256");
    assert_eq!(json(Kind::Bit, &[0xff; 8]), "\"18446744073709551615\"");
}

#[test]
fn times_have_the_digits_that_the_column_keeps() {
    let stamp = [0xea, 0x07, 11, 22, 10, 20, 30, 0x40, 0xe2, 1, 0];
    assert_eq!(json(Kind::DateTime { decimals: 6 }, &stamp), "\"2026-11-22 10:20:30.123456\"");
    assert_eq!(json(Kind::DateTime { decimals: 0 }, &stamp[..7]), "\"2026-11-22 10:20:30\"");
    assert_eq!(json(Kind::DateTime { decimals: 3 }, &stamp[..4]), "\"2026-11-22 00:00:00.000\"");
    assert_eq!(json(Kind::DateTime { decimals: 0 }, &stamp), "\"2026-11-22 10:20:30.123456\"", "no digit is dropped");
    assert_eq!(json(Kind::DateTime { decimals: 39 }, &[]), "\"0000-00-00 00:00:00\"");
    assert_eq!(json(Kind::Date, &[]), "\"0000-00-00\"");
    assert_eq!(json(Kind::Time { decimals: 0 }, &[]), "\"00:00:00\"");
    assert_eq!(json(Kind::Time { decimals: 1 }, &[1, 34, 0, 0, 0, 22, 59, 59, 0xa0, 0x86, 1, 0]), "\"-838:59:59.1\"");
}

#[test]
fn what_is_not_what_it_says_is_a_string_all_the_same() {
    assert_eq!(json(Kind::Json, b"{\"a\": [1]}"), "{\"a\": [1]}");
    for broken in [b"{".as_slice(), b"\"\xff\"", b"1 2", b""] {
        assert!(json(Kind::Json, broken).starts_with('"'));
    }
    assert_eq!(json(Kind::Text, b"a\xff\""), "\"a\u{fffd}\\\"\"");
    assert_eq!(json(Kind::Bytes, b"\0\xff"), "\"\\\\x00ff\"");
    for (kind, bytes) in [(Kind::Date, 3), (Kind::Bit, 9), (Kind::Double, 7), (Kind::DateTime { decimals: 0 }, 8)] {
        assert!(write(&vec![1; bytes], kind, &mut Vec::new()).is_err());
    }
}
