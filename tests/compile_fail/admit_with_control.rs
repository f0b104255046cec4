//! A permit for the control plane does not admit an invocation.

use airlock_access::{Admission, Admitted, Authorized, Control, Terms};
use airlock_model::Failure;

async fn confuse(admission: &Admission, permit: Authorized<Control>, terms: Terms<'_>) -> Result<Admitted, Failure> {
    admission.admit(permit, terms).await
}

fn main() {
    let _ = confuse;
}
