//! The attack corpus: hand-made confusions, each with the precise refusal it must meet, each family with tokens that
//! differ only in being right and must pass.

mod claims;
mod encoding;
mod fuzz;
mod header;
mod json;
mod mismatch;
mod mutation;
mod signature;
mod time;

use airlock_model::Reason;

use crate::{
    Expectations, KeySet, Presented, TokenRefusal,
    fixture::{Fixture, INSTANCE, NOW, PLATFORM},
    inspect, public_jwks,
};

/// One confusion: what it is, the token, the refusal.
type Case = (&'static str, String, TokenRefusal);

/// Every case meets exactly its refusal, and the caller sees the same public text for all.
fn all_refused(fixture: &Fixture, cases: &[Case]) {
    let public = fixture.authenticator.verify(Presented::bearer(None), NOW).unwrap_err();
    for (name, token, expected) in cases {
        assert_eq!(fixture.judge(token).err(), Some(*expected), "{name}");
        let failure = fixture.authenticator.verify(Presented::bearer(Some(token)), NOW).unwrap_err();
        assert_eq!(failure.reason, Reason::TokenInvalid, "{name}");
        assert_eq!((&failure.message, &failure.hint), (&public.message, &public.hint), "{name}");
        assert_eq!(failure.log, Some(expected.to_string()), "{name}");
    }
}

fn all_accepted(fixture: &Fixture, cases: &[(&str, String)]) {
    for (name, token) in cases {
        assert_eq!(fixture.judge(token).err(), None, "{name}");
    }
}

fn corpus(fixture: &Fixture) -> [Vec<Case>; 6] {
    [
        encoding::cases(fixture),
        header::cases(fixture),
        json::cases(fixture),
        signature::cases(fixture),
        claims::cases(fixture),
        time::cases(fixture),
    ]
}

#[test]
fn the_corpus_is_as_large_as_promised() {
    let cases: usize = corpus(&Fixture::new()).iter().map(Vec::len).sum();
    assert!(cases >= 200, "{cases}");
}

/// `inspect` is no second opinion: told the same expectations, it finds fault with the same tokens for the same reason.
#[test]
fn inspect_and_verify_agree_on_the_whole_corpus() {
    let fixture = Fixture::new();
    let keys = KeySet::parse(&public_jwks(&[&fixture.ed, &fixture.ec])).unwrap();
    let expectations = Expectations {
        instance: Some(INSTANCE.to_owned()),
        issuer: Some(PLATFORM.to_owned()),
        ..Expectations::default()
    };
    for (name, token, expected) in corpus(&fixture).iter().flatten() {
        let seen = inspect(token, &keys, &expectations, NOW);
        // This set holds no key of the other issuer, so its tokens fail one step earlier; and who else is an issuer only a
        // server knows.
        let stranger = seen.signature.reason == Some(TokenRefusal::KeyUnknown.to_string())
            || matches!(expected, TokenRefusal::ChainIssuer | TokenRefusal::ChainKey);
        let reason = seen.signature.reason.or(seen.claims.reason);
        assert!(reason == Some(expected.to_string()) || stranger, "{name}: {reason:?}");
    }
}
