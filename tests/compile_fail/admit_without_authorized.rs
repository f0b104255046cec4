//! A verified token is not enough to be admitted.

use airlock_access::{Admission, Admitted, Terms, VerifiedToken};
use airlock_model::Failure;

fn skip(admission: &Admission, token: VerifiedToken, terms: Terms<'_>) -> Result<Admitted, Failure> {
    admission.admit(token, terms)
}

fn main() {
    let _ = skip;
}
