//! Good tokens of several issuers, damaged in every way that we could think of: what passes means what somebody has minted.
//!
//! Each case has a number, which decides what is done to which token: the keys alone are others the next time.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    Algorithm, Authenticator, Expectations, IdentityProvider, KeySet, SigningKey, TokenPolicy, TokenRefusal,
    VerifiedToken, bytes,
    fixture::{INSTANCE, NOW, OTHER, PLATFORM, claims_but, header, issuer, policy, signed, signed_text},
    inspect, public_jwks,
};

const OWN: &str = "https://airlock.example";
const LOGIN: &str = "https://login.example";
const CASES: u64 = 20_000;

/// Texts that mean something to somebody: to a parser, a terminal, a database, or another JWT library.
const ODD: [&str; 24] = [
    ".",
    "..",
    "=",
    "==",
    "+",
    "/",
    "%2e",
    " ",
    "\n",
    "\0",
    "\u{feff}",
    "\u{e9}",
    "\u{202e}",
    "\u{1f511}",
    "null",
    "none",
    "A",
    "AA",
    "-_",
    "eyJ",
    "eyJhbGciOiJub25lIn0",
    "\"",
    "{",
    "}",
];
/// What a number may be turned into.
const NUMBERS: [&str; 14] = [
    "0",
    "-1",
    "-0",
    "1.0",
    "1e3",
    "1E400",
    "00",
    "0x7f",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999999",
    "9007199254740993",
    "\"1\"",
    "null",
];
/// What may be put at the beginning of an object: members a second time, also in another spelling, and deep ones.
const MEMBERS: [&str; 16] = [
    "\"exp\":9999999999,",
    "\"\\u0065xp\":9999999999,",
    "\"iss\":\"https://other.example\",",
    "\"i\\u0073s\":\"https://airlock.example\",",
    "\"scope\":\"orders-db:write operator:write\",",
    "\"functions\":[\"*\"],",
    "\"chain\":[],",
    "\"origins\":[{\"iss\":\"https://login.example\",\"jti\":\"a\",\"key\":\"AAAAAAAAAAAAAAAAAAAAAA\"}],",
    "\"cnf\":{\"jkt\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"},",
    "\"tenant\":\"globex\",",
    "\"new\":[[[[[[[[[[1]]]]]]]]]],",
    "\"new\":{\"a\":{\"a\":{\"a\":{}}}},",
    "\"alg\":\"none\",",
    "\"kid\":\"other-1\",",
    "\"crit\":[\"exp\"],",
    "\"act\":{\"sub\":\"\u{202e}\"},",
];
const WORDS: [&str; 12] = [
    "dev",
    "prod",
    "acme",
    "globex",
    "order-summary",
    "*",
    "orders-db:read",
    "orders-db:write",
    "operator:write",
    "\\u0061cme",
    "\u{fb01}",
    "EdDSA",
];

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// A place in a text, or its end.
    fn place(&mut self, text: &str) -> usize {
        let mut at = self.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at += 1;
        }
        at
    }

    fn range(&mut self, text: &str) -> std::ops::Range<usize> {
        let (one, two) = (self.place(text), self.place(text));
        one.min(two)..one.max(two)
    }
}

struct Ground {
    authenticator: Authenticator,
    login: IdentityProvider,
    login_keys: KeySet,
    keys: Vec<SigningKey>,
    /// Every token that somebody has minted, and which of `keys` has signed it. The last is one of the identity provider.
    minted: Vec<(String, usize)>,
}

/// What came of all cases.
#[derive(Default, Debug)]
struct Tally {
    untouched: u64,
    signed_anew: u64,
    refused: BTreeMap<String, u64>,
}

impl Ground {
    fn new() -> Self {
        let key = |algorithm, kid: &str| SigningKey::generate(algorithm, kid).unwrap();
        let [ed, ec, other] = [(Algorithm::EdDsa, "ed-1"), (Algorithm::Es256, "ec-1"), (Algorithm::EdDsa, "other-1")]
            .map(|(algorithm, kid)| key(algorithm, kid));
        // Two issuers have a key of the same name.
        let (shared, own, idp) =
            (key(Algorithm::EdDsa, "ed-1"), key(Algorithm::EdDsa, "own-1"), key(Algorithm::Es256, "idp-1"));
        let issuers = vec![issuer(PLATFORM, &[&ed, &ec]), issuer(OTHER, &[&other, &shared]), issuer(OWN, &[&own])];
        let exchanged = vec![issuer(LOGIN, &[&idp])];
        let login = IdentityProvider {
            iss: LOGIN.to_owned(),
            audience: "client".to_owned(),
            subject_claim: "sub".to_owned(),
            groups_claim: vec!["groups".to_owned()],
            age_max_s: 3_600,
            leeway_s: 5,
        };
        let login_keys = KeySet::parse(&public_jwks(&[&idp])).unwrap();
        let authenticator = Authenticator::new(TokenPolicy { exchanged, ..policy(issuers) }).unwrap();
        let keys = vec![ed, ec, other, shared, own, idp];
        let mut ground = Self { authenticator, login, login_keys, keys, minted: Vec::new() };
        ground.mint();
        ground
    }

    fn mint(&mut self) {
        let link = |iss: &str, tag: String| json!({"iss": iss, "jti": "token-1", "key": tag, "calls": 3});
        let tag = |key: usize| {
            let set = KeySet::parse(&public_jwks(&[&self.keys[key]])).unwrap();
            let kid = self.keys[key].key_id();
            crate::KeyTag::from(set.get(kid).unwrap().mark()).to_string()
        };
        let rich = json!({
            "limits": {"fuel": 5}, "calls": 3, "act": {"sub": "agent"}, "scope": "orders-db:write crm:GET:/a/* audit:read",
            "functions": ["*"], "extra": {"deep": [1, 2.5, null, "\u{e9}"]},
        });
        let derived = json!({
            "iss": OWN, "chain": [link(PLATFORM, tag(0)), link(OTHER, tag(3))], "origins": [link(LOGIN, tag(5))],
        });
        let of = |iss: &str| json!({ "iss": iss });
        let all = [(0, of(PLATFORM)), (1, rich), (2, of(OTHER)), (3, of(OTHER)), (4, derived)];
        let login = json!({
            "iss": LOGIN, "aud": "client", "sub": "ada", "iat": NOW - 5, "exp": NOW + 600, "groups": ["payments"],
        });
        let access = |(key, changes): (usize, Value)| {
            (signed(&self.keys[key], &header(&self.keys[key]), &claims_but(changes)), key)
        };
        let mut minted: Vec<_> = all.into_iter().map(access).collect();
        let head = json!({"alg": "ES256", "typ": "JWT", "kid": "idp-1"});
        minted.push((signed(&self.keys[5], &head, &login), 5));
        self.minted = minted;
    }

    fn is_minted(&self, text: &str) -> bool {
        self.minted.iter().any(|(token, _)| token == text)
    }

    /// One case; says whether its text was signed after it was damaged, and by which key.
    fn damaged(&self, chance: &mut Chance) -> (String, Option<usize>) {
        let ((one, key), (two, _), (three, _)) =
            (&self.minted[chance.below(6)], &self.minted[chance.below(6)], &self.minted[chance.below(6)]);
        let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
        let (mut first, second, third) = (parts(one), parts(two), parts(three));
        let text = match chance.below(9) {
            0 => flipped(one, chance),
            1 => [first[0].as_str(), &second[1], &third[2]].join("."),
            2 => {
                let (a, b) = (chance.place(one), chance.place(two));
                [&one[..a], &two[b..]].concat()
            }
            3 => cut(one, chance),
            4 => {
                let at = chance.place(one);
                [&one[..at], chance.of(&ODD), &one[at..]].concat()
            }
            // The inside, under the signature that it had.
            5 | 6 => {
                let part = chance.below(2);
                first[part] = bytes::encode(damaged_json(&json_of(&first[part]), chance));
                first.join(".")
            }
            // The inside, signed by the key that it had before, or by any other.
            _ => {
                let key = if chance.below(4) == 0 { chance.below(self.keys.len()) } else { *key };
                let (mut head, mut claims) = (json_of(&first[0]), json_of(&first[1]));
                for _ in 0..=chance.below(2) {
                    if chance.below(4) == 0 {
                        head = damaged_json(&head, chance);
                    } else {
                        claims = damaged_json(&claims, chance);
                    }
                }
                return (signed_text(&self.keys[key], &head, &claims), Some(key));
            }
        };
        (text, None)
    }

    fn judge(&self, (text, signer): &(String, Option<usize>), tally: &mut Tally) -> Result<(), String> {
        match self.authenticator.judge(text, NOW) {
            Err(why) => *tally.refused.entry(name_of(why)).or_default() += 1,
            Ok(_) if self.is_minted(text) => tally.untouched += 1,
            Ok(token) => {
                let Some(key) = signer else { return Err("nobody signed this".to_owned()) };
                means_what_was_signed(&token, text, self.issuer_of(*key))?;
                tally.signed_anew += 1;
            }
        }
        match self.login.verify(text, &self.login_keys, NOW) {
            Ok(_) if !self.is_minted(text) && *signer != Some(5) => Err("no login of anybody".to_owned()),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn issuer_of(&self, key: usize) -> &'static str {
        [PLATFORM, PLATFORM, OTHER, OTHER, OWN, "nobody"][key]
    }
}

fn json_of(part: &str) -> String {
    String::from_utf8(bytes::decode(part).unwrap()).unwrap()
}

fn flipped(text: &str, chance: &mut Chance) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=chance.below(3) {
        let at = chance.below(bytes.len());
        bytes[at] ^= 1 << chance.below(7);
    }
    String::from_utf8(bytes).unwrap()
}

/// A piece less, twice, or somewhere else.
fn cut(text: &str, chance: &mut Chance) -> String {
    let range = chance.range(text);
    let (before, piece, after) = (&text[..range.start], &text[range.clone()], &text[range.end..]);
    match chance.below(3) {
        0 => [before, after].concat(),
        1 => [before, piece, piece, after].concat(),
        _ => [after, piece, before].concat(),
    }
}

fn damaged_json(text: &str, chance: &mut Chance) -> String {
    let after_brace = text.replacen('{', &format!("{{{}", chance.of(&MEMBERS)), 1);
    match chance.below(10) {
        0 | 1 => after_brace,
        2 => with_other_number(text, chance),
        3 | 4 => with_other_word(text, chance),
        5 => {
            let at = chance.place(text);
            [&text[..at], chance.of(&ODD), &text[at..]].concat()
        }
        6 => cut(text, chance),
        7 => flipped_text(text, chance),
        8 => [chance.of(&ODD), text, chance.of(&ODD)].concat(),
        // As it was, in another spelling.
        _ => text.replace(':', " :\t").replace("exp", "\\u0065xp"),
    }
}

/// Flips bits of one ASCII character.
fn flipped_text(text: &str, chance: &mut Chance) -> String {
    let at = chance.below(text.len());
    let bit = 1_u8 << chance.below(7);
    let flip = |(index, c): (usize, char)| match u8::try_from(c) {
        Ok(byte) if index == at && byte.is_ascii() => char::from(byte ^ bit),
        _ => c,
    };
    text.char_indices().map(flip).collect()
}

fn with_other_number(text: &str, chance: &mut Chance) -> String {
    let starts: Vec<_> = text.match_indices(":1").map(|(at, _)| at + 1).collect();
    let Some(start) = starts.get(chance.below(starts.len().max(1))) else { return text.to_owned() };
    let end = text[*start..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |length| start + length);
    [&text[..*start], chance.of(&NUMBERS), &text[end..]].concat()
}

fn with_other_word(text: &str, chance: &mut Chance) -> String {
    let starts: Vec<_> = text.match_indices('"').map(|(at, _)| at + 1).collect();
    let Some(start) = starts.get(chance.below(starts.len().max(1))) else { return text.to_owned() };
    let end = text[*start..].find('"').map_or(text.len(), |length| start + length);
    [&text[..*start], chance.of(&WORDS), &text[end..]].concat()
}

/// A second reading, by a parser that knows nothing of ours: every claim is what was accepted, and of whoever signed it.
fn means_what_was_signed(token: &VerifiedToken, text: &str, signer: &str) -> Result<(), String> {
    let payload = json_of(text.split('.').nth(1).unwrap());
    let read: Value = serde_json::from_str(&payload).map_err(|why| format!("{why}: {payload}"))?;
    let wrong = |claim: &str| Err(format!("`{claim}` was read in another way: {payload}"));
    let principal = token.principal();
    let texts = [
        ("iss", token.issuer()),
        ("jti", token.token_id().as_ref()),
        ("sub", principal.subject.as_str()),
        ("tenant", principal.tenant.as_str()),
        ("app", principal.app.as_str()),
        ("environment", token.environment().as_str()),
    ];
    if let Some((claim, _)) = texts.into_iter().find(|(claim, said)| read[*claim] != **said) {
        return wrong(claim);
    }
    let times =
        [("exp", token.expires_at_unix_s()), ("nbf", token.not_before_unix_s()), ("iat", token.issued_at_unix_s())];
    if let Some((claim, _)) = times.into_iter().find(|(claim, said)| read[*claim] != *said) {
        return wrong(claim);
    }
    let (scopes, said) = (token.scopes().map(|one| one.to_string()), read["scope"].as_str().unwrap_or_default());
    let (mut scopes, mut words): (Vec<_>, Vec<_>) =
        (scopes.collect(), said.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect());
    scopes.sort_unstable();
    words.sort_unstable();
    let chain = |claim: &str| read[claim].as_array().map_or(0, Vec::len);
    if read["act"]["sub"].as_str() != principal.actor.as_deref() {
        return wrong("act");
    }
    if scopes != words {
        return wrong("scope");
    }
    if (token.chain().len(), token.origins().len()) != (chain("chain"), chain("origins")) {
        return wrong("chain");
    }
    if !payload_has_each_once(&payload, &read) {
        return Err(format!("a member stands twice: {payload}"));
    }
    if token.issuer() != signer { Err(format!("signed by a key of `{signer}`: {payload}")) } else { Ok(()) }
}

/// Of two members with one name the reader above has seen one: then there are fewer than were written.
fn payload_has_each_once(payload: &str, read: &Value) -> bool {
    fn members(value: &Value) -> usize {
        match value {
            Value::Object(object) => object.len() + object.values().map(members).sum::<usize>(),
            Value::Array(list) => list.iter().map(members).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        }
    }
    let (mut written, mut in_text, mut escaped) = (0, false, false);
    for c in payload.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            ':' if !in_text => written += 1,
            _ => {}
        }
    }
    written == members(read)
}

fn name_of(why: TokenRefusal) -> String {
    format!("{why:?}").split(['(', ',']).take(2).collect::<Vec<_>>().join(" ")
}

/// `AIRLOCK_TOKEN_FUZZ=1000000` for the whole promise.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test may be told how long to go on")]
fn what_passes_means_what_somebody_has_minted() {
    let cases = std::env::var("AIRLOCK_TOKEN_FUZZ").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    let (ground, mut tally) = (Ground::new(), Tally::default());
    let keys = KeySet::parse(&public_jwks(&[&ground.keys[0], &ground.keys[1], &ground.keys[2]])).unwrap();
    let expectations = Expectations { instance: Some(INSTANCE.to_owned()), ..Expectations::default() };
    for (token, _) in &ground.minted[..5] {
        assert_eq!(ground.authenticator.judge(token, NOW).err(), None, "the twin: what was minted passes");
    }
    assert!(ground.login.verify(&ground.minted[5].0, &ground.login_keys, NOW).is_ok(), "and so does the login");
    for number in 0..cases {
        let case = ground.damaged(&mut Chance(number));
        if let Err(why) = ground.judge(&case, &mut tally) {
            panic!("case {number}: {why}: {}", case.0);
        }
        if number % 16 == 0 {
            let _ = inspect(&case.0, &keys, &expectations, NOW);
        }
    }
    println!("{cases} cases: {tally:#?}");
    // Damage that is always refused for the same reason proves little.
    assert!(tally.refused.len() >= 25 && tally.signed_anew > cases / 200 && tally.untouched > 0, "{tally:#?}");
}
