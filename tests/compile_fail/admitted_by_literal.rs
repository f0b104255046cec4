//! Only `Admission::admit` makes an `Admitted`, and nothing replaces its parts.

use airlock_access::{Admitted, Invoke};
use airlock_model::Grants;

fn another(real: Admitted, call: Invoke, grants: Grants) -> Admitted {
    Admitted { call, grants, ..real }
}

fn main() {
    let _ = another;
}
