//! Only `Authenticator::verify` makes a `VerifiedToken`.

use airlock_access::VerifiedToken;

fn main() {
    let _forged = VerifiedToken(Default::default());
}
