//! What a token costs: `cargo run --release -p airlock-access --example verify`.
//!
//! Prints microseconds: a token that was verified before, one that is seen for the first time, and a text of 1 MiB.

use std::{hint::black_box, time::Instant};

use airlock_access::{
    Algorithm, Algorithms, Authenticator, Claims, Issuer, KeySet, Presented, SenderPolicy, SigningKey, TokenPolicy,
    Validity, mint, public_jwks,
};
use airlock_model::Principal;

const ISS: &str = "https://platform.example";
const NOW: u64 = 1_800_000_000;
const TOKENS: usize = 2_000;
const HITS: usize = 200_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let key = SigningKey::generate(algorithm, "key-1")?;
        let authenticator = Authenticator::new(policy(&key)?)?;
        let tokens = (0..TOKENS).map(|_| token(&key)).collect::<Result<Vec<_>, _>>()?;
        let mut unseen = tokens.iter();
        let first = per_one(TOKENS, || unseen.next().is_some_and(|token| verify(&authenticator, token)));
        let known = tokens.last().ok_or("no token")?;
        let hit = per_one(HITS, || verify(&authenticator, known));
        let huge = "a".repeat(1 << 20);
        let refused = per_one(TOKENS, || !verify(&authenticator, &huge));
        println!("{algorithm}: first sight {first:.1} us, hit {hit:.2} us, 1 MiB refused in {refused:.2} us");
    }
    Ok(())
}

fn per_one(times: usize, mut run: impl FnMut() -> bool) -> f64 {
    let began = Instant::now();
    for _ in 0..times {
        assert!(black_box(run()), "not as expected");
    }
    began.elapsed().as_secs_f64() * 1e6 / times as f64
}

fn verify(authenticator: &Authenticator, token: &str) -> bool {
    authenticator.verify(Presented::bearer(Some(token)), NOW).is_ok()
}

fn policy(key: &SigningKey) -> Result<TokenPolicy, Box<dyn std::error::Error>> {
    let keys = KeySet::parse(&public_jwks(&[key]))?;
    Ok(TokenPolicy {
        instance: "airlock".to_owned(),
        issuers: vec![Issuer { iss: ISS.to_owned(), algorithms: Algorithms::OWN, keys: Some(keys) }],
        lifetime_max_s: 300,
        lifetime_write_max_s: 300,
        exchanged: Vec::new(),
        leeway_s: 5,
        sender_bound: SenderPolicy::Accept,
    })
}

fn token(key: &SigningKey) -> Result<String, Box<dyn std::error::Error>> {
    let principal =
        Principal { tenant: "acme".parse()?, app: "portal".parse()?, subject: "user-1".to_owned(), actor: None };
    let validity = Validity { issued_at_unix_s: NOW - 10, lifetime_s: 120 };
    let claims = Claims::new(ISS, principal, "airlock", "dev".parse()?, validity);
    let claims = claims
        .functions(["order-summary".parse()?])
        .scope(["orders-db:read".parse()?, "crm:GET:/customers/*".parse()?]);
    Ok(mint(key, &claims)?)
}
