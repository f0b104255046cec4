//! Proofs, against values that the servers' own clients compute.

use super::super::auth::Plugin;

const NONCE: &[u8; 20] = b"0123456789abcdefghij";

/// Computed with Python's hashlib from the formulas of the protocol's description.
#[test]
fn a_proof_is_what_the_server_computes() {
    assert_eq!(hex::encode(Plugin::Native.proof("canary", NONCE)), "a219aefe3adf01c87e541688baf332d592019a59");
    assert_eq!(
        hex::encode(Plugin::CachingSha2.proof("canary", NONCE)),
        "70cfff382de4eed680721a707e293e4129a0730f247dc9dd833242129a8c3241"
    );
    assert_eq!(Plugin::Clear.proof("canary", NONCE), b"canary\0");
    assert!(Plugin::named("dialog").is_err());
}
