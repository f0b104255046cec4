//! Tokens that are bound to whoever asks for them in exchange.

use airlock_model::AuditKind;
use airlock_proto::v1::{AttenuateRequest, ExchangeResponse};
use airlock_tests::idp::{Idp, asking};

use super::*;

const EXCHANGE: &str = "/airlock.v1.TokenService/Exchange";
const ATTENUATE: &str = "/airlock.v1.TokenService/Attenuate";
const ACCESS: &str = "[[identity.access]]\ngroup = \"staff\"\nenvironments = [\"dev\"]\nfunctions = [\"one\"]\n";

async fn house() -> (Idp, Harness) {
    let idp = Idp::new();
    let harness = idp.house(ACCESS).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    (idp, harness)
}

impl Holder {
    /// A proof for a request that asks for a token.
    fn proof_without_token(&self, url: &str) -> String {
        let claims = ProofClaims { method: "POST", url, token: None, issued_at_unix_s: now_unix_s() };
        prove(&self.0, &claims).expect("a proof")
    }
}

async fn exchange(harness: &Harness, identity: &str, proofs: &[String]) -> Result<ExchangeResponse, Status> {
    let mut request = Request::new(asking(identity));
    for proof in proofs {
        request.metadata_mut().append("dpop", proof.parse().expect("ascii"));
    }
    harness.tokens().exchange(request).await.map(tonic::Response::into_inner)
}

/// A refusal that says what is wrong with the proof: it is about nobody's token.
fn assert_not_given(outcome: Result<ExchangeResponse, Status>, what: &str) {
    let status = outcome.expect_err(what);
    assert_eq!(reason(&status), "token_invalid", "{what}");
    assert!(hint(&status).starts_with("make one proof"), "{what}: {status:?}");
}

#[tokio::test]
async fn a_token_that_was_asked_for_with_a_proof_is_for_its_holder_alone() {
    let (idp, harness) = house().await;
    let (holder, thief) = (Holder::new(), Holder::new());
    let (url, identity) = (control(&harness, EXCHANGE), idp.token("ada", &["staff"]));
    let proof = holder.proof_without_token(&url);
    let given = exchange(&harness, &identity, std::slice::from_ref(&proof)).await.expect("exchanged");
    assert_eq!(given.token_type, "DPoP");
    let (token, call_url) = (given.access_token, data(&harness, INVOKE));
    let call_by = async |holder: &Holder, token: &str| {
        invoke(&harness, proven(call("null"), token, &holder.proof(&call_url, token))).await
    };
    call_by(&holder, &token).await.expect("the holder");
    assert_refused(call_by(&thief, &token).await, "by another key");
    assert_refused(invoke(&harness, with_token(call("null"), &token)).await, "as a bearer token");
    assert_refused(invoke(&harness, proven(call("null"), &token, &proof)).await, "with the proof of the exchange");

    // What is derived from it is bound as well.
    let proof = holder.proof(&control(&harness, ATTENUATE), &token);
    let child = harness.tokens().attenuate(proven(AttenuateRequest::default(), &token, &proof)).await;
    let child = child.expect("narrowed").into_inner().access_token;
    call_by(&holder, &child).await.expect("the holder");
    assert_refused(call_by(&thief, &child).await, "a child by another key");
    assert_refused(invoke(&harness, with_token(call("null"), &child)).await, "a child as a bearer token");

    let trail = harness.trail().await;
    let exchanged = trail.iter().find(|record| record.event.kind == AuditKind::TokenExchanged).expect("on record");
    let thumbprint = Thumbprint::of_public_key(&holder.0.public_jwk().to_string()).expect("a public key").to_string();
    let said = exchanged.event.message.as_deref().unwrap_or_default();
    assert!(said.contains(&format!(r#"bound to {{"jkt":"{thumbprint}"}}"#)), "{said}");
}

#[tokio::test]
async fn a_proof_that_is_no_good_gives_no_token_and_not_a_bearer_token_either() {
    let (idp, harness) = house().await;
    let (holder, identity) = (Holder::new(), idp.token("ada", &["staff"]));
    let url = control(&harness, EXCHANGE);
    let fresh = || holder.proof_without_token(&url);
    let cases = [
        ("nothing", vec![String::new()]),
        ("no JWT", vec!["x".to_owned()]),
        ("two proofs", vec![fresh(), fresh()]),
        ("a proof that names a token", vec![holder.proof(&url, &identity)]),
        ("a proof for another RPC", vec![holder.proof_without_token(&control(&harness, ATTENUATE))]),
        ("a proof for another server", vec![holder.proof_without_token(&format!("https://evil.example{EXCHANGE}"))]),
    ];
    for (what, proofs) in cases {
        assert_not_given(exchange(&harness, &identity, &proofs).await, what);
    }
    let used = fresh();
    exchange(&harness, &identity, std::slice::from_ref(&used)).await.expect("once");
    assert_not_given(exchange(&harness, &identity, std::slice::from_ref(&used)).await, "used before");
    let given = exchange(&harness, &identity, &[]).await.expect("without a proof");
    assert_eq!(given.token_type, "Bearer");
    invoke(&harness, with_token(call("null"), &given.access_token)).await.expect("a bearer token");

    // Who has no rights is told so, and its proof is not used up.
    let proof = fresh();
    let stranger = idp.token("eve", &["other"]);
    let refused = exchange(&harness, &stranger, std::slice::from_ref(&proof)).await.expect_err("no rule");
    assert_eq!(reason(&refused), "not_granted");
    exchange(&harness, &identity, &[proof]).await.expect("a proof that was not used");
}

#[tokio::test]
async fn an_installation_that_requires_holders_gives_bound_tokens_alone() {
    let (idp, harness) = house().await;
    let config = harness.config();
    harness.set_config(&config.replace("[[tokens.issuer]]", "[tokens]\nsender_bound = \"require\"\n[[tokens.issuer]]"));
    // The harness's own token to reload with is a bearer token, which is good until then.
    harness.reload().await.expect("valid beside [[identity.provider]]");
    let (holder, identity) = (Holder::new(), idp.token("ada", &["staff"]));
    let refused = exchange(&harness, &identity, &[]).await.expect_err("nothing to bind to");
    assert_eq!(reason(&refused), "request_malformed");
    assert!(refused.message().contains("sender_bound") && hint(&refused).contains("--dpop-key"), "{refused:?}");
    let proof = holder.proof_without_token(&control(&harness, EXCHANGE));
    let token = exchange(&harness, &identity, &[proof]).await.expect("bound").access_token;
    let proof = holder.proof(&data(&harness, INVOKE), &token);
    invoke(&harness, proven(call("null"), &token, &proof)).await.expect("the holder");
}

/// A server over TLS that both listeners ask clients for certificates, or the control listener alone.
async fn house_over_tls(is_shared: bool) -> (Idp, Harness) {
    let certificates = Certificates::make();
    certificates.issue("other");
    let more = if is_shared {
        certificates.asking("optional")
    } else {
        certificates.config(&certificates.asking("optional")).replace("[server.tls]", "[server.control_tls]")
    };
    let harness = Harness::start_over_tls(certificates, &more).await;
    let idp = Idp::new();
    idp.publish(harness.dir());
    harness.set_config(&format!("{}\n{}\n{ACCESS}", harness.config(), Idp::section()));
    harness.reload().await.expect("read again");
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    (idp, harness)
}

#[tokio::test]
async fn a_token_that_was_asked_for_with_a_certificate_is_for_its_connections_alone() {
    let (idp, harness) = house_over_tls(true).await;
    let way = (harness.server().data_addr(), harness.certificates());
    // The harness shows the certificate `client`.
    let given = exchange(&harness, &idp.token("ada", &["staff"]), &[]).await.expect("exchanged");
    assert_eq!(given.token_type, "Bearer", "RFC 8705 section 3");
    over_tls(way, Some("client"), &given.access_token).await.expect("its own certificate");
    assert_refused(over_tls(way, Some("other"), &given.access_token).await, "another certificate");
    assert_refused(over_tls(way, None, &given.access_token).await, "no certificate");

    // With a proof too it is bound to both.
    let holder = Holder::new();
    let url = format!("https://localhost:{}", harness.server().control_addr().port());
    let proof = holder.proof_without_token(&format!("{url}{EXCHANGE}"));
    let both = exchange(&harness, &idp.token("ada", &["staff"]), &[proof]).await.expect("exchanged").access_token;
    assert_refused(over_tls(way, Some("client"), &both).await, "the certificate alone");
    let call_url = format!("https://localhost:{}{INVOKE}", way.0.port());
    let send = async |shown: &str| {
        let channel = way.1.endpoint(way.0, Some(shown)).connect().await.expect("a connection");
        let request = proven(call("null"), &both, &holder.proof(&call_url, &both));
        InvocationServiceClient::new(channel).invoke(request).await.map(drop)
    };
    send("client").await.expect("both");
    assert_refused(send("other").await, "the key alone");
}

/// A token that one listener gave could not be used at the other.
#[tokio::test]
async fn a_certificate_that_one_listener_asks_for_binds_nothing() {
    let (idp, harness) = house_over_tls(false).await;
    let given = exchange(&harness, &idp.token("ada", &["staff"]), &[]).await.expect("exchanged");
    over_tls((harness.server().data_addr(), harness.certificates()), None, &given.access_token).await.expect("unbound");
}
