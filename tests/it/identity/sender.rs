//! Tokens that only their holder may use: bound to a client certificate, or to a key with a proof for each request.

#![expect(clippy::disallowed_methods, reason = "the clock that proofs are made by")]

mod exchange;
mod names;
mod restart;

use std::{
    net::SocketAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use airlock_access::{Algorithm, Confirmation, ProofClaims, SigningKey, Thumbprint, prove};
use airlock_proto::v1::{
    FunctionServiceListRequest, InvokeRequest, InvokeStreamRequest, function_service_client::FunctionServiceClient,
    invocation_service_client::InvocationServiceClient,
};
use airlock_tests::{
    Harness, certificates::Certificates, guests::WatGuest, hint, http_post, reason, tokens::TokenSpec, with_token,
};
use tonic::{Request, Status, transport::Endpoint};

const INVOKE: &str = "/airlock.v1.InvocationService/Invoke";
const INVOKE_STREAM: &str = "/airlock.v1.InvocationService/InvokeStream";
const LIST: &str = "/airlock.v1.FunctionService/List";

async fn harness() -> Harness {
    let harness = Harness::start().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness
}

fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs()
}

/// A key, and tokens bound to it.
struct Holder(SigningKey);

impl Holder {
    fn new() -> Self {
        Self(SigningKey::generate(Algorithm::Es256, "holder").expect("a key"))
    }

    fn bound(&self) -> Option<Confirmation> {
        let key = Thumbprint::of_public_key(&self.0.public_jwk().to_string()).expect("a public key");
        Confirmation::new(None, Some(key))
    }

    fn token(&self, harness: &Harness, spec: TokenSpec) -> String {
        harness.token(&spec.bound_to(self.bound()))
    }

    /// A proof for one request.
    fn proof(&self, url: &str, token: &str) -> String {
        let claims = ProofClaims { method: "POST", url, token: Some(token), issued_at_unix_s: now_unix_s() };
        prove(&self.0, &claims).expect("a proof")
    }
}

fn data(harness: &Harness, path: &str) -> String {
    format!("http://{}{path}", harness.server().data_addr())
}

fn control(harness: &Harness, path: &str) -> String {
    format!("http://{}{path}", harness.server().control_addr())
}

/// A request with the scheme `DPoP`.
fn proven<T>(message: T, token: &str, proof: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("DPoP {token}").parse().expect("ascii"));
    request.metadata_mut().insert("dpop", proof.parse().expect("ascii"));
    request
}

fn call(payload: &str) -> InvokeRequest {
    InvokeRequest {
        function: "one".to_owned(),
        environment: "dev".to_owned(),
        payload: payload.as_bytes().to_vec(),
        ..InvokeRequest::default()
    }
}

async fn invoke(harness: &Harness, request: Request<InvokeRequest>) -> Result<(), Status> {
    harness.invocations().invoke(request).await.map(drop)
}

/// The one text for every token that is refused.
fn assert_refused(outcome: Result<(), Status>, what: &str) {
    let status = outcome.expect_err(what);
    assert_eq!(reason(&status), "token_invalid", "{what}");
    assert!(status.message().starts_with("the token is missing, malformed, not genuine"), "{what}: {status:?}");
    assert!(hint(&status).starts_with("send a fresh token for this instance"), "{what}: {status:?}");
}

/// On each way in the token is looked at once or twice, and a proof is good for one request.
#[tokio::test]
async fn a_proof_is_good_for_one_request_on_every_way_in() {
    let (harness, holder) = (harness().await, Holder::new());
    let token = holder.token(&harness, TokenSpec::everything());

    let proof = holder.proof(&data(&harness, INVOKE), &token);
    invoke(&harness, proven(call("null"), &token, &proof)).await.expect("with a fresh proof");
    assert_refused(invoke(&harness, proven(call("null"), &token, &proof)).await, "used before");

    // Too large to come with its headers, so that its token is looked at before and after; what it asks for comes last.
    let large = InvokeRequest { function: "missing".to_owned(), ..call(&format!("\"{}\"", "x".repeat(600 << 10))) };
    let proof = holder.proof(&data(&harness, INVOKE), &token);
    let unknown = invoke(&harness, proven(large.clone(), &token, &proof)).await.expect_err("there is none");
    assert_eq!(reason(&unknown), "function_unknown", "with a fresh proof");
    assert_refused(invoke(&harness, proven(large, &token, &proof)).await, "used before");

    let streamed = || InvokeStreamRequest {
        function: "one".to_owned(),
        environment: "dev".to_owned(),
        payload: b"null".to_vec(),
        ..InvokeStreamRequest::default()
    };
    let proof = holder.proof(&data(&harness, INVOKE_STREAM), &token);
    let stream = async || harness.invocations().invoke_stream(proven(streamed(), &token, &proof)).await.map(drop);
    stream().await.expect("a stream");
    assert_refused(stream().await, "a stream with a used proof");

    let token = holder.token(&harness, TokenSpec::control());
    let proof = holder.proof(&control(&harness, LIST), &token);
    let asked =
        || FunctionServiceListRequest { environment: "dev".to_owned(), ..FunctionServiceListRequest::default() };
    let list = async || harness.functions().list(proven(asked(), &token, &proof)).await.map(drop);
    list().await.expect("the control plane");
    assert_refused(list().await, "the control plane with a used proof");
}

#[tokio::test]
async fn a_proof_is_for_one_request_in_json_too() {
    let (harness, holder) = (harness().await, Holder::new());
    let token = holder.token(&harness, TokenSpec::everything());
    let address = harness.server().data_addr();
    let body = r#"{"function":"one","environment":"dev","payload":null}"#;
    let headers = |scheme: &str, proof: String| [("authorization", format!("{scheme} {token}")), ("dpop", proof)];
    let proof = holder.proof(&data(&harness, INVOKE), &token);
    let (code, answer) = http_post(address, INVOKE, &headers("DPoP", proof.clone()), body).await;
    assert_eq!(code, 200, "{answer}");
    let (code, answer) = http_post(address, INVOKE, &headers("DPoP", proof), body).await;
    assert!(code == 401 && answer.contains("token_invalid"), "{answer}");
    let proof = holder.proof(&data(&harness, INVOKE), &token);
    assert_eq!(http_post(address, INVOKE, &headers("Bearer", proof), body).await.0, 401, "the scheme says it");
}

#[tokio::test]
async fn whoever_has_the_token_alone_has_nothing() {
    let (harness, holder, thief) = (harness().await, Holder::new(), Holder::new());
    let token = holder.token(&harness, TokenSpec::everything());
    let other_token = holder.token(&harness, TokenSpec::everything());
    let url = data(&harness, INVOKE);
    let aged = |age_s: u64| {
        let claims =
            ProofClaims { method: "POST", url: &url, token: Some(&token), issued_at_unix_s: now_unix_s() - age_s };
        prove(&holder.0, &claims).expect("a proof")
    };
    let with_method = |method: &str| {
        let claims = ProofClaims { method, url: &url, token: Some(&token), issued_at_unix_s: now_unix_s() };
        prove(&holder.0, &claims).expect("a proof")
    };
    let good = || holder.proof(&url, &token);
    invoke(&harness, proven(call("null"), &token, &good())).await.expect("the holder");

    assert_refused(invoke(&harness, with_token(call("null"), &token)).await, "as a bearer token");
    let mut bearer = with_token(call("null"), &token);
    bearer.metadata_mut().insert("dpop", good().parse().expect("ascii"));
    assert_refused(invoke(&harness, bearer).await, "with a proof, as a bearer token");
    let cases = [
        ("no proof", String::new()),
        ("no JWT", "x".to_owned()),
        ("the token itself", token.clone()),
        ("a proof by another key", thief.proof(&url, &token)),
        ("a proof for another token", holder.proof(&url, &other_token)),
        ("a proof for another RPC", holder.proof(&data(&harness, INVOKE_STREAM), &token)),
        ("a proof for the other listener", holder.proof(&control(&harness, INVOKE), &token)),
        ("a proof for another host", holder.proof(&format!("http://evil.example{INVOKE}"), &token)),
        ("a proof for another method", with_method("GET")),
        ("an old proof", aged(60)),
    ];
    for (name, proof) in cases {
        assert_refused(invoke(&harness, proven(call("null"), &token, &proof)).await, name);
    }
    let mut twice = proven(call("null"), &token, &good());
    twice.metadata_mut().append("dpop", good().parse().expect("ascii"));
    assert_refused(invoke(&harness, twice).await, "two proofs");
    let bearer = harness.token(&TokenSpec::everything());
    let unbound = proven(call("null"), &bearer, &holder.proof(&url, &bearer));
    assert_refused(invoke(&harness, unbound).await, "a bearer token with the scheme DPoP");
    invoke(&harness, with_token(call("null"), &bearer)).await.expect("a bearer token as one");
    invoke(&harness, proven(call("null"), &token, &good())).await.expect("the holder, again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_requests_with_one_proof_one_gets_through() {
    let (harness, holder) = (harness().await, Holder::new());
    let token = holder.token(&harness, TokenSpec::everything());
    for _ in 0..3 {
        // Connections of their own: one on which many requests are refused before they are read is closed.
        let mut channels = Vec::new();
        for _ in 0..100 {
            let endpoint = Endpoint::from_shared(data(&harness, "")).expect("an address");
            channels.push(endpoint.connect().await.expect("a connection"));
        }
        let proof = holder.proof(&data(&harness, INVOKE), &token);
        let send = |channel| {
            let request = proven(call("null"), &token, &proof);
            tokio::spawn(async move { InvocationServiceClient::new(channel).invoke(request).await.map(drop) })
        };
        let tries: Vec<_> = channels.into_iter().map(send).collect();
        let mut passed = 0;
        for one in tries {
            match one.await.expect("no panic") {
                Ok(()) => passed += 1,
                refused => assert_refused(refused, "one of many"),
            }
        }
        assert_eq!(passed, 1);
    }
}

#[tokio::test]
async fn a_reload_forgets_no_proof_and_may_ask_for_holders() {
    let (harness, holder) = (harness().await, Holder::new());
    let token = holder.token(&harness, TokenSpec::everything());
    let bearer = harness.token(&TokenSpec::everything());
    let proof = || holder.proof(&data(&harness, INVOKE), &token);
    let used = proof();
    invoke(&harness, proven(call("null"), &token, &used)).await.expect("with a proof");
    invoke(&harness, with_token(call("null"), &bearer)).await.expect("a bearer token");

    let config = harness.config();
    harness.set_config(&config.replace("[[tokens.issuer]]", "[tokens]\nsender_bound = \"require\"\n[[tokens.issuer]]"));
    let changes = harness.reload().await.expect("valid");
    assert_eq!(changes, ["tokens.sender_bound: \"accept\" -> \"require\""]);
    assert_refused(invoke(&harness, with_token(call("null"), &bearer)).await, "a bearer token that was good before");
    assert_refused(invoke(&harness, proven(call("null"), &token, &used)).await, "used before the reload");
    invoke(&harness, proven(call("null"), &token, &proof())).await.expect("the holder");
    assert!(harness.is_serving().await, "health asks for no token");
}

/// One call over a connection that shows this certificate, or none.
async fn over_tls(
    (address, certificates): (SocketAddr, &Certificates),
    shown: Option<&str>,
    token: &str,
) -> Result<(), Status> {
    let channel = certificates.endpoint(address, shown).connect().await.expect("a connection");
    InvocationServiceClient::new(channel).invoke(with_token(call("null"), token)).await.map(drop)
}

#[tokio::test]
async fn a_token_bound_to_a_certificate_is_good_on_its_connections_alone() {
    let certificates = Certificates::make();
    certificates.issue("other");
    let more = certificates.asking("optional");
    let harness = Harness::start_over_tls(certificates, &more).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let certificates = harness.certificates();
    let way = (harness.server().data_addr(), certificates);
    let bound = Confirmation::new(Some(certificates.thumbprint("client")), None);
    let token = harness.token(&TokenSpec::everything().bound_to(bound));
    over_tls(way, Some("client"), &token).await.expect("its own certificate");
    assert_refused(over_tls(way, Some("other"), &token).await, "another good certificate");
    assert_refused(over_tls(way, None, &token).await, "no certificate");
    over_tls(way, Some("client"), &token).await.expect("its own certificate, again");
    let bearer = harness.token(&TokenSpec::everything());
    for shown in [Some("client"), Some("other"), None] {
        over_tls(way, shown, &bearer).await.expect("a bearer token");
    }

    // The control plane asks as well; the harness shows `client`.
    let list = async |shown: Option<&str>| {
        let token = harness.token(&TokenSpec::control().bound_to(bound));
        let channel = certificates.endpoint(harness.server().control_addr(), shown).connect().await.expect("connected");
        let asked =
            FunctionServiceListRequest { environment: "dev".to_owned(), ..FunctionServiceListRequest::default() };
        FunctionServiceClient::new(channel).list(with_token(asked, &token)).await.map(drop)
    };
    list(Some("client")).await.expect("its own certificate");
    assert_refused(list(Some("other")).await, "another certificate");
    assert_refused(list(None).await, "no certificate");
}

#[tokio::test]
async fn a_token_bound_to_both_needs_both_and_the_url_is_https() {
    let certificates = Certificates::make();
    let more = certificates.asking("optional");
    let harness = Harness::start_over_tls(certificates, &more).await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let (certificates, holder) = (harness.certificates(), Holder::new());
    let key = Thumbprint::of_public_key(&holder.0.public_jwk().to_string()).expect("a public key");
    let bound = Confirmation::new(Some(certificates.thumbprint("client")), Some(key));
    let token = harness.token(&TokenSpec::everything().bound_to(bound));
    let address = harness.server().data_addr();
    let send = async |shown: Option<&str>, scheme: &str| {
        let channel = certificates.endpoint(address, shown).connect().await.expect("a connection");
        let url = format!("{scheme}://localhost:{}{INVOKE}", address.port());
        let request = proven(call("null"), &token, &holder.proof(&url, &token));
        InvocationServiceClient::new(channel).invoke(request).await.map(drop)
    };
    send(Some("client"), "https").await.expect("both");
    assert_refused(send(None, "https").await, "the proof alone");
    assert_refused(send(Some("client"), "http").await, "a proof for clear text");
    assert_refused(over_tls((address, certificates), Some("client"), &token).await, "the certificate alone");
}
