//! Credentials that are fetched or computed, and what of them comes back.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use airlock_model::{HostError, HttpMethod};

use super::{
    client::{Api, SECRET, text},
    upstream::{Upstream, ok, response},
};

/// A token server that counts what it gives out.
async fn token_server(expires_in: u64) -> (Upstream, Arc<AtomicUsize>) {
    let given = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&given);
    let server = Upstream::start(move |_| {
        let number = count.fetch_add(1, SeqCst);
        let token = format!("canary-token-number-{number}");
        let body = format!("{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":{expires_in}}}");
        response("200 OK", "content-type: application/json\r\n", &body)
    })
    .await;
    (server, given)
}

fn oauth(server: &Upstream, more: &str) -> String {
    format!(
        "credential = {{ kind = 'oauth2', token_url = 'http://{}/token', client_id = 'airlock', \
         value = {{ env = 'KEY' }}, scopes = ['a', 'b']{more} }}",
        server.address
    )
}

/// Wants a token that is not older than so many.
async fn api_server(oldest: usize) -> Upstream {
    Upstream::start(move |request| {
        let bearer =
            request.split("authorization: Bearer canary-token-number-").nth(1).and_then(|rest| rest.lines().next());
        let number: Option<usize> = bearer.and_then(|text| text.parse().ok());
        match number {
            Some(number) if number >= oldest => ok(&format!("you sent {request}")),
            _ => response("401 Unauthorized", "", "who?"),
        }
    })
    .await
}

#[tokio::test]
async fn however_many_ask_one_token_is_fetched_and_none_of_it_comes_back() {
    let ((tokens, given), upstream) = (token_server(3_600).await, api_server(0).await);
    let api = Api::at(upstream.address, &oauth(&tokens, ", audience = 'x y'"));
    let replies = futures::future::join_all((0..20).map(|_| api.get("/"))).await;
    for reply in replies {
        let reply = reply.expect("a reply");
        assert!(text(&reply).contains("[redacted]") && !text(&reply).contains("canary-token"), "{}", text(&reply));
    }
    assert_eq!(given.load(SeqCst), 1);
    let asked = tokens.seen().concat();
    assert!(asked.contains("grant_type=client_credentials&scope=a%20b&audience=x%20y"), "{asked}");
    assert!(asked.contains("authorization: Basic ") && !asked.contains("client_secret"), "{asked}");
    let in_body = Api::at(upstream.address, &oauth(&tokens, ", secret_in_body = true"));
    assert!(in_body.get("/").await.is_ok());
    assert!(tokens.seen()[1].contains("client_id=airlock&client_secret=canary%2BEgress%2FSecret~41"));
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let ((tokens, given), upstream) = (token_server(3_600).await, api_server(1).await);
    let api = Api::at(upstream.address, &oauth(&tokens, ""));
    let posted = api.send(api.request(HttpMethod::Post, "/")).await.expect("a reply");
    assert_eq!((posted.status, given.load(SeqCst)), (200, 2));
    assert_eq!(api.get("/").await.map(|reply| (reply.status, given.load(SeqCst))), Ok((200, 2)));
    let hopeless = api_server(usize::MAX).await;
    let api = Api::at(hopeless.address, &oauth(&tokens, ""));
    assert_eq!(api.get("/").await.map(|reply| reply.status), Ok(401));
    assert_eq!(hopeless.seen().len(), 2, "once more and no further");
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let ((tokens, given), upstream) = (token_server(0).await, api_server(0).await);
    let api = Api::at(upstream.address, &oauth(&tokens, ""));
    for _ in 0..3 {
        assert!(api.get("/").await.is_ok());
    }
    assert_eq!(given.load(SeqCst), 3);
}

#[tokio::test]
async fn a_token_server_that_refuses_tells_guests_nothing() {
    let refusing = Upstream::start(|request| {
        let echo = request.replace('"', "'").replace("\r\n", " ");
        response("400 Bad", "", &format!("{{\"error\":\"invalid_client\",\"error_description\":\"{echo}\"}}"))
    })
    .await;
    let upstream = api_server(0).await;
    let api = Api::at(upstream.address, &oauth(&refusing, ", secret_in_body = true"));
    for _ in 0..5 {
        match api.get("/").await {
            Err(HostError::Unavailable(text)) => {
                assert!(!text.contains("canary") && !text.contains("127.0.0.1") && !text.contains("client"), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(upstream.seen().is_empty());
    assert!(refusing.seen().len() < 5, "a failure is remembered for a moment");
}

#[tokio::test]
async fn requests_are_signed_for_aws_and_the_signature_does_not_come_back() {
    let upstream = Upstream::start(|request| ok(&format!("you sent {request}"))).await;
    let credential = "credential = { kind = 'aws_sigv4', access_key_id = 'AKIDEXAMPLE', value = { env = 'KEY' }, \
                      region = 'eu-central-1', service = 'execute-api' }";
    let api = Api::at(upstream.address, credential);
    let reply = api.get("/stage/things").await.expect("a reply");
    let seen = upstream.seen().concat();
    let signature = seen.split("Signature=").nth(1).and_then(|rest| rest.lines().next()).expect("a signature");
    assert!(seen.contains("Credential=AKIDEXAMPLE/20150830/eu-central-1/execute-api/aws4_request"), "{seen}");
    assert!(seen.contains("x-amz-date: 20150830T123600Z") && !seen.contains(SECRET), "{seen}");
    assert!(!text(&reply).contains(signature) && text(&reply).contains("[redacted]"), "{}", text(&reply));
    let mut forged = api.request(HttpMethod::Get, "/");
    forged.headers = vec![("x-amz-date".to_owned(), "20150830T123600Z".to_owned())];
    assert!(matches!(api.send(forged).await, Err(HostError::Denied { .. })));
}
