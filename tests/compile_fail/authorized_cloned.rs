//! One authorization is one call: the permit cannot be copied.

use airlock_access::{Authorized, Invoke};

fn twice(permit: &Authorized<Invoke>) -> Authorized<Invoke> {
    permit.clone()
}

fn main() {
    let _ = twice;
}
