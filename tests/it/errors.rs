//! Malformed requests and configurations: each has its own reason, and nothing panics.

use airlock_proto::v1::InvokeRequest;
use airlock_tests::{Harness, reason, tokens::TokenSpec, with_token};
use tonic_types::StatusExt;

#[tokio::test]
async fn a_malformed_field_is_named() {
    let harness = Harness::start().await;
    let token = harness.token(&TokenSpec::everything());
    let good = || InvokeRequest {
        function: "one".to_owned(),
        environment: "dev".to_owned(),
        payload: b"null".to_vec(),
        request_id: String::new(),
        alias: String::new(),
    };
    let cases = [
        ("function", InvokeRequest { function: "One!".to_owned(), ..good() }),
        ("function", InvokeRequest { function: String::new(), ..good() }),
        ("environment", InvokeRequest { environment: "a/b".to_owned(), ..good() }),
        ("payload", InvokeRequest { payload: vec![0xff, 0xfe], ..good() }),
    ];
    for (field, request) in cases {
        let status = harness.invocations().invoke(with_token(request, &token)).await.expect_err("refused");
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (tonic::Code::InvalidArgument, "request_malformed"),
            "{field}"
        );
        assert!(status.message().contains(field), "{field}: {}", status.message());
    }
}

#[tokio::test]
async fn every_bad_token_reads_the_same() {
    let harness = Harness::start().await;
    let good = harness.token(&TokenSpec::everything());
    let mut texts = std::collections::BTreeSet::new();
    for token in ["", "x", "a.b.c", &good[1..], &format!("{good}x"), &"y".repeat(20_000)] {
        let request = InvokeRequest {
            function: "one".to_owned(),
            environment: "dev".to_owned(),
            payload: b"null".to_vec(),
            request_id: String::new(),
            alias: String::new(),
        };
        let status = harness.invocations().invoke(with_token(request, token)).await.expect_err("refused");
        if status.get_error_details().error_info().is_some() {
            texts.insert((status.code() as i32, status.message().to_owned()));
        }
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
}
