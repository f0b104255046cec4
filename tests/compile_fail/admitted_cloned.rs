//! One admission is one slot: the permit cannot be copied.

use airlock_access::Admitted;

fn twice(permit: &Admitted) -> Admitted {
    permit.clone()
}

fn main() {
    let _ = twice;
}
