//! Admission takes the permit by value.

use airlock_access::{Admission, Authorized, Invoke, Terms};

fn twice(admission: &Admission, permit: Authorized<Invoke>, terms: Terms<'_>) {
    let _first = admission.admit(permit, terms);
    let _second = admission.admit(permit, terms);
}

fn main() {
    let _ = twice;
}
