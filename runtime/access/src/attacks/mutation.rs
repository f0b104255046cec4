//! Random damage to good tokens, and random bytes: nothing passes, nothing panics.

use std::sync::LazyLock;

use proptest::prelude::*;

use crate::{
    Expectations, KeySet,
    fixture::{Fixture, NOW, claims, header, signed},
    inspect, public_jwks,
};

struct Good {
    fixture: Fixture,
    tokens: [String; 2],
    keys: KeySet,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let fixture = Fixture::new();
    let tokens = [&fixture.ed, &fixture.ec].map(|key| signed(key, &header(key), &claims()));
    for token in &tokens {
        assert_eq!(fixture.judge(token).err(), None);
    }
    let keys = KeySet::parse(&public_jwks(&[&fixture.ed, &fixture.ec])).unwrap();
    Good { fixture, tokens, keys }
});

/// A token text no longer good is refused by `verify`, and `inspect` finds no whole either.
fn is_refused(token: &str) -> Result<(), TestCaseError> {
    prop_assert!(GOOD.fixture.judge(token).is_err(), "accepted: {token}");
    let seen = inspect(token, &GOOD.keys, &Expectations::default(), NOW);
    prop_assert!(!seen.signature.valid, "signature accepted: {token}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn a_token_with_one_byte_changed_is_refused(which in 0..2usize, place: prop::sample::Index, byte in 0u8..128) {
        let mut token = GOOD.tokens[which].clone().into_bytes();
        let place = place.index(token.len());
        prop_assume!(token[place] != byte);
        token[place] = byte;
        is_refused(&String::from_utf8(token).unwrap())?;
    }

    #[test]
    fn a_token_with_one_byte_more_or_less_is_refused(which in 0..2usize, place: prop::sample::Index, byte in 0u8..128) {
        let good = &GOOD.tokens[which];
        let place = place.index(good.len());
        let longer = format!("{}{}{}", &good[..place], char::from(byte), &good[place..]);
        let shorter = format!("{}{}", &good[..place], &good[place + 1..]);
        is_refused(&longer)?;
        is_refused(&shorter)?;
    }

    #[test]
    fn two_tokens_spliced_are_refused(cut: prop::sample::Index) {
        let [first, second] = &GOOD.tokens;
        let cut = cut.index(first.len().min(second.len()) - 1) + 1;
        let spliced = format!("{}{}", &first[..cut], &second[cut..]);
        // Their headers begin alike: a cut there gives the second token itself.
        prop_assume!(!GOOD.tokens.contains(&spliced));
        is_refused(&spliced)?;
    }

    #[test]
    fn no_text_makes_verify_or_inspect_panic(text in ".{0,200}", dotted in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,90}") {
        is_refused(&text)?;
        is_refused(&dotted)?;
    }
}
