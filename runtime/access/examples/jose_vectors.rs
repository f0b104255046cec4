//! Public attack vectors against what reads tokens of others: Project Wycheproof's for JSON Web Signature and JSON Web Key.
//!
//! `cargo run -p airlock-access --example jose_vectors -- DIR`, where DIR is `testvectors_v1` of a checkout of
//! <https://github.com/C2SP/wycheproof>. The vectors are nobody's tokens: most payloads are not even JSON. So each goes to the
//! verifier of identity providers, which judges header, key and signature before it reads the payload, and counts as accepted
//! when the refusal is of a later rule. Access tokens have the stricter header, so the verifier for those may take none at all.
//! Ends with an error when a vector that is marked invalid was accepted, or a valid one of our algorithms refused.

use std::{error::Error, fs, path::Path};

use airlock_access::{
    Algorithm, Algorithms, Authenticator, IdentityProvider, IdentityRefusal as Why, Issuer, KeySet, Presented, Segment,
    SenderPolicy, TokenPolicy, TokenRefusal as Token,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const FILES: [&str; 3] = ["json_web_signature_test.json", "json_web_key_test.json", "json_web_crypto_test.json"];
const NOW: u64 = 1_800_000_000;
/// What only the holder of a key may show. A group has the private key where there is no other; we are given public ones.
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    comment: String,
    public: Option<Value>,
    private: Option<Value>,
    tests: Vec<Vector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vector {
    tc_id: u32,
    comment: String,
    /// A JWS; text in the compact serialization, else JSON. Missing where a vector is about encryption.
    jws: Option<Value>,
    result: String,
}

/// What became of the vectors of one file.
#[derive(Default)]
struct Tally {
    invalid: usize,
    valid_of_ours: usize,
    valid_of_others: usize,
    refused_with_their_key: usize,
    wrong: Vec<String>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args().nth(1).ok_or("say where the vectors are: DIR/json_web_signature_test.json")?;
    let mut wrong = Vec::new();
    for file in FILES {
        let vectors: Vectors = serde_json::from_str(&fs::read_to_string(Path::new(&dir).join(file))?)?;
        let mut tally = Tally::default();
        for group in &vectors.test_groups {
            tally.judge(group)?;
        }
        let Tally { invalid, valid_of_ours, valid_of_others, refused_with_their_key, .. } = &tally;
        println!(
            "{file}: {} wrong; of {invalid} invalid ones {refused_with_their_key} were refused with their key; \
             {valid_of_ours} valid ones of EdDSA, ES256 and RS256 passed, {valid_of_others} of other algorithms did not",
            tally.wrong.len()
        );
        wrong.extend(tally.wrong);
    }
    wrong.iter().for_each(|what| eprintln!("{what}"));
    if wrong.is_empty() { Ok(()) } else { Err("vectors were judged wrongly".into()) }
}

impl Tally {
    fn judge(&mut self, group: &Group) -> Result<(), Box<dyn Error>> {
        let Some(listed) = group.public.as_ref().or(group.private.as_ref()).map(public_keys) else { return Ok(()) };
        let jwks = json!({ "keys": listed }).to_string();
        // Strictly, as a file is read, and as what others publish.
        let strict = KeySet::parse_with(&jwks, Algorithm::ALL.into_iter().collect()).ok();
        let published = KeySet::parse_published(&jwks, Algorithm::ALL.into_iter().collect()).ok().map(|read| read.keys);
        for vector in &group.tests {
            let Some(jws) = &vector.jws else { continue };
            // What is no text is another serialization (RFC 7515 section 7.2), which we do not speak.
            let text = jws.as_str().map_or_else(|| jws.to_string(), str::to_owned);
            let is_accepted = [&strict, &published].into_iter().flatten().any(|keys| is_signed(&text, keys));
            let is_a_token = [&strict, &published].into_iter().flatten().any(|keys| is_access_token(&text, keys));
            let is_ours = names_our_algorithm(&listed);
            match (vector.result.as_str(), is_accepted) {
                _ if is_a_token => self.wrong(group, vector, "is an access token"),
                ("valid", true) if is_ours => self.valid_of_ours += 1,
                ("valid", false) if !is_ours => self.valid_of_others += 1,
                ("valid", true) => self.wrong(group, vector, "was accepted although we do not have its algorithm"),
                ("valid", false) => self.wrong(group, vector, "was refused although it is good"),
                ("invalid", false) => {
                    self.invalid += 1;
                    self.refused_with_their_key += usize::from(strict.is_none() && published.is_none());
                }
                _ => self.wrong(group, vector, "was accepted"),
            }
        }
        Ok(())
    }

    fn wrong(&mut self, group: &Group, vector: &Vector, what: &str) {
        let Vector { tc_id, comment, result, .. } = vector;
        self.wrong.push(format!("{} {tc_id} `{comment}` ({result}) {what}", group.comment));
    }
}

/// The keys of a group without their private halves.
fn public_keys(given: &Value) -> Vec<Map<String, Value>> {
    let listed = given.get("keys").and_then(Value::as_array).cloned().unwrap_or_else(|| vec![given.clone()]);
    let public = |key: Value| match key {
        Value::Object(mut members) => {
            members.retain(|name, _| !PRIVATE.contains(&name.as_str()));
            Some(members)
        }
        _ => None,
    };
    listed.into_iter().filter_map(public).collect()
}

fn names_our_algorithm(listed: &[Map<String, Value>]) -> bool {
    let name = |key: &Map<String, Value>| key.get("alg").and_then(Value::as_str).and_then(|name| name.parse().ok());
    !listed.is_empty() && listed.iter().all(|key| name(key).is_some_and(|one: Algorithm| Algorithm::ALL.contains(&one)))
}

/// Whether header, key and signature pass, whatever the payload says.
fn is_signed(text: &str, keys: &KeySet) -> bool {
    let provider = IdentityProvider {
        iss: "https://vectors.example".to_owned(),
        audience: "airlock".to_owned(),
        subject_claim: "sub".to_owned(),
        groups_claim: vec!["groups".to_owned()],
        age_max_s: 3_600,
        leeway_s: 5,
    };
    let is_refused_for_its_signature = matches!(
        provider.verify(text, keys, NOW),
        Err(Why::HeaderMember(_)
            | Why::Type
            | Why::Token(
                Token::Missing
                    | Token::Oversize
                    | Token::Segments
                    | Token::Encoding(Segment::Header | Segment::Signature)
                    | Token::Json(Segment::Header, _)
                    | Token::Algorithm
                    | Token::KeyIdMissing
                    | Token::KeyUnknown
                    | Token::AlgorithmMismatch
                    | Token::Signature,
            ))
    );
    // Whatever is refused for later was signed.
    !is_refused_for_its_signature
}

fn is_access_token(text: &str, keys: &KeySet) -> bool {
    let algorithms: Algorithms = Algorithm::ALL.into_iter().collect();
    let policy = TokenPolicy {
        instance: "airlock".to_owned(),
        issuers: vec![Issuer { iss: "https://vectors.example".to_owned(), algorithms, keys: Some(keys.clone()) }],
        lifetime_max_s: 300,
        lifetime_write_max_s: 60,
        exchanged: Vec::new(),
        leeway_s: 5,
        sender_bound: SenderPolicy::Accept,
    };
    Authenticator::new(policy).is_ok_and(|one| one.verify(Presented::bearer(Some(text)), NOW).is_ok())
}
