//! Proofs over a restart, which forgets which were used.

use super::*;

const NAMED: &str = "http://airlock.example";

/// A call under a name that stays the same when the port changes.
async fn call_with(harness: &Harness, token: &str, proof: &str) -> Result<(), Status> {
    let endpoint = Endpoint::from_shared(data(harness, "")).expect("an address").origin(NAMED.parse().expect("a URL"));
    let channel = endpoint.connect().await.expect("a connection");
    InvocationServiceClient::new(channel).invoke(proven(call("null"), token, proof)).await.map(drop)
}

/// The clock of this holder is ahead by as much as is forgiven.
fn ahead(holder: &Holder, token: &str, ahead_s: u64) -> String {
    let url = format!("{NAMED}{INVOKE}");
    let issued_at_unix_s = now_unix_s() + ahead_s;
    prove(&holder.0, &ProofClaims { method: "POST", url: &url, token: Some(token), issued_at_unix_s }).expect("a proof")
}

#[tokio::test]
async fn a_proof_of_a_fast_clock_is_not_good_again_after_a_restart() {
    let (mut harness, holder) = (harness().await, Holder::new());
    let config = harness.config();
    harness.set_config(&config.replacen("[server]\n", "[server]\nnames = [\"airlock.example\"]\n", 1));
    harness.reload().await.expect("valid");
    let token = holder.token(&harness, TokenSpec::everything());
    let used = ahead(&holder, &token, 4);
    call_with(&harness, &token, &used).await.expect("within the leeway, and nothing was served before");

    harness.restart().await;
    let refused = call_with(&harness, &token, &used).await.expect_err("it was used");
    assert_eq!(reason(&refused), "token_invalid");
    assert!(hint(&refused).starts_with("make a new proof"), "{refused:?}");
    // Later ones cannot have been used, and pass as soon as the leeway allows them.
    while let Err(refused) = call_with(&harness, &token, &ahead(&holder, &token, 5)).await {
        assert!(hint(&refused).starts_with("make a new proof"), "{refused:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(call_with(&harness, &token, &used).await.is_err(), "the one that was used");
}
