//! What was derived from a token, or exchanged for one, ends with the key that this was signed with.

use airlock_access::{SigningKey, mint_foreign, public_jwks};
use airlock_proto::v1::{AttenuateRequest, InvokeStreamRequest};
use airlock_tests::{
    Harness,
    guests::WatGuest,
    idp::{Idp, LOGIN, asking},
    reason,
    tokens::TokenSpec,
    with_token,
};
use serde_json::json;
use tonic::Status;

use super::publisher::{Publisher, Says, ed};

const SECOND: &str = "https://second.example";
const FILE: &str = "[[tokens.issuer]]\niss = \"https://second.example\"\njwks = { file = \"second.json\" }\n";
const ACCESS: &str = r#"
[[identity.access]]
group = "payments"
environments = ["dev"]
functions = ["one"]
use = ["orders-db:read"]
"#;

fn word(answer: Result<(), Status>) -> String {
    answer.map_or_else(|status| reason(&status), |()| "ok".to_owned())
}

async fn call(harness: &Harness, token: &str) -> String {
    word(harness.invoke_with(token, "dev", "one", "null").await.map(drop))
}

async fn derived(harness: &Harness, token: &str) -> Result<String, Status> {
    let answer = harness.tokens().attenuate(with_token(AttenuateRequest::default(), token)).await;
    answer.map(|answer| answer.into_inner().access_token)
}

/// The token, its child and its grandchild.
async fn family(harness: &Harness, token: String) -> [String; 3] {
    let child = derived(harness, &token).await.expect("a child");
    let grandchild = derived(harness, &child).await.expect("a grandchild");
    [token, child, grandchild]
}

async fn all_are(harness: &Harness, tokens: &[String], expected: &str, when: &str) {
    for (generation, token) in tokens.iter().enumerate() {
        assert_eq!(call(harness, token).await, expected, "{when}, generation {generation}");
        // Nor is there a way around it.
        let more = word(derived(harness, token).await.map(drop));
        assert_eq!(more, expected, "{when}, derived from generation {generation}");
    }
}

fn of_second(key: &SigningKey) -> String {
    TokenSpec::everything().issuer(SECOND).mint(key)
}

#[tokio::test]
async fn a_key_that_a_reload_takes_ends_children_and_grandchildren_and_a_rotation_ends_nothing() {
    let (harness, old, new) = (Harness::start().await, ed("old"), ed("new"));
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let publish = async |keys: &[&SigningKey]| {
        std::fs::write(harness.dir().join("second.json"), public_jwks(keys)).expect("written");
        harness.reload().await.expect("read again");
    };
    let usual = harness.config();
    harness.set_config(&format!("{usual}\n{FILE}"));
    publish(&[&old]).await;
    let of_old = family(&harness, of_second(&old)).await;
    publish(&[&old, &new]).await;
    let of_new = family(&harness, of_second(&new)).await;
    for tokens in [&of_old, &of_new] {
        all_are(&harness, tokens, "ok", "with overlap").await;
    }
    publish(&[&new]).await;
    all_are(&harness, &of_old, "token_invalid", "without the key").await;
    all_are(&harness, &of_new, "ok", "with their own key").await;
    // Another key under the same name is another key.
    publish(&[&ed("old"), &new]).await;
    all_are(&harness, &of_old, "token_invalid", "with another key of that name").await;
    harness.set_config(&usual);
    harness.reload().await.expect("read again");
    all_are(&harness, &of_new, "token_invalid", "without their issuer").await;
    let own = family(&harness, harness.token(&TokenSpec::everything())).await;
    all_are(&harness, &own, "ok", "of somebody else").await;
}

#[tokio::test]
async fn a_key_that_its_publisher_takes_ends_children_and_grandchildren() {
    let (old, new) = (ed("old"), ed("new"));
    let publisher = Publisher::of(&[&old, &new]).await;
    let more_config = publisher.issuer(SECOND, "");
    let harness = Harness::start_with(airlock_tests::Options { more_config }).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let of_old = family(&harness, of_second(&old)).await;
    let of_new = family(&harness, of_second(&new)).await;
    publisher.publish(&[&new]);
    all_are(&harness, &of_old, "ok", "before it is fetched").await;
    // Somebody's unknown key has the set fetched.
    assert_eq!(call(&harness, &of_second(&ed("unknown"))).await, "token_invalid");
    all_are(&harness, &of_old, "token_invalid", "without the key").await;
    all_are(&harness, &of_new, "ok", "with their own key").await;
}

/// Whoever still runs holds on to what was in force when they began; that must not come back for others.
#[tokio::test]
async fn a_reload_that_is_taken_back_brings_no_key_back() {
    let (old, new) = (ed("old"), ed("new"));
    let publisher = Publisher::of(&[&old, &new]).await;
    let more_config = publisher.issuer(SECOND, "");
    let harness = Harness::start_with(airlock_tests::Options { more_config }).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness.deploy_wat("spin", &WatGuest::new("(loop $again (br $again)) (i32.const 0)"), "").await;
    let (of_old, of_new) = (family(&harness, of_second(&old)).await, family(&harness, of_second(&new)).await);
    let request = InvokeStreamRequest {
        function: "spin".to_owned(),
        environment: "dev".to_owned(),
        payload: b"null".to_vec(),
        ..InvokeStreamRequest::default()
    };
    let token = harness.token(&TokenSpec::everything());
    let running = harness.invocations().invoke_stream(with_token(request, &token)).await.expect("it begins");
    publisher.publish(&[&new]);
    let usual = harness.config();
    let other = usual.replace("/keys\", allow_private", "/keys\", refresh_s = 60, allow_private");
    assert_ne!(usual, other);
    for (config, when) in [(&other, "fetched otherwise"), (&usual, "fetched as before")] {
        harness.set_config(config);
        harness.reload().await.expect("read again");
        all_are(&harness, &of_old, "token_invalid", when).await;
        all_are(&harness, &of_new, "ok", when).await;
    }
    drop(running);
}

#[tokio::test]
async fn a_key_that_a_provider_takes_ends_what_was_exchanged() {
    let idp = Idp::new();
    let harness = idp.house(ACCESS).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let exchanged = async |idp: &Idp| {
        let given = harness.exchange(asking(&idp.token("ada", &["payments"]))).await.expect("exchanged");
        family(&harness, given.access_token).await
    };
    let tokens = exchanged(&idp).await;
    harness.reload().await.expect("read again");
    all_are(&harness, &tokens, "ok", "with the same key").await;
    // Another key of the same name.
    let other = Idp::new();
    other.publish(harness.dir());
    harness.reload().await.expect("read again");
    all_are(&harness, &tokens, "token_invalid", "without the key").await;
    all_are(&harness, &exchanged(&other).await, "ok", "by the other key").await;
    // The same where they are fetched.
    let text = std::fs::read_to_string(harness.dir().join("login.json")).expect("keys");
    let publisher = Publisher::start(Says::Set(text.clone())).await;
    let url = format!("{{ url = \"{}\", allow_private = [\"127.0.0.1/32\"] }}", publisher.url());
    harness.set_config(&harness.config().replace("{ file = \"login.json\" }", &url));
    harness.reload().await.expect("read again");
    let tokens = exchanged(&other).await;
    all_are(&harness, &tokens, "ok", "as it is published").await;
    let next = ed("next");
    publisher.publish(&[&next]);
    let unknown = mint_foreign(&next, "JWT", &json!({"iss": LOGIN})).expect("a token");
    assert_eq!(reason(&harness.exchange(asking(&unknown)).await.expect_err("no claims")), "token_invalid");
    all_are(&harness, &tokens, "token_invalid", "without the key").await;
    publisher.say(Says::Set(text));
    assert_eq!(reason(&harness.exchange(asking(&idp.token("ada", &[]))).await.expect_err("no key")), "token_invalid");
}
