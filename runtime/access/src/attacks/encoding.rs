//! Confusions of the compact serialization (RFC 7515 sections 2 and 3.1).

use super::{Case, all_accepted, all_refused};
use crate::{
    JsonFault, Segment, TokenRefusal, bytes,
    fixture::{Fixture, claims, header, signed_parts, signed_text},
};

/// The same bytes with a last character whose spare bits are not zero.
fn with_stray_bits(part: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    assert_ne!(part.len() % 4, 0, "no spare bits");
    let last = ALPHABET.iter().position(|c| *c == *part.as_bytes().last().unwrap()).unwrap();
    format!("{}{}", &part[..part.len() - 1], char::from(ALPHABET[last + 1]))
}

/// JSON whose encoding ends in a character with spare bits.
fn with_spare_bits(json: &str) -> String {
    let padding = if json.len().is_multiple_of(3) { " " } else { "" };
    bytes::encode(format!("{json}{padding}"))
}

pub(super) fn cases(fixture: &Fixture) -> Vec<Case> {
    let (key, h, c) = (&fixture.ed, header(&fixture.ed).to_string(), claims().to_string());
    let good = signed_text(key, &h, &c);
    let parts: Vec<_> = good.split('.').collect();
    let (eh, ec) = (with_spare_bits(&h), with_spare_bits(&c));
    let encoding = TokenRefusal::Encoding;
    let long = format!(r#"{{"x":"{}"}}"#, "a".repeat(8_192));
    vec![
        ("empty", String::new(), TokenRefusal::Missing),
        ("one part", parts[0].to_owned(), TokenRefusal::Segments),
        ("two parts", parts[..2].join("."), TokenRefusal::Segments),
        ("four parts", format!("{good}.x"), TokenRefusal::Segments),
        ("five parts, as an encrypted token", format!("{good}.x.y"), TokenRefusal::Segments),
        ("dot in front", format!(".{good}"), TokenRefusal::Segments),
        ("dot behind", format!("{good}."), TokenRefusal::Segments),
        ("empty part in the middle", format!("{}..{}.{}", parts[0], parts[1], parts[2]), TokenRefusal::Segments),
        ("two dots", "..".to_owned(), TokenRefusal::Json(Segment::Header, JsonFault::Syntax)),
        ("over 8 KiB, well signed", signed_text(key, &h, &long), TokenRefusal::Oversize),
        ("over 8 KiB of dots", ".".repeat(8_193), TokenRefusal::Oversize),
        ("JSON serialization", format!(r#"{{"payload":"{}"}}"#, parts[1]), TokenRefusal::Segments),
        ("scheme left in front", format!("Bearer {good}"), encoding(Segment::Header)),
        ("space in front", format!(" {good}"), encoding(Segment::Header)),
        ("newline behind", format!("{good}\n"), encoding(Segment::Signature)),
        ("carriage return inside", good.replacen('.', ".\r\n", 1), TokenRefusal::Signature),
        ("NUL behind", format!("{good}\0"), encoding(Segment::Signature)),
        ("zero-width space behind", format!("{good}\u{200b}"), encoding(Segment::Signature)),
        ("byte order mark in front", format!("\u{feff}{good}"), encoding(Segment::Header)),
        ("padded header, signed so", signed_parts(key, &format!("{eh}=="), &ec), encoding(Segment::Header)),
        ("padded payload, signed so", signed_parts(key, &eh, &format!("{ec}==")), encoding(Segment::Payload)),
        ("padded signature", format!("{good}=="), encoding(Segment::Signature)),
        ("stray bits in header, signed so", signed_parts(key, &with_stray_bits(&eh), &ec), encoding(Segment::Header)),
        ("stray bits in payload, signed so", signed_parts(key, &eh, &with_stray_bits(&ec)), encoding(Segment::Payload)),
        ("stray bits in signature", with_stray_bits(&good), encoding(Segment::Signature)),
        ("space in payload, signed so", signed_parts(key, &eh, &format!("{ec} ")), encoding(Segment::Payload)),
        ("`+` of plain base64, signed so", signed_parts(key, &eh, &format!("{ec}+A")), encoding(Segment::Payload)),
        ("`/` of plain base64, signed so", signed_parts(key, &eh, &format!("{ec}/A")), encoding(Segment::Payload)),
        ("percent-encoded dot", good.replacen('.', "%2E", 1), TokenRefusal::Segments),
        ("Cyrillic letter", good.replacen('e', "\u{435}", 1), encoding(Segment::Header)),
        ("empty header", format!(".{}.{}", parts[1], parts[2]), TokenRefusal::Json(Segment::Header, JsonFault::Syntax)),
        (
            "empty payload, signed so",
            signed_parts(key, &eh, ""),
            TokenRefusal::Json(Segment::Payload, JsonFault::Syntax),
        ),
    ]
}

#[test]
fn every_encoding_confusion_is_refused() {
    let fixture = Fixture::new();
    all_refused(&fixture, &cases(&fixture));
}

#[test]
fn well_encoded_tokens_pass() {
    let fixture = Fixture::new();
    let (h, c) = (header(&fixture.ed).to_string(), claims().to_string());
    let spare = signed_parts(&fixture.ed, &with_spare_bits(&h), &with_spare_bits(&c));
    all_accepted(
        &fixture,
        &[
            ("plain", signed_text(&fixture.ed, &h, &c)),
            ("with spare bits that are zero", spare),
            ("JSON spaced as a person would", signed_text(&fixture.ed, &h.replace(',', " ,\n\t"), &c)),
            ("P-256", signed_text(&fixture.ec, &header(&fixture.ec).to_string(), &c)),
        ],
    );
}
