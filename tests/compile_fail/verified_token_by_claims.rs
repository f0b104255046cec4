//! Claims that nobody signed do not become a `VerifiedToken`: the only constructor is not public.

use airlock_access::VerifiedToken;

fn main() {
    let _forged = VerifiedToken::new(unreachable!(), unreachable!());
}
