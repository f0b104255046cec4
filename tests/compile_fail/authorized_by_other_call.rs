//! A permit for one function is not turned into a permit for another: its parts cannot be made or changed.

use airlock_access::{Authorized, Invoke};
use airlock_model::{EnvironmentName, FunctionName};

fn another(mut permit: Authorized<Invoke>, function: FunctionName, environment: EnvironmentName) -> Authorized<Invoke> {
    permit.call = Invoke { function, environment };
    permit
}

fn main() {
    let _ = another;
}
