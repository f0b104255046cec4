//! Admission takes the permit by value.

use airlock_access::{Admission, Authorized, Invoke, Terms};

async fn twice(admission: &Admission, permit: Authorized<Invoke>, terms: Terms<'_>) {
    let _first = admission.admit(permit, terms).await;
    let _second = admission.admit(permit, terms).await;
}

fn main() {
    let _ = twice;
}
