//! A verified token is not enough to be admitted.

use airlock_access::{Admission, Admitted, Terms, VerifiedToken};
use airlock_model::Failure;

async fn skip(admission: &Admission, token: VerifiedToken, terms: Terms<'_>) -> Result<Admitted, Failure> {
    admission.admit(token, terms).await
}

fn main() {
    let _ = skip;
}
