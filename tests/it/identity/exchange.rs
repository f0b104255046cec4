//! A scoped token in exchange for one of an identity provider.

use std::net::SocketAddr;

use airlock_model::AuditKind;
use airlock_proto::v1::{ExchangeRequest, TokenServiceRevokeRequest};
use airlock_tests::{
    Harness,
    guests::WatGuest,
    hint, http_post,
    idp::{Idp, asking},
    reason,
    tokens::TokenSpec,
};
use futures::{StreamExt as _, stream::FuturesUnordered};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const ACCESS: &str = r#"
[[identity.access]]
group = "payments"
environments = ["dev"]
functions = ["sql-probe"]
use = ["orders-db:read"]
[[identity.access]]
group = "leads"
environments = ["dev"]
functions = ["sql-probe", "one"]
use = ["orders-db:read", "orders-db:write"]
[[identity.access]]
subject = "agent-7"
environments = ["dev"]
functions = ["sql-probe"]
use = ["orders-db:read", "crm:GET"]
"#;

const READ: &str = r#"{"op":"query","statement":"select 1"}"#;
const WRITE: &str = r#"{"op":"execute","statement":"update orders set total = total"}"#;

async fn house() -> (Idp, Harness) {
    let idp = Idp::new();
    let harness = idp.house(ACCESS).await;
    harness.deploy_built("sql-probe").await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    (idp, harness)
}

async fn probe(harness: &Harness, token: &str, call: &str) -> serde_json::Value {
    airlock_tests::output(&harness.invoke_with(token, "dev", "sql-probe", call).await.expect("it runs"))
}

#[tokio::test]
async fn groups_become_grants_and_nothing_more() {
    let (idp, harness) = house().await;
    let given = harness.exchange(asking(&idp.token("ada", &["payments", "staff"]))).await.expect("exchanged");
    assert_eq!(
        (given.scope.as_str(), given.functions.as_slice()),
        ("orders-db:read", ["sql-probe".to_owned()].as_slice())
    );
    assert_eq!((given.token_type.as_str(), given.issued_token_type.ends_with(":jwt")), ("Bearer", true));
    assert!((1..=300).contains(&given.expires_in), "{}", given.expires_in);
    assert_eq!(given.granted_by.len(), 1);
    assert!(given.granted_by[0].starts_with("identity.access[0] (airlock.toml:"), "{:?}", given.granted_by);
    let token = &given.access_token;
    assert!(probe(&harness, token, READ).await["error"].is_null());
    let denied = probe(&harness, token, WRITE).await;
    assert!(denied.to_string().contains("not_granted"), "{denied}");
    for (environment, function) in [("dev", "one"), ("prod", "sql-probe")] {
        let refused = harness.invoke_with(token, environment, function, "null").await.expect_err("outside");
        assert_eq!(reason(&refused), "not_granted");
    }
    let trail = harness.trail().await;
    let exchanged = trail.iter().find(|record| record.event.kind == AuditKind::TokenExchanged).expect("on record");
    assert_eq!(exchanged.event.principal.as_ref().expect("who").subject, "ada");
    assert!(exchanged.event.message.as_deref().unwrap_or_default().contains("identity.access[0]"));
    assert!(!serde_json::to_string(&exchanged.event).unwrap().contains(token.as_str()), "tokens are no record");
}

#[tokio::test]
async fn a_writing_token_is_short_and_less_can_be_asked_for() {
    let (idp, harness) = house().await;
    let lead = idp.token("ada", &["leads"]);
    let all = harness.exchange(asking(&lead)).await.expect("exchanged");
    assert!(all.scope.contains("orders-db:write") && all.expires_in <= 60, "{all:?}");
    let read = ExchangeRequest { scope: "orders-db:read".to_owned(), lifetime_s: 20, ..asking(&lead) };
    let read = harness.exchange(read).await.expect("less");
    assert_eq!((read.scope.as_str(), read.expires_in), ("orders-db:read", 20));
    for (wish, said) in [
        (ExchangeRequest { scope: "crm:GET".to_owned(), ..asking(&lead) }, "scope `crm:GET`"),
        (ExchangeRequest { functions: vec!["*".to_owned()], ..asking(&lead) }, "function `*`"),
        (ExchangeRequest { environment: "prod".to_owned(), ..asking(&lead) }, "environment `prod`"),
        (asking(&idp.token("eve", &["other"])), "names `eve`"),
    ] {
        let refused = harness.exchange(wish).await.expect_err(said);
        assert_eq!(reason(&refused), "not_granted", "{said}");
        assert!(refused.message().contains(said), "{said}: {}", refused.message());
        assert!(!hint(&refused).is_empty());
    }
}

/// The group's rights end with the group, and with the configuration that gave them.
#[tokio::test]
async fn leaving_a_group_ends_access_at_the_next_exchange() {
    let (idp, harness) = house().await;
    assert!(harness.exchange(asking(&idp.token("ada", &["payments"]))).await.is_ok());
    let refused = harness.exchange(asking(&idp.token("ada", &[]))).await.expect_err("left");
    assert_eq!(reason(&refused), "not_granted");
    harness.set_config(&harness.config().replace("group = \"payments\"", "group = \"billing\""));
    harness.reload().await.expect("read again");
    let refused = harness.exchange(asking(&idp.token("ada", &["payments"]))).await.expect_err("taken away");
    assert_eq!(reason(&refused), "not_granted");
}

/// Neither kind of token passes for the other, and every fault has the one public text.
#[tokio::test]
async fn the_two_kinds_of_tokens_are_never_mistaken_for_each_other() {
    let (idp, harness) = house().await;
    let identity = idp.token("ada", &["payments"]);
    let refused = harness.invoke_with(&identity, "dev", "sql-probe", READ).await.expect_err("no access token");
    assert_eq!(reason(&refused), "token_invalid");
    let access = harness.exchange(asking(&identity)).await.expect("exchanged").access_token;
    let platform = harness.token(&TokenSpec::everything());
    let expired = idp.token_with("ada", &["payments"], &json!({"exp": 1_000_000}));
    let other_client = idp.token_with("ada", &["payments"], &json!({"aud": "other"}));
    let old = idp.token_with("ada", &["payments"], &json!({"iat": 1_000_000}));
    let stranger = Idp::new().token("ada", &["payments"]);
    let mut texts = std::collections::BTreeSet::new();
    for token in [access, platform, expired, other_client, old, stranger, "garbage".to_owned(), "a.b.c".to_owned()] {
        let refused = harness.exchange(asking(&token)).await.expect_err("not exchanged");
        assert_eq!(reason(&refused), "token_invalid", "{token}");
        texts.insert(refused.message().to_owned());
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[tokio::test]
async fn an_agent_has_what_both_have() {
    let (idp, harness) = house().await;
    let (person, agent) = (idp.token("ada", &["leads"]), idp.token("agent-7", &[]));
    let acting = |functions: &[&str]| ExchangeRequest {
        actor_token: agent.clone(),
        functions: functions.iter().map(|name| (*name).to_owned()).collect(),
        ..asking(&person)
    };
    let given = harness.exchange(acting(&["sql-probe"])).await.expect("exchanged");
    assert_eq!(given.scope, "orders-db:read");
    assert_eq!(given.granted_by.len(), 2);
    let refused = harness.exchange(acting(&["one"])).await.expect_err("the agent may not");
    assert_eq!(reason(&refused), "not_granted");
    probe(&harness, &given.access_token, READ).await;
    // It dies with either login.
    let ended = TokenServiceRevokeRequest {
        environment: "dev".to_owned(),
        kind: "token".to_owned(),
        value: airlock_access::claims_unverified(&agent).expect("claims")["jti"].as_str().expect("a jti").to_owned(),
        ..TokenServiceRevokeRequest::default()
    };
    let operator = harness.token(&TokenSpec::control_with(&["token:revoke"]));
    harness.tokens().revoke(airlock_tests::with_token(ended, &operator)).await.expect("revoked");
    let refused = harness.invoke_with(&given.access_token, "dev", "sql-probe", READ).await.expect_err("ended");
    assert_eq!(reason(&refused), "revoked");
    let trail = harness.trail().await;
    let ran = trail.iter().rfind(|record| record.event.kind == AuditKind::InvocationFinished).expect("it ran");
    let principal = ran.event.principal.as_ref().expect("who");
    assert_eq!((principal.subject.as_str(), principal.actor.as_deref()), ("ada", Some("agent-7")));
}

/// Over HTTP, without a token and with one that is no good: the body speaks for itself.
#[tokio::test]
async fn the_exchange_needs_no_bearer_and_no_other_rpc_does_without() {
    let (idp, harness) = house().await;
    let address = harness.server().control_addr();
    let body = json!({"subject_token": idp.token("ada", &["payments"]), "environment": "dev"}).to_string();
    for headers in [vec![], vec![("authorization", "Bearer no-token".to_owned())]] {
        let (status, answer) = http_post(address, "/airlock.v1.TokenService/Exchange", &headers, &body).await;
        assert_eq!(status, 200, "{answer}");
    }
    for method in ["Attenuate", "Revoke", "ListRevocations", "LiftRevocation"] {
        let path = format!("/airlock.v1.TokenService/{method}");
        let (status, answer) =
            http_post(address, &path, &[], r#"{"environment":"dev","kind":"app","value":"x"}"#).await;
        let (status, answer) = if method == "Attenuate" || method == "ListRevocations" || method == "LiftRevocation" {
            http_post(address, &path, &[], r#"{}"#).await
        } else {
            (status, answer)
        };
        assert!(status == 401 || (status == 400 && method != "Attenuate"), "{method}: {answer}");
    }
    let huge = json!({"subject_token": "x".repeat(200_000), "environment": "dev"}).to_string();
    let (status, answer) = http_post(address, "/airlock.v1.TokenService/Exchange", &[], &huge).await;
    assert!(status >= 400 && !answer.contains("internal"), "{status} {answer}");
}

/// The server's own key goes on over a reload; after a restart its tokens are nobody's.
#[tokio::test]
async fn tokens_of_the_server_outlive_a_reload_and_not_a_restart_without_a_key_of_their_own() {
    let (idp, mut harness) = house().await;
    let given = harness.exchange(asking(&idp.token("ada", &["payments"]))).await.expect("exchanged").access_token;
    harness.set_config(&harness.config().replace("writes = \"deny\"", "writes = \"allow\""));
    harness.reload().await.expect("read again");
    assert!(harness.invoke_with(&given, "dev", "sql-probe", READ).await.is_ok());
    harness.restart().await;
    let refused = harness.invoke_with(&given, "dev", "sql-probe", READ).await.expect_err("another key");
    assert_eq!(reason(&refused), "token_invalid");
    let section = "[[identity.provider]]";
    let at = harness.config().find(section).expect("the section");
    let (before, after) = (harness.config()[..at].to_owned(), harness.config()[at..].to_owned());
    harness.set_config(&before);
    harness.keep_own_key().await;
    harness.set_config(&format!("{}{after}", harness.config()));
    harness.restart().await;
    let given = harness.exchange(asking(&idp.token("ada", &["payments"]))).await.expect("exchanged").access_token;
    harness.restart().await;
    assert!(harness.invoke_with(&given, "dev", "sql-probe", READ).await.is_ok());
}

/// Bodies of people without a token have room of their own: they take nobody's, and among themselves those who wait longest
/// make room.
#[tokio::test]
async fn stalled_exchanges_keep_nobody_from_anything() {
    let (idp, harness) = house().await;
    let address = harness.server().control_addr();
    let asked = json!({"subject_token": idp.token("ada", &["payments"]), "environment": "dev"}).to_string();
    let mut stalled = Vec::new();
    for _ in 0..80 {
        stalled.push(begin_exchange(address, 90_000, "{").await);
    }
    // The first 16 were turned away when the last 16 came, whatever order the server took them in.
    let mut answers: FuturesUnordered<_> = stalled.iter_mut().map(status_line).collect();
    for _ in 0..16 {
        assert_eq!(answers.next().await.as_deref(), Some("HTTP/1.1 503"));
    }
    let request = TokenServiceRevokeRequest {
        environment: "dev".to_owned(),
        kind: "app".to_owned(),
        value: "nobody".to_owned(),
        ..TokenServiceRevokeRequest::default()
    };
    let operator = harness.token(&TokenSpec::control_with(&["token:revoke"]));
    harness.tokens().revoke(airlock_tests::with_token(request, &operator)).await.expect("the kill switch works");
    assert!(harness.exchange(asking(&idp.token("ada", &["payments"]))).await.is_ok());
    // One that comes in two parts takes the place of whoever waits longest.
    let (first, rest) = asked.split_at(asked.len() / 2);
    let mut honest = begin_exchange(address, asked.len(), first).await;
    assert_eq!(answers.next().await.as_deref(), Some("HTTP/1.1 503"));
    honest.write_all(rest.as_bytes()).await.expect("sent");
    assert_eq!(status_line(&mut honest).await, "HTTP/1.1 200");
}

/// The head of an exchange, and as much of its body.
#[expect(clippy::disallowed_methods, reason = "a client of the server under test")]
async fn begin_exchange(address: SocketAddr, length: usize, first: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let begun = format!(
        "POST /airlock.v1.TokenService/Exchange HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{first}"
    );
    stream.write_all(begun.as_bytes()).await.expect("sent");
    stream
}

async fn status_line(stream: &mut TcpStream) -> String {
    let mut line = [0; 12];
    stream.read_exact(&mut line).await.expect("an answer");
    String::from_utf8_lossy(&line).into_owned()
}

/// Who is refused after they were identified is on record by name.
#[tokio::test]
async fn a_refusal_of_somebody_known_names_them() {
    let (idp, harness) = house().await;
    harness.exchange(asking(&idp.token("eve", &["other"]))).await.expect_err("no rule");
    loop {
        let trail = harness.trail().await;
        let refusal = trail.iter().find(|record| record.event.kind == AuditKind::ControlRefused);
        if let Some(record) = refusal {
            let principal = record.event.principal.as_ref().expect("who");
            assert_eq!((principal.subject.as_str(), principal.tenant.as_str()), ("eve", "acme"));
            assert_eq!(record.event.operation.as_deref(), Some("TokenService.Exchange"));
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Whoever asks is told one text for every fault; the trail says to operators which it was.
#[tokio::test]
async fn operators_are_told_why_an_exchange_failed() {
    let (idp, harness) = house().await;
    let token = idp.token("eve", &["other"]);
    let (_, without_header) = token.split_once('.').expect("a token");
    let mut told = Vec::new();
    for token in ["nonsense".to_owned(), format!("e30.{without_header}")] {
        told.push(harness.exchange(asking(&token)).await.expect_err("no token").message().to_owned());
    }
    assert_eq!(told[0], told[1]);
    let causes = loop {
        let trail = harness.trail().await;
        let refused = trail.iter().filter(|record| record.event.kind == AuditKind::ControlRefused);
        let causes: Vec<_> = refused.filter_map(|record| record.event.message.clone()).collect();
        if causes.len() == 2 {
            break causes;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert!(causes.iter().all(|cause| cause.starts_with(&format!("{}: ", told[0]))), "{causes:?}");
    assert_ne!(causes[0], causes[1], "each says its own");
}
