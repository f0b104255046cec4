//! Only `authorize_invoke` and `authorize_control` make an `Authorized`.

use airlock_access::{Authorized, VerifiedToken};

fn forge<C>(token: VerifiedToken, call: C) -> Authorized<C> {
    Authorized { token, call }
}

fn main() {
    let _ = forge::<()>;
}
