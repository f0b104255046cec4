//! No permit has a default.

use airlock_access::{Admitted, Authorized, Invoke, VerifiedToken};

fn main() {
    let _token = VerifiedToken::default();
    let _authorized = Authorized::<Invoke>::default();
    let _admitted = Admitted::default();
}
