use proptest::prelude::*;

use super::*;

/// A flow that always waits, and what its calls cost.
#[derive(Debug, Clone)]
struct Greedy {
    weight: u32,
    costs: Vec<u64>,
}

fn any_greedy() -> impl Strategy<Value = Greedy> {
    (1..20u32, prop::collection::vec(1..1_000_000u64, 1..8)).prop_map(|(weight, costs)| Greedy { weight, costs })
}

/// Serves `turns` calls of flows that all wait, and gives what each was served, after each turn.
fn serve(order: &mut FairOrder<usize>, flows: &[Greedy], turns: usize) -> Vec<Vec<u64>> {
    let mut served = vec![0; flows.len()];
    let mut count = vec![0; flows.len()];
    let mut history = vec![served.clone()];
    for (index, flow) in flows.iter().enumerate() {
        order.wait(&index, flow.weight);
    }
    for _ in 0..turns {
        let next = *order.in_turn().next().unwrap();
        let flow = &flows[next];
        let cost = flow.costs[count[next] % flow.costs.len()];
        order.serve(&next, cost, flow.weight);
        served[next] += cost;
        count[next] += 1;
        history.push(served.clone());
    }
    history
}

proptest! {
    #[test]
    fn shares_of_flows_that_wait_differ_by_at_most_one_call_of_each(
        flows in prop::collection::vec(any_greedy(), 2..6), from in 0..100usize, turns in 1..400usize,
    ) {
        let mut order = FairOrder::default();
        let history = serve(&mut order, &flows, from + turns);
        let in_interval = |flow: usize| (history[from + turns][flow] - history[from][flow]) as f64;
        let share = |flow: usize| in_interval(flow) / f64::from(flows[flow].weight);
        let largest = |flow: usize| *flows[flow].costs.iter().max().unwrap() as f64 / f64::from(flows[flow].weight);
        for (a, b) in (0..flows.len()).flat_map(|a| (0..a).map(move |b| (a, b))) {
            let bound = largest(a) + largest(b) + 1e-3 * turns as f64;
            prop_assert!((share(a) - share(b)).abs() <= bound, "{} {} {bound}", share(a), share(b));
        }
    }

    #[test]
    fn what_is_corrected_later_counts_as_if_it_had_been_known(costs in prop::collection::vec(1..1_000_000u64, 4..200)) {
        let flows = [Greedy { weight: 2, costs: costs.clone() }, Greedy { weight: 3, costs: vec![100_000] }];
        let known = serve(&mut FairOrder::default(), &flows, 200).pop().unwrap();
        let (mut order, mut served, mut count) = (FairOrder::default(), [0, 0], [0, 0]);
        order.wait(&0, 2);
        order.wait(&1, 3);
        for _ in 0..200 {
            let next = *order.in_turn().next().unwrap();
            let (cost, weight) = (flows[next].costs[count[next] % flows[next].costs.len()], flows[next].weight);
            order.serve(&next, 77_777, weight);
            order.correct(&next, 77_777, cost, weight);
            served[next] += cost;
            count[next] += 1;
        }
        prop_assert_eq!(served.as_slice(), known.as_slice());
    }
}

#[test]
fn who_pays_a_hundred_times_more_gets_a_hundred_times_fewer_turns() {
    let flows = [Greedy { weight: 1, costs: vec![100] }, Greedy { weight: 1, costs: vec![1] }];
    let served = serve(&mut FairOrder::default(), &flows, 1_010).pop().unwrap();
    assert_eq!(served, [1_000, 1_000], "10 turns and 1,000");
}

#[test]
fn a_newcomer_has_no_credit_for_the_time_before_it_came() {
    let flow = Greedy { weight: 1, costs: vec![10] };
    let mut order = FairOrder::default();
    serve(&mut order, std::slice::from_ref(&flow), 1_000);
    let served = serve(&mut order, &[flow.clone(), flow], 100).pop().unwrap();
    assert!(served[1] <= 510, "{served:?}");
}

#[test]
fn whoever_stops_waiting_still_owes_until_nobody_waits() {
    let mut order = FairOrder::default();
    order.wait(&"light", 1);
    order.serve(&"heavy", 1_000, 1);
    order.forget_settled(&"heavy");
    order.wait(&"heavy", 1);
    for _ in 0..100 {
        assert_eq!(order.in_turn().next(), Some(&"light"));
        order.serve(&"light", 9, 1);
    }
    order.leave(&"heavy");
    order.leave(&"light");
    order.clear();
    assert_eq!((order.remembered(), order.weight_waiting_with(&"light", 5)), (0, 5));
}

#[test]
fn equals_take_turns() {
    let mut order = FairOrder::default();
    ["a", "b", "c"].iter().for_each(|key| order.wait(key, 1));
    let mut turns = Vec::new();
    for _ in 0..6 {
        let next = *order.in_turn().next().unwrap();
        order.serve(&next, 7, 1);
        turns.push(next);
    }
    assert_eq!(turns, ["a", "b", "c", "a", "b", "c"]);
}

#[test]
fn flows_are_forgotten_before_they_fill_the_memory() {
    let mut order = FairOrder::default();
    order.wait(&0, 1);
    for flow in 1..20_000 {
        order.serve(&flow, 1_000, 1);
    }
    assert!(order.remembered() <= FLOWS_MAX);
    assert_eq!(order.in_turn().next(), Some(&0), "who waits is never forgotten");
}
