//! Confusions between JSON parsers: duplicates, escapes, nesting, stray bytes (RFC 8259, RFC 8725 section 2.4).

use super::{Case, all_accepted, all_refused};
use crate::{
    JsonFault, Segment, TokenRefusal,
    fixture::{Fixture, claims, header, signed_text},
    mint,
};

/// The JSON object with more text before its closing brace.
fn plus(json: &str, text: &str) -> String {
    format!("{},{text}}}", json.strip_suffix('}').unwrap())
}

pub(super) fn cases(fixture: &Fixture) -> Vec<Case> {
    let (h, c) = (header(&fixture.ed).to_string(), claims().to_string());
    let in_header = |text: &str| signed_text(&fixture.ed, text, &c);
    let in_claims = |text: &str| signed_text(&fixture.ed, &h, text);
    let raw_claims = |text: &[u8]| mint::compact(&fixture.ed, h.as_bytes(), text).unwrap();
    let header_is = |fault| TokenRefusal::Json(Segment::Header, fault);
    let claims_are = |fault| TokenRefusal::Json(Segment::Payload, fault);
    let (duplicate, syntax) = (JsonFault::Duplicate, JsonFault::Syntax);
    let deep = format!(r#""x":{}1{}"#, "[".repeat(2_000), "]".repeat(2_000));
    let deep_objects = format!(r#""x":{}1{}"#, r#"{"y":"#.repeat(20), "}".repeat(20));
    vec![
        ("alg twice, none last", in_header(&plus(&h, r#""alg":"none""#)), header_is(duplicate)),
        ("alg twice, the same", in_header(&plus(&h, r#""alg":"EdDSA""#)), header_is(duplicate)),
        ("alg twice by an escape", in_header(&plus(&h, r#""\u0061lg":"none""#)), header_is(duplicate)),
        ("kid twice", in_header(&plus(&h, r#""kid":"other-1""#)), header_is(duplicate)),
        ("typ twice by an escape", in_header(&plus(&h, r#""t\u0079p":"JWT""#)), header_is(duplicate)),
        ("duplicate inside jwk", in_header(&plus(&h, r#""jwk":{"x":1,"x":2}"#)), header_is(duplicate)),
        ("header a list", in_header("[]"), header_is(JsonFault::NotObject)),
        ("header a text", in_header(r#""EdDSA""#), header_is(JsonFault::NotObject)),
        ("header null", in_header("null"), header_is(JsonFault::NotObject)),
        ("header cut short", in_header(&h[..h.len() - 1]), header_is(syntax)),
        ("header twice", in_header(&format!("{h}{h}")), header_is(syntax)),
        ("header after a byte order mark", in_header(&format!("\u{feff}{h}")), header_is(syntax)),
        ("header with a comment", in_header(&format!("/**/{h}")), header_is(syntax)),
        ("header with a last comma", in_header(&format!("{},}}", h.strip_suffix('}').unwrap())), header_is(syntax)),
        ("header in single quotes", in_header(&h.replace('"', "'")), header_is(syntax)),
        ("header and a NUL", in_header(&format!("{h}\0")), header_is(syntax)),
        ("header nested 2,000 deep", in_header(&plus(&h, &deep)), header_is(JsonFault::TooDeep)),
        ("exp twice", in_claims(&plus(&c, r#""exp":9999999999"#)), claims_are(duplicate)),
        ("sub twice by an escape", in_claims(&plus(&c, r#""s\u0075b":"root""#)), claims_are(duplicate)),
        ("tenant twice, the same", in_claims(&plus(&c, r#""tenant":"acme""#)), claims_are(duplicate)),
        ("unknown member twice", in_claims(&plus(&c, r#""x":1,"x":1"#)), claims_are(duplicate)),
        ("duplicate inside act", in_claims(&plus(&c, r#""act":{"sub":"a","sub":"b"}"#)), claims_are(duplicate)),
        ("duplicate inside limits", in_claims(&plus(&c, r#""limits":{"fuel":1,"fuel":9}"#)), claims_are(duplicate)),
        ("duplicate inside a list", in_claims(&plus(&c, r#""x":[{"a":1,"a":2}]"#)), claims_are(duplicate)),
        ("claims a list", in_claims(&format!("[{c}]")), claims_are(JsonFault::NotObject)),
        ("claims a text", in_claims(r#""x""#), claims_are(JsonFault::NotObject)),
        ("claims cut short", in_claims(&c[..c.len() - 1]), claims_are(syntax)),
        ("claims after a byte order mark", in_claims(&format!("\u{feff}{c}")), claims_are(syntax)),
        ("claims and more", in_claims(&format!("{c}{{}}")), claims_are(syntax)),
        ("claims and a NUL", in_claims(&format!("{c}\0")), claims_are(syntax)),
        ("claims with a raw newline in a text", in_claims(&c.replace("user-1", "user\n1")), claims_are(syntax)),
        ("claims with half a surrogate pair", in_claims(&c.replace("user-1", "\\ud800")), claims_are(syntax)),
        ("claims with invalid UTF-8", raw_claims(b"{\"sub\":\"\xff\xfe\"}"), claims_are(syntax)),
        ("claims in UTF-16", raw_claims(b"{\0\"\0a\0\"\0:\0true\0}\0"), claims_are(syntax)),
        ("claims with NaN", in_claims(&plus(&c, r#""x":NaN"#)), claims_are(syntax)),
        ("claims with a leading zero", in_claims(&plus(&c, r#""x":01"#)), claims_are(syntax)),
        ("claims nested 2,000 deep", in_claims(&plus(&c, &deep)), claims_are(JsonFault::TooDeep)),
        ("claims nested 20 objects deep", in_claims(&plus(&c, &deep_objects)), claims_are(JsonFault::TooDeep)),
    ]
}

#[test]
fn every_json_confusion_is_refused() {
    let fixture = Fixture::new();
    all_refused(&fixture, &cases(&fixture));
}

#[test]
fn unusual_but_unambiguous_json_passes() {
    let fixture = Fixture::new();
    let (h, c) = (header(&fixture.ed).to_string(), claims().to_string());
    let in_claims = |text: &str| signed_text(&fixture.ed, &h, text);
    all_accepted(
        &fixture,
        &[
            ("escaped member name", in_claims(&c.replace("\"sub\"", r#""s\u0075b""#))),
            ("escaped value", in_claims(&c.replace("user-1", r"\u0075ser-1"))),
            ("unknown claims, nested", in_claims(&plus(&c, r#""x":{"sub":[1,2.5,null]},"y":{"sub":1}"#))),
            ("the same name in different objects", in_claims(&plus(&c, r#""act":{"sub":"agent-7"}"#))),
        ],
    );
}
