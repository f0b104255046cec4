use airlock_model::Reason;

use super::*;
use crate::dpop::tests::somebody;

const NOW: u64 = 1_800_000_000;

fn key(name: &str) -> Thumbprint {
    Thumbprint::of(name)
}

/// Uses proofs of somebody until one is refused, at most so many, and says how many passed.
fn fill(used: &UsedProofs, holder: Holder<'_>, most: usize) -> (usize, Option<ProofRefusal>) {
    for number in 0..most {
        if let Err(why) = used.take(holder, &number.to_string(), NOW) {
            return (number, Some(why));
        }
    }
    (most, None)
}

#[test]
fn a_proof_is_used_once_for_as_long_as_it_is_good() {
    let (used, ada) = (UsedProofs::since(NOW), somebody("acme", "ada"));
    let holder = Holder { principal: &ada, key: key("k") };
    for begun in [NOW, NOW + GENERATION_S - 1] {
        let one = begun.to_string();
        assert_eq!(used.take(holder, &one, begun), Ok(()));
        for later in 0..=PROOF_AGE_MAX_S + LEEWAY_MAX_S {
            assert_eq!(used.take(holder, &one, begun + later), Err(ProofRefusal::Replayed), "{later} s later");
        }
    }
    assert_eq!(used.take(holder, &NOW.to_string(), NOW + 4 * GENERATION_S), Ok(()), "nothing is kept for good");
}

#[test]
fn whoever_fills_its_share_is_refused_and_its_tenant_goes_on() {
    let (used, ada, bob) = (UsedProofs::since(NOW), somebody("acme", "ada"), somebody("acme", "bob"));
    let of = |principal, name| Holder { principal, key: key(name) };
    assert_eq!(fill(&used, of(&ada, "k"), OF_TENANT_MAX), (OF_HOLDER_MAX, Some(ProofRefusal::HolderShare)));
    assert_eq!(used.take(of(&ada, "k"), "0", NOW), Err(ProofRefusal::Replayed), "full, it forgets nothing");
    assert_eq!(used.take(of(&ada, "k2"), "0", NOW), Err(ProofRefusal::HolderShare), "with another key");
    assert_eq!(used.take(of(&bob, "k"), "new", NOW), Err(ProofRefusal::HolderShare), "by another with the same key");
    assert_eq!(used.take(of(&bob, "k3"), "0", NOW), Ok(()));
    assert_eq!(used.take(of(&ada, "k"), "new", NOW + GENERATION_S), Ok(()), "time makes room");
}

#[test]
fn one_tenant_fills_its_own_share_and_another_goes_on() {
    let used = UsedProofs::since(NOW);
    let people = ["ada", "bob", "eve"].map(|name| (somebody("acme", name), key(name)));
    let of = |number: usize| Holder { principal: &people[number].0, key: people[number].1 };
    for number in 0..2 {
        assert_eq!(fill(&used, of(number), OF_HOLDER_MAX), (OF_HOLDER_MAX, None));
    }
    assert_eq!(used.take(of(2), "0", NOW), Err(ProofRefusal::TenantShare));
    let globex = somebody("globex", "ada");
    assert_eq!(used.take(Holder { principal: &globex, key: key("ada") }, "0", NOW), Ok(()));
    assert_eq!(used.take(of(2), "0", NOW + GENERATION_S), Ok(()));
}

/// Whatever others take, a tenant has its reserve.
#[test]
fn all_tenants_together_leave_each_its_reserve() {
    let used = UsedProofs::since(NOW);
    for number in 0..SHARED_MAX / OF_HOLDER_MAX {
        let greedy = somebody(&format!("greedy-{number}"), "ada");
        assert_eq!(fill(&used, Holder { principal: &greedy, key: key("k") }, OF_HOLDER_MAX).1, None);
    }
    let honest = somebody("honest", "ada");
    let holder = Holder { principal: &honest, key: key("k") };
    assert_eq!(fill(&used, holder, OF_TENANT_MAX), (RESERVE, Some(ProofRefusal::Full)));
    let greedy = somebody("greedy-0", "bob");
    assert_eq!(used.take(Holder { principal: &greedy, key: key("k9") }, "0", NOW), Err(ProofRefusal::Full));
}

/// Nobody is told to be at fault for what others did.
#[test]
fn a_share_of_ones_own_is_tenant_busy_and_that_of_all_is_overloaded() {
    let reason = |why: ProofRefusal| why.as_failure().map(|failure| (failure.reason, failure.retry_after.is_some()));
    assert_eq!(reason(ProofRefusal::TenantShare), Some((Reason::TenantBusy, true)));
    assert_eq!(reason(ProofRefusal::HolderShare), Some((Reason::TenantBusy, true)));
    assert_eq!(reason(ProofRefusal::Full), Some((Reason::Overloaded, true)));
    assert_eq!(reason(ProofRefusal::Replayed), None);
}

#[test]
fn a_clock_that_was_set_back_stops_nobody_for_long() {
    let (used, ada) = (UsedProofs::since(0), somebody("acme", "ada"));
    let holder = Holder { principal: &ada, key: key("k") };
    assert_eq!(used.take(holder, "1", NOW), Ok(()));
    assert_eq!(used.take(holder, "1", NOW - GENERATION_S), Err(ProofRefusal::Replayed));
    assert_eq!(used.take(holder, "1", NOW - 5 * GENERATION_S), Ok(()));
}

#[test]
fn of_many_at_once_one_gets_it() {
    let (used, ada) = (UsedProofs::since(NOW), somebody("acme", "ada"));
    let holder = Holder { principal: &ada, key: key("k") };
    let won = std::thread::scope(|scope| {
        let tries = || (0..1_000).filter(|_| used.take(holder, "7", NOW).is_ok()).count();
        let threads: Vec<_> = (0..10).map(|_| scope.spawn(tries)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
    });
    assert_eq!(won, 1);
}
