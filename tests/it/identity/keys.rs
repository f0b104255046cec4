//! Keys of issuers: several, from files and URLs, rotated under load, and while whoever publishes them is away.

mod commands;
mod load;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use airlock_access::{SigningKey, public_jwks};
use airlock_tests::{
    Harness, Options, certificates::Certificates, guests::WatGuest, process::Place, reason, tokens::TokenSpec,
};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::publisher::{Publisher, Says, ed, http};

const PROVIDER: &str = "https://provider.example";

/// A server that trusts the harness's own issuer and `more`, with a function `one`.
async fn trusting(more: String) -> Harness {
    let harness = Harness::start_with(Options { more_config: more }).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness
}

/// `ok`, or the reason of the refusal.
async fn call(harness: &Harness, token: &str) -> String {
    match harness.invoke_with(token, "dev", "one", "null").await {
        Ok(_) => "ok".to_owned(),
        Err(status) => reason(&status),
    }
}

fn token(iss: &str, key: &SigningKey) -> String {
    TokenSpec::everything().issuer(iss).mint(key)
}

async fn own(harness: &Harness) -> String {
    call(harness, &harness.token(&TokenSpec::everything())).await
}

#[tokio::test]
async fn each_issuer_signs_for_itself_also_where_a_kid_is_shared() {
    // The harness's own key is called `test` as well.
    let theirs = ed("test");
    let publisher = Publisher::of(&[&theirs]).await;
    let harness = trusting(publisher.issuer(PROVIDER, "")).await;
    assert_eq!(own(&harness).await, "ok");
    assert_eq!(call(&harness, &token(PROVIDER, &theirs)).await, "ok");
    assert_eq!(call(&harness, &token(PROVIDER, harness.key())).await, "token_invalid");
    assert_eq!(call(&harness, &token(airlock_tests::ISSUER, &theirs)).await, "token_invalid");
    assert_eq!(call(&harness, &token("https://nobody.example", &theirs)).await, "token_invalid");
    // On the control plane and as JSON it is the same.
    let right = TokenSpec::control().issuer(PROVIDER).mint(&theirs);
    let wrong = TokenSpec::control().issuer(PROVIDER).mint(harness.key());
    let address = harness.server().control_addr();
    for (token, expected) in [(right, 200), (wrong, 401)] {
        let headers = [("authorization", format!("Bearer {token}"))];
        let path = "/airlock.v1.FunctionService/List";
        let (status, answer) = airlock_tests::http_post(address, path, &headers, r#"{"environment":"dev"}"#).await;
        assert_eq!(status, expected, "{answer}");
    }
}

/// An identity provider that signs with RSA, and publishes more than that.
struct RsaProvider {
    pair: KeyPair,
    set: Value,
}

impl RsaProvider {
    fn new() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let n = BASE64_URL_SAFE_NO_PAD.encode(pair.public_key().modulus().big_endian_without_leading_zero());
        let set = json!({ "keys": [
            {"kty": "RSA", "kid": "enc", "use": "enc", "alg": "RSA-OAEP", "n": n, "e": "AQAB"},
            {"kty": "RSA", "kid": "rsa", "use": "sig", "alg": "RS256", "n": n, "e": "AQAB", "x5t": "x"},
            {"kty": "EC", "kid": "p384", "crv": "P-384", "x": "AA", "y": "AA"},
        ] });
        Self { pair, set }
    }

    fn token(&self, kid: &str) -> String {
        let minted = token(PROVIDER, &ed("any"));
        let claims = minted.split('.').nth(1).expect("claims");
        let header = json!({"alg": "RS256", "typ": "airlock+jwt", "kid": kid}).to_string();
        let text = format!("{}.{claims}", BASE64_URL_SAFE_NO_PAD.encode(header));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).expect("signed");
        format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

#[tokio::test]
async fn rs256_is_accepted_from_those_for_whom_it_is_named_and_nobody_else() {
    let provider = RsaProvider::new();
    let named = Publisher::start(Says::Set(provider.set.to_string())).await;
    let harness = trusting(named.issuer(PROVIDER, "algorithms = [\"RS256\"]")).await;
    assert_eq!(call(&harness, &provider.token("rsa")).await, "ok");
    assert_eq!(call(&harness, &provider.token("enc")).await, "token_invalid");
    assert_eq!(call(&harness, &RsaProvider::new().token("rsa")).await, "token_invalid");
    // The same set, with one more key, for an issuer that does not name RS256.
    let ed = ed("ed");
    let mut set = provider.set.clone();
    set["keys"].as_array_mut().expect("keys").push(ed.public_jwk());
    let unnamed = Publisher::start(Says::Set(set.to_string())).await;
    let harness = trusting(unnamed.issuer(PROVIDER, "")).await;
    assert_eq!(call(&harness, &provider.token("rsa")).await, "token_invalid");
    assert_eq!(call(&harness, &token(PROVIDER, &ed)).await, "ok");
}

#[tokio::test]
async fn a_key_in_a_file_of_an_algorithm_that_is_not_named_is_a_mistake_by_its_name() {
    let harness = Harness::start().await;
    let file = "jwks = { file = \"keys.json\" }";
    let usual = harness.config();
    let set = |algorithms: &str| {
        harness.set_config(&usual.replace(file, &format!("{file}\nalgorithms = {algorithms}")));
    };
    set("[\"ES256\", \"RS256\"]");
    let refused = harness.reload().await.expect_err("the key is EdDSA");
    assert_eq!(reason(&refused), "config_invalid");
    for part in ["`test`", "`EdDSA`", "algorithms", "airlock.toml:"] {
        assert!(refused.message().contains(part), "{part}: {}", refused.message());
    }
    set("[]");
    assert!(harness.reload().await.expect_err("none").message().contains("tokens.issuer[0].algorithms"));
    set("[\"EdDSA\"]");
    assert!(harness.reload().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_unknown_keys_are_a_few_questions() {
    let key = ed("a");
    let publisher = Publisher::of(&[&key]).await;
    let harness = trusting(publisher.issuer(PROVIDER, "")).await;
    let began = Instant::now();
    // Each on a connection of its own: one that is refused so often is closed by the server.
    let flood = (0..20).map(|caller| {
        let address = harness.server().data_addr();
        tokio::spawn(async move {
            for number in 0..50 {
                let token = token(PROVIDER, &ed(&format!("random-{caller}-{number}")));
                let headers = [("authorization", format!("Bearer {token}"))];
                let (path, body) =
                    ("/airlock.v1.InvocationService/Invoke", r#"{"function":"one","environment":"dev"}"#);
                let (status, answer) = airlock_tests::http_post(address, path, &headers, body).await;
                assert!(status == 401 && answer.contains("token_invalid"), "{answer}");
            }
        })
    });
    for caller in flood.collect::<Vec<_>>() {
        caller.await.expect("a caller");
    }
    // One at the start, three at once, and then one every 10 s.
    let allowed = 4 + usize::try_from(began.elapsed().as_secs() / 10).expect("a count");
    assert!((2..=allowed).contains(&publisher.asked()), "{} in {:?}", publisher.asked(), began.elapsed());
    assert_eq!(call(&harness, &token(PROVIDER, &key)).await, "ok");
    assert_eq!(own(&harness).await, "ok");
}

/// Whatever a publisher answers, its old keys stay and nobody else's calls notice.
#[tokio::test]
async fn a_publisher_that_breaks_keeps_its_keys_and_gets_no_new_ones() {
    let (old, new) = (ed("old"), ed("new"));
    let elsewhere = Publisher::of(&[&new]).await;
    let good = public_jwks(&[&new]);
    let private = good.replace("\"use\"", "\"d\":\"AQAB\",\"use\"");
    let mut half = http("200 OK", "", &good);
    half.truncate(150);
    let faults = [
        ("500", Says::Raw(http("500 Oh", "", &good))),
        ("a redirect", Says::Raw(http("302 Found", &format!("location: {}\r\n", elsewhere.url()), ""))),
        ("garbage", Says::Set("<html>sign in</html>".to_owned())),
        ("half a set", Says::Raw(half)),
        ("too large", Says::Set(format!("{good}{}", " ".repeat(64 << 10)))),
        ("no usable key", Says::Set(good.replace("Ed25519", "Ed448"))),
        ("a private key", Says::Set(private)),
        ("nothing", Says::Nothing),
        ("nothing that is HTTP", Says::Raw(b"220 smtp.example ESMTP\r\n".to_vec())),
    ];
    let mut publishers = Vec::new();
    for (name, says) in faults {
        let iss = format!("https://{}.example", name.replace(' ', "-"));
        publishers.push((iss, Publisher::of(&[&old]).await, says));
    }
    let config = publishers.iter().map(|(iss, publisher, _)| publisher.issuer(iss, "")).collect();
    let harness = trusting(config).await;
    for (iss, publisher, says) in &publishers {
        assert_eq!(call(&harness, &token(iss, &old)).await, "ok", "{iss}");
        publisher.say(says.clone());
        let began = Instant::now();
        assert_eq!(call(&harness, &token(iss, &new)).await, "token_invalid", "{iss}");
        assert!(began.elapsed() < Duration::from_secs(8), "{iss}: a caller waited {:?}", began.elapsed());
        assert_eq!(call(&harness, &token(iss, &old)).await, "ok", "{iss}");
        assert_eq!(publisher.asked(), 2, "{iss}");
    }
    assert_eq!(elsewhere.asked(), 0, "no redirect was followed");
    assert_eq!(own(&harness).await, "ok");
}

#[tokio::test]
async fn an_issuer_without_keys_does_not_keep_a_server_from_starting() {
    let (key, down) = (ed("a"), Says::Raw(http("503 Later", "", "")));
    let [mended, broken] = [Publisher::start(down.clone()).await, Publisher::start(down).await];
    let config = [mended.issuer(PROVIDER, ""), broken.issuer("https://broken.example", "")].concat();
    let harness = trusting(config).await;
    assert_eq!(own(&harness).await, "ok");
    let refused = harness.invoke_with(&token("https://broken.example", &key), "dev", "one", "null").await;
    let refused = refused.expect_err("no keys");
    assert_eq!((refused.code(), reason(&refused).as_str()), (tonic::Code::Unavailable, "keys_unavailable"));
    // Nobody else's token, and nothing that is no token, is told about it.
    assert_eq!(call(&harness, &token(airlock_tests::ISSUER, &key)).await, "token_invalid");
    assert_eq!(call(&harness, "a.b.c").await, "token_invalid");
    // The first token that needs them has them fetched.
    mended.publish(&[&key]);
    assert_eq!(call(&harness, &token(PROVIDER, &key)).await, "ok");
}

/// The one file in which a server keeps published keys.
async fn kept_file(dir: &Path) -> PathBuf {
    loop {
        let mut files = std::fs::read_dir(dir.join("state/keys")).into_iter().flatten().flatten();
        let is_whole = |path: &PathBuf| path.extension().is_some_and(|name| name == "json");
        if let Some(file) = files.find_map(|entry| Some(entry.path()).filter(is_whole)) {
            return file;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_server_starts_and_serves_while_the_publisher_is_away_until_the_keys_are_too_old() {
    let key = ed("a");
    let publisher = Publisher::of(&[&key]).await;
    let mut harness = trusting(publisher.issuer(PROVIDER, "")).await;
    assert_eq!(call(&harness, &token(PROVIDER, &key)).await, "ok");
    let file = kept_file(harness.dir()).await;
    drop(publisher);
    harness.restart().await;
    assert_eq!(call(&harness, &token(PROVIDER, &key)).await, "ok");
    let mut kept: Value = serde_json::from_str(&std::fs::read_to_string(&file).expect("kept")).expect("JSON");
    let day_before = kept["fetched_at_unix_s"].as_u64().expect("a time") - 86_400;
    kept["fetched_at_unix_s"] = json!(day_before);
    std::fs::write(&file, kept.to_string()).expect("written");
    harness.restart().await;
    assert_eq!(call(&harness, &token(PROVIDER, &key)).await, "keys_unavailable");
    assert_eq!(own(&harness).await, "ok");
}

#[tokio::test]
async fn an_issuer_that_a_reload_brings_has_its_keys_at_once_and_one_that_it_takes_is_gone() {
    let (one, two) = (ed("one"), ed("two"));
    let [first, second] = [Publisher::of(&[&one]).await, Publisher::of(&[&two]).await];
    let harness = trusting(first.issuer(PROVIDER, "")).await;
    let usual = harness.config();
    let added = second.issuer("https://second.example", "");
    harness.set_config(&format!("{usual}\n{added}"));
    let changes = harness.reload().await.expect("valid");
    assert!(changes.iter().any(|change| change.contains("tokens.issuer[2]")), "{changes:?}");
    assert_eq!(call(&harness, &token("https://second.example", &two)).await, "ok");
    assert_eq!(call(&harness, &token(PROVIDER, &one)).await, "ok");
    assert_eq!((first.asked(), second.asked()), (1, 1), "a set that stays is not fetched again");
    // What is published after the reload reaches the server that the reload left behind.
    let three = ed("three");
    first.publish(&[&three]);
    assert_eq!(call(&harness, &token(PROVIDER, &three)).await, "ok");
    harness.set_config(&usual);
    harness.reload().await.expect("valid");
    assert_eq!(call(&harness, &token("https://second.example", &two)).await, "token_invalid");
    assert_eq!(call(&harness, &token(PROVIDER, &three)).await, "ok");
    harness.set_config(&usual.replace("allow_private = [\"127.0.0.1/32\"] }", "allow_privat = [] }"));
    assert_eq!(reason(&harness.reload().await.expect_err("unknown key")), "config_invalid");
    harness.set_config(&usual.replace("url = \"http://127.0.0.1", "url = \"http://127.0.0.2"));
    let refused = harness.reload().await.expect_err("plain HTTP to what is not listed");
    assert!(refused.message().contains("tokens.issuer[1].jwks.url"), "{}", refused.message());
}

#[tokio::test]
async fn keys_are_fetched_and_kept_behind_the_wall() {
    let place = Place::make(None).await;
    let text = std::fs::read_to_string(place.path("keys.json")).expect("keys");
    let publisher = Publisher::start(Says::Set(text)).await;
    let source = format!("{{ url = \"{}\", allow_private = [\"127.0.0.1/32\"] }}", publisher.url());
    place.configure("{ file = \"keys.json\" }", &source);
    let served = place.serve().await;
    let manifest = "name = \"one\"\nlanguage = \"component\"\n";
    served.deploy(manifest, WatGuest::returning("1").component()).await.expect("deployed");
    assert!(served.invoke("one", "null").await.is_ok());
    kept_file(&place.path("")).await;
    served.stop().await;
    drop(publisher);
    let served = place.serve().await;
    assert!(served.invoke("one", "null").await.is_ok(), "with what was kept");
    served.stop().await;
}

/// Neither a reload that changes how a set is fetched nor a restart brings back what was seen to be gone.
#[tokio::test]
async fn a_key_that_is_gone_stays_gone_over_reloads_and_restarts() {
    let (gone, stays) = (ed("gone"), ed("stays"));
    let publisher = Publisher::of(&[&gone, &stays]).await;
    let mut harness = trusting(publisher.issuer(PROVIDER, "")).await;
    let both = async |harness: &Harness| {
        [call(harness, &token(PROVIDER, &gone)).await, call(harness, &token(PROVIDER, &stays)).await]
    };
    assert_eq!(both(&harness).await, ["ok", "ok"]);
    publisher.publish_late(&[&stays]);
    let other = "/keys\", refresh_s = 60, allow_private";
    harness.set_config(&harness.config().replace("/keys\", allow_private", other));
    assert!(!harness.reload().await.expect("read again").is_empty());
    assert_eq!(both(&harness).await, ["token_invalid", "ok"], "the reload has waited for the fetch");
    drop(publisher);
    harness.set_config(&harness.config().replace("refresh_s = 60", "refresh_s = 90"));
    harness.reload().await.expect("read again");
    assert_eq!(both(&harness).await, ["token_invalid", "ok"], "with the keys at hand");
    harness.restart().await;
    assert_eq!(both(&harness).await, ["token_invalid", "ok"], "with what was kept");
}

/// Its name is the same, so only its content tells.
#[tokio::test]
async fn a_ca_file_that_was_replaced_is_read_by_a_reload() {
    let key = ed("a");
    let publisher = Publisher::of(&[&key]).await;
    let harness = trusting(String::new()).await;
    let ca = harness.dir().join("ca.pem");
    let put = |made: &Certificates| std::fs::write(&ca, made.read("ca.pem")).expect("written");
    put(&Certificates::make());
    let issuer = publisher.issuer(PROVIDER, "").replace("allow_private", "ca_file = \"ca.pem\", allow_private");
    harness.set_config(&format!("{}\n{issuer}", harness.config()));
    harness.reload().await.expect("read again");
    assert_eq!((call(&harness, &token(PROVIDER, &key)).await, publisher.asked()), ("ok".to_owned(), 1));
    assert!(
        harness.reload().await.expect("read again").is_empty() && publisher.asked() == 1,
        "the twin: the same content"
    );
    put(&Certificates::make());
    let changes = harness.reload().await.expect("read again");
    assert!(matches!(changes.as_slice(), [one] if one.contains("tokens.issuer[1].keys")), "{changes:?}");
    assert_eq!((call(&harness, &token(PROVIDER, &key)).await, publisher.asked()), ("ok".to_owned(), 2));
    // What was fetched under the one before is not used while there is nothing of its own.
    publisher.say(Says::Raw(http("503 Later", "", "")));
    put(&Certificates::make());
    harness.reload().await.expect("read again");
    assert_eq!(call(&harness, &token(PROVIDER, &key)).await, "keys_unavailable");
    std::fs::write(&ca, "no certificate").expect("written");
    let refused = harness.reload().await.expect_err("not PEM");
    assert!(refused.message().contains("tokens.issuer[1].jwks.ca_file"), "{}", refused.message());
}
