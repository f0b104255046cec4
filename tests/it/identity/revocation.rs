//! The kill switch: every kind of it, on calls to come and on calls in flight, down to the database.

use std::time::{Duration, Instant};

use airlock_model::AuditKind;
use airlock_proto::v1::{
    AttenuateRequest, InvokeStreamRequest, InvokeStreamResponse, LiftRevocationRequest, ListRevocationsRequest,
    Revocation, TokenServiceRevokeRequest, TokenServiceRevokeResponse,
};
use airlock_tests::{
    Harness, Options,
    guests::{WatGuest, built},
    idp::{Idp, asking},
    output,
    postgres::Postgres,
    reason,
    tokens::TokenSpec,
    with_token,
};
use serde_json::json;
use tokio_stream::StreamExt;
use tonic::{Status, Streaming};

const ENDLESS: &str = "(loop $again (br $again)) (i32.const 0)";
const ENDLESS_SQL: &str = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";
const READ: &str = r#"{"op":"query","statement":"select 1"}"#;
/// The promise, from the word to the end.
const SOON: Duration = Duration::from_secs(1);

fn ending(kind: &str, value: &str) -> TokenServiceRevokeRequest {
    TokenServiceRevokeRequest {
        environment: "dev".to_owned(),
        kind: kind.to_owned(),
        value: value.to_owned(),
        reason: "left the company".to_owned(),
        ..TokenServiceRevokeRequest::default()
    }
}

fn revoker() -> TokenSpec {
    TokenSpec::control_with(&["token:revoke"]).subject("op").app("console")
}

async fn revoke(
    harness: &Harness,
    spec: &TokenSpec,
    request: TokenServiceRevokeRequest,
) -> Result<TokenServiceRevokeResponse, Status> {
    let token = harness.token(spec);
    harness.tokens().revoke(with_token(request, &token)).await.map(tonic::Response::into_inner)
}

async fn listed(harness: &Harness, spec: &TokenSpec, environment: &str) -> Vec<Revocation> {
    let request = ListRevocationsRequest { environment: environment.to_owned() };
    let answer = harness.tokens().list_revocations(with_token(request, &harness.token(spec))).await.expect("a list");
    answer.into_inner().revocations
}

async fn lift(harness: &Harness, spec: &TokenSpec, id: &str) -> Result<(), Status> {
    let request = LiftRevocationRequest { environment: "dev".to_owned(), id: id.to_owned() };
    harness.tokens().lift_revocation(with_token(request, &harness.token(spec))).await.map(drop)
}

async fn house() -> Harness {
    let harness = Harness::start().await;
    harness.deploy_wat("spin", &WatGuest::new(ENDLESS), "").await;
    harness.deploy_built("sql-probe").await;
    harness
}

async fn begin(
    harness: &Harness,
    token: &str,
    (environment, function, payload): (&str, &str, &str),
) -> Streaming<InvokeStreamResponse> {
    let request = InvokeStreamRequest {
        function: function.to_owned(),
        environment: environment.to_owned(),
        payload: payload.as_bytes().to_vec(),
        ..InvokeStreamRequest::default()
    };
    harness.invocations().invoke_stream(with_token(request, token)).await.expect("it begins").into_inner()
}

async fn ended(stream: &mut Streaming<InvokeStreamResponse>) -> Status {
    loop {
        match stream.next().await {
            Some(Ok(_)) => {}
            Some(Err(status)) => return status,
            None => panic!("ended well"),
        }
    }
}

fn id_of(token: &str) -> String {
    airlock_access::claims_unverified(token).expect("claims")["jti"].as_str().expect("a jti").to_owned()
}

/// Every kind ends a call in flight within a second and the next one before it begins; its twin goes on.
#[tokio::test]
async fn every_kind_ends_calls_in_flight_and_to_come() {
    for kind in ["token", "subject", "app", "tenant", "function", "resource"] {
        let harness = house().await;
        let spec = TokenSpec::everything().subject("eve").app("portal");
        let (token, other) = (harness.token(&spec), harness.token(&TokenSpec::everything().tenant("globex")));
        // A function that declares the resource, and one that does not.
        let call = if kind == "resource" {
            (
                "dev",
                "sql-probe",
                r#"{"op":"query","statement":"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"}"#,
            )
        } else {
            ("dev", "spin", "null")
        };
        let (mut doomed, mut spared) = (begin(&harness, &token, call).await, begin(&harness, &other, call).await);
        let id = id_of(&token);
        let value = match kind {
            "token" => &id,
            "subject" => "eve",
            "app" => "portal",
            "tenant" => "acme",
            "function" => "spin",
            _ => "orders-db",
        };
        while harness.app().running_calls() < 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // Not one that it ends itself.
        let (by, revoker) = if kind == "tenant" { ("tenant", revoker().tenant("acme")) } else { ("other", revoker()) };
        let began = Instant::now();
        let answer = revoke(&harness, &revoker, ending(kind, value)).await.expect(by);
        let status = ended(&mut doomed).await;
        let took = began.elapsed();
        assert_eq!(reason(&status), "revoked", "{kind}: {status:?}");
        assert!(took <= SOON, "{kind}: {took:?}");
        println!("{kind}: cut after {took:?}");
        assert_eq!(answer.cut.len(), 1, "{kind}");
        assert!(
            status.message().contains("left the company") && status.message().contains("op"),
            "{}",
            status.message()
        );
        let next = harness.invoke_with(&token, "dev", call.1, READ).await;
        if kind == "resource" {
            let answer = output(&next.expect("the function runs, the resource does not"));
            assert!(answer.to_string().contains("revoked"), "{answer}");
        } else {
            assert_eq!(reason(&next.expect_err("ended")), "revoked", "{kind}");
        }
        assert_eq!(harness.app().running_calls(), 1, "{kind}: the other tenant's call goes on");
        let trail = harness.trail().await;
        let record = trail.iter().find(|record| record.event.kind == AuditKind::Revoked).expect("on record");
        assert!(record.event.message.as_deref().unwrap_or_default().contains(&answer.cut[0]), "{kind}");
        let end = trail.iter().find(|record| record.event.reason.as_deref() == Some("revoked"));
        assert!(end.is_some(), "{kind}: the call's own record says why it ended");
        drop(spared.next());
    }
}

/// The statement ends on the server, and nothing of the call is left there.
#[tokio::test]
async fn what_is_cut_ends_in_the_database_too() {
    let server = Postgres::start();
    let harness = Harness::start_with(Options { more_config: server.environment("") }).await;
    let (manifest, component) = built("sql-probe");
    harness.deploy_to("pg", &manifest, component).await.expect("deployed");
    let token = harness.token(&TokenSpec::everything().environment("pg").subject("eve"));
    let call = json!({ "op": "query", "statement": ENDLESS_SQL }).to_string();
    let mut stream = begin(&harness, &token, ("pg", "sql-probe", &call)).await;
    server.wait_until_running(1).await;
    let began = Instant::now();
    let request = TokenServiceRevokeRequest { environment: "pg".to_owned(), ..ending("subject", "eve") };
    revoke(&harness, &revoker().environment("pg"), request).await.expect("revoked");
    assert_eq!(reason(&ended(&mut stream).await), "revoked");
    server.wait_until_running(0).await;
    let took = began.elapsed();
    assert!(took <= SOON, "{took:?}");
    println!("idle on the server {took:?} after the word");
}

/// A token ends with those it was derived from, at any depth, and those with it.
#[tokio::test]
async fn a_revoked_token_takes_its_children_along() {
    let idp = Idp::new();
    let access = "[[identity.access]]\ngroup = \"g\"\nenvironments = [\"dev\"]\nfunctions = [\"sql-probe\"]\nuse = [\"orders-db:read\"]";
    let harness = idp.house(access).await;
    harness.deploy_built("sql-probe").await;
    let narrowed = async |token: &str| {
        let answer =
            harness.tokens().attenuate(with_token(AttenuateRequest::default(), token)).await.expect("narrowed");
        answer.into_inner().access_token
    };
    let login = idp.token("ada", &["g"]);
    let exchanged = harness.exchange(asking(&login)).await.expect("exchanged").access_token;
    let child = narrowed(&exchanged).await;
    let (grandchild, sibling) = (narrowed(&child).await, narrowed(&exchanged).await);
    let works = async |token: &str| harness.invoke_with(token, "dev", "sql-probe", READ).await.is_ok();
    revoke(&harness, &revoker(), ending("token", &id_of(&child))).await.expect("revoked");
    assert!(!works(&child).await && !works(&grandchild).await);
    assert!(works(&sibling).await && works(&exchanged).await);
    let refused = harness.tokens().attenuate(with_token(AttenuateRequest::default(), &child)).await.expect_err("ended");
    assert_eq!(reason(&refused), "revoked");
    revoke(&harness, &revoker(), ending("token", &id_of(&login))).await.expect("revoked");
    assert!(!works(&sibling).await && !works(&exchanged).await, "the login it all came from");
    assert_eq!(reason(&harness.exchange(asking(&login)).await.expect_err("no way back")), "revoked");
    assert!(harness.exchange(asking(&idp.token("ada", &["g"]))).await.is_ok(), "another login");
}

/// Tokens from before end; whoever may still come gets new ones, unless it is until lifted. All of it outlives a restart.
#[tokio::test]
async fn a_subject_comes_back_with_a_new_token_or_after_it_was_lifted() {
    let mut harness = house().await;
    let spec = TokenSpec::everything().subject("eve");
    let old = harness.token(&spec.clone().age_s(20));
    let works =
        async |harness: &Harness, token: &str| harness.invoke_with(token, "dev", "sql-probe", READ).await.is_ok();
    assert!(works(&harness, &old).await);
    revoke(&harness, &revoker(), ending("subject", "eve")).await.expect("revoked");
    assert!(!works(&harness, &old).await);
    harness.restart().await;
    assert!(!works(&harness, &old).await, "after a restart");
    let revocations = listed(&harness, &revoker(), "dev").await;
    assert_eq!(revocations.len(), 1);
    assert!(revocations[0].issued_until.is_some() && revocations[0].expires_at.is_some());
    lift(&harness, &revoker(), &revocations[0].id).await.expect("lifted");
    assert!(works(&harness, &old).await);
    let for_good = TokenServiceRevokeRequest { until_lifted: true, ..ending("subject", "eve") };
    let id = revoke(&harness, &revoker(), for_good).await.expect("revoked").revocation.expect("one").id;
    let fresh = harness.token(&spec);
    assert_eq!(reason(&harness.invoke_with(&fresh, "dev", "sql-probe", READ).await.expect_err("ended")), "revoked");
    lift(&harness, &revoker(), &id).await.expect("lifted");
    harness.restart().await;
    assert!(works(&harness, &fresh).await && listed(&harness, &revoker(), "dev").await.is_empty());
    assert_eq!(reason(&lift(&harness, &revoker(), &id).await.expect_err("gone")), "request_malformed");
}

/// Nobody ends what is another tenant's or in another environment, unless an operator.
#[tokio::test]
async fn who_may_end_what() {
    let harness = house().await;
    let all = |request| TokenServiceRevokeRequest { tenant: "*".to_owned(), ..request };
    let everywhere = |request| TokenServiceRevokeRequest { everywhere: true, ..request };
    for wide in [all(ending("app", "x")), everywhere(ending("app", "x"))] {
        assert_eq!(reason(&revoke(&harness, &revoker(), wide).await.expect_err("too much")), "not_granted");
    }
    let theirs = TokenSpec::everything().tenant("globex").subject("eve");
    revoke(&harness, &revoker(), ending("subject", "eve")).await.expect("in its own tenant");
    assert!(harness.invoke_as(&theirs, "sql-probe", READ).await.is_ok());
    let operator = TokenSpec::control_with(&["token:revoke", "operator:write"]).subject("root");
    revoke(&harness, &operator, all(everywhere(ending("subject", "eve")))).await.expect("an operator");
    assert_eq!(reason(&harness.invoke_as(&theirs, "sql-probe", READ).await.expect_err("ended")), "revoked");
    let (own, every) = (listed(&harness, &revoker(), "dev").await, listed(&harness, &operator, "dev").await);
    assert_eq!(every.len(), 2);
    // That something is ended for everybody is told, and not of whom.
    let ids = |listed: &[Revocation]| listed.iter().map(|one| one.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&own), ids(&every));
    let told = |one: &Revocation| [one.value.clone(), one.revoked_by.clone(), one.reason.clone()];
    assert_eq!(own.iter().map(told).collect::<Vec<_>>(), [["eve", "op", "left the company"], ["", "", ""]]);
    assert_eq!(told(&every[1]), ["eve", "root", "left the company"]);
    assert_eq!(reason(&lift(&harness, &revoker(), &every[1].id).await.expect_err("not theirs")), "request_malformed");
    // What names nothing is said to, and not to have ended anything.
    for (kind, value) in
        [("function", "Refund"), ("resource", "orders-db "), ("app", "A b"), ("tenant", "../x"), ("token", "a b")]
    {
        let refused = revoke(&harness, &operator, ending(kind, value)).await.expect_err(value);
        assert_eq!(reason(&refused), "request_malformed", "{kind} {value}: {}", refused.message());
    }
    // A tenant is ended as itself, whoever asks.
    let tenant = revoke(&harness, &operator, ending("tenant", "initech")).await.expect("another tenant");
    assert_eq!(tenant.revocation.expect("one").tenant, "initech");
    assert_eq!(
        reason(&revoke(&harness, &revoker(), ending("tenant", "initech")).await.expect_err("not theirs")),
        "not_granted"
    );
    for (request, said) in [
        (ending("king", "x"), "none of token"),
        (ending("subject", ""), "1 to 255"),
        (ending("subject", "a\nb"), "1 to 255"),
        (TokenServiceRevokeRequest { reason: "x".repeat(501), ..ending("app", "x") }, "at most 500"),
    ] {
        let refused = revoke(&harness, &operator, request).await.expect_err(said);
        assert_eq!(reason(&refused), "request_malformed");
        assert!(refused.message().contains(said), "{}", refused.message());
    }
}

/// What an operator ends beyond a tenant is told to those whom it reaches, by name where their own calls would be.
#[tokio::test]
async fn who_is_reached_sees_what_holds_for_everybody() {
    let harness = house().await;
    let operator = TokenSpec::control_with(&["token:revoke", "operator:write"]).subject("root");
    let wide = async |tenant: &str, everywhere: bool, (kind, value): (&str, &str)| {
        let request = TokenServiceRevokeRequest { tenant: tenant.to_owned(), everywhere, ..ending(kind, value) };
        revoke(&harness, &operator, request).await.expect("an operator");
    };
    wide("*", true, ("function", "mine")).await;
    wide("*", true, ("function", "theirs")).await;
    wide("*", false, ("resource", "orders-db")).await;
    wide("*", true, ("resource", "secret-db")).await;
    wide("*", true, ("subject", "somebody")).await;
    wide("acme", true, ("subject", "ours")).await;
    wide("globex", true, ("subject", "not ours")).await;
    wide("", true, ("tenant", "globex")).await;
    let seen = async |spec: &TokenSpec, environment: &str| -> Vec<(String, String)> {
        listed(&harness, spec, environment).await.into_iter().map(|one| (one.kind, one.value)).collect()
    };
    let pairs = |all: &[(&str, &str)]| all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>();
    let holder = TokenSpec::control_with(&["token:revoke", "orders-db:read"]).for_functions(&["mine"]).subject("op");
    let everywhere = [("function", "mine"), ("function", ""), ("resource", ""), ("subject", ""), ("subject", "ours")];
    let mut here = everywhere.to_vec();
    here.insert(2, ("resource", "orders-db"));
    assert_eq!(seen(&holder, "dev").await, pairs(&here));
    assert_eq!(seen(&holder.clone().environment("prod"), "prod").await, pairs(&everywhere));
    let other = seen(&holder.clone().tenant("initech"), "dev").await;
    assert_eq!(other, pairs(&here[..5]), "what holds for one tenant is nobody else's");
    assert_eq!(seen(&operator, "dev").await.len(), 8, "the twin: an operator sees all of it");
    let why = listed(&harness, &holder, "dev").await;
    let others = why.iter().filter(|one| one.value.is_empty());
    assert!(others.into_iter().all(|one| one.revoked_by.is_empty() && one.reason.is_empty()), "{why:?}");
    assert_eq!(reason(&lift(&harness, &holder, &why[0].id).await.expect_err("an operator's")), "request_malformed");
}

/// Nobody gets around their own end, neither in another environment nor with more rights.
#[tokio::test]
async fn nobody_lifts_what_ends_themselves_or_holds_elsewhere() {
    let harness = house().await;
    let security = TokenSpec::control_with(&["token:revoke", "operator:write"]).subject("root").environment("prod");
    let request =
        TokenServiceRevokeRequest { environment: "prod".to_owned(), until_lifted: true, ..ending("subject", "eve") };
    let id = revoke(&harness, &security, request).await.expect("revoked").revocation.expect("one").id;
    let eve = TokenSpec::control_with(&["token:revoke", "operator:write"]).subject("eve");
    assert!(listed(&harness, &eve, "dev").await.iter().any(|one| one.id == id), "an operator sees it");
    assert_eq!(reason(&lift(&harness, &eve, &id).await.expect_err("her own")), "request_malformed");
    let other = TokenSpec::control_with(&["token:revoke", "operator:write"]).subject("mallory");
    assert_eq!(reason(&lift(&harness, &other, &id).await.expect_err("elsewhere")), "request_malformed");
    let lifting = LiftRevocationRequest { environment: "prod".to_owned(), id };
    let token = harness.token(&security);
    assert!(harness.tokens().lift_revocation(with_token(lifting, &token)).await.is_ok());
}

/// Whoever looks at data by way of the control plane meets the same end.
#[tokio::test]
async fn an_ended_resource_is_not_described_either() {
    let harness = house().await;
    let builder = TokenSpec::control_with(&["resource:read", "orders-db:read"]);
    let describe = async || {
        let request = airlock_proto::v1::DescribeSchemaRequest {
            environment: "dev".to_owned(),
            resource: "orders-db".to_owned(),
            refresh: false,
        };
        harness.resource_service().describe_schema(with_token(request, &harness.token(&builder))).await
    };
    assert!(describe().await.is_ok(), "and it is remembered from now on");
    revoke(&harness, &revoker(), ending("resource", "orders-db")).await.expect("revoked");
    assert_eq!(reason(&describe().await.expect_err("ended")), "revoked");
}

/// Every call looks at every revocation, so nobody may make any number of them.
#[tokio::test]
async fn there_is_an_end_to_revocations() {
    let harness = house().await;
    for number in 0..500 {
        revoke(&harness, &revoker(), ending("function", &format!("none-{number}"))).await.expect("revoked");
    }
    let refused = revoke(&harness, &revoker(), ending("function", "one-more")).await.expect_err("too many");
    assert_eq!(reason(&refused), "tenant_busy");
    let other = revoker().tenant("globex");
    assert!(revoke(&harness, &other, ending("function", "sql-probe")).await.is_ok(), "another tenant has its own");
}
