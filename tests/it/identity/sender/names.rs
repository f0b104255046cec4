//! Which server a proof is for: the request may name any host, so the server has to know its own names.

use super::*;

/// One call by the holder, with a proof for this server and a request that names the same one.
async fn call_as(harness: &Harness, named: &str) -> Result<(), Status> {
    let holder = Holder::new();
    let token = holder.token(harness, TokenSpec::everything());
    let address = harness.server().data_addr();
    let endpoint = if harness.is_over_tls() {
        harness.certificates().endpoint(address, None)
    } else {
        Endpoint::from_shared(data(harness, "")).expect("an address")
    };
    let endpoint = endpoint.origin(named.parse().expect("a URL"));
    let channel = endpoint.connect().await.expect("a connection");
    let request = proven(call("null"), &token, &holder.proof(&format!("{named}{INVOKE}"), &token));
    InvocationServiceClient::new(channel).invoke(request).await.map(drop)
}

async fn assert_names(harness: &Harness, ours: &[String], others: &[String]) {
    for named in ours {
        call_as(harness, named).await.unwrap_or_else(|why| panic!("{named}: {why:?}"));
    }
    for named in others {
        assert_refused(call_as(harness, named).await, named);
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn in_clear_text_a_server_is_the_address_that_was_called() {
    let harness = harness().await;
    let port = harness.server().data_addr().port();
    let at = |host: &str| format!("http://{host}:{port}");
    let ours = [at("127.0.0.1"), at("localhost"), format!("https://localhost:{port}")];
    let other_port = format!("http://127.0.0.1:{}", harness.server().control_addr().port());
    let others = [at("other.example"), at("127.0.0.2"), "https://other.example".to_owned(), other_port];
    assert_names(&harness, &ours, &others).await;

    // As behind a proxy that ends TLS.
    let config = harness.config();
    harness.set_config(&config.replacen("[server]\n", "[server]\nnames = [\"airlock.example\"]\n", 1));
    let changes = harness.reload().await.expect("valid");
    assert!(changes.len() == 1 && changes[0].starts_with("server.names"), "{changes:?}");
    let ours = owned(&["https://airlock.example", "https://airlock.example:8443", "http://airlock.example"]);
    let others = [at("127.0.0.1"), at("localhost"), "https://other.example".to_owned()];
    assert_names(&harness, &ours, &others).await;
}

#[tokio::test]
async fn over_tls_a_server_is_what_its_certificate_says() {
    let certificates = Certificates::make();
    certificates.issue_for("server", "DNS:localhost,IP:127.0.0.1,DNS:airlock.example,DNS:*.shared.example");
    let harness = Harness::start_over_tls(certificates, "").await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let local = format!("https://127.0.0.1:{}", harness.server().data_addr().port());
    let ours = [local.clone(), "https://airlock.example".to_owned(), "https://airlock.example:8443".to_owned()];
    // A wildcard is shared with servers that are not this one.
    let others = owned(&["https://other.example", "https://one.shared.example", "https://x.airlock.example"]);
    assert_names(&harness, &ours, &others).await;

    let config = harness.config();
    harness.set_config(&config.replacen("[server]\n", "[server]\nnames = [\"one.shared.example:443\"]\n", 1));
    harness.reload().await.expect("valid");
    let others = [local, "https://airlock.example".to_owned(), "https://one.shared.example:8443".to_owned()];
    assert_names(&harness, &owned(&["https://one.shared.example"]), &others).await;
}
