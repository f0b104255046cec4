//! `all`: every benchmark in a process of its own, and one report. One that fails leaves a row that says why.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::child;
use crate::{
    args::AllOptions,
    goals::{self, Goal, Row},
    guests::Places,
    report::{Findings, Report},
};

/// For one benchmark, guests built and caches filled. The first run of a machine builds more.
const LONGEST: Duration = Duration::from_secs(900);

/// A benchmark, its further arguments, and the goals it has to say something about.
struct Bench {
    name: &'static str,
    arguments: &'static [&'static str],
    goals: &'static [Goal],
}

/// In the order of running: the most sensitive to a machine that is at work come first.
const BENCHES: &[Bench] = &[
    Bench {
        name: "invoke",
        arguments: &["--concurrency", "64"],
        goals: &[goals::OF_ECHO, goals::ADDED_CPU, goals::P99_OF_ECHO],
    },
    Bench { name: "instantiate", arguments: &[], goals: &[goals::QUICKJS_IN_PROCESS] },
    Bench { name: "host-call", arguments: &[], goals: &[goals::HOST_CALL, goals::HOST_CALL_ALLOCATIONS] },
    Bench { name: "sql", arguments: &[], goals: &[goals::SQL_ADDED, goals::CLASSIFY] },
    Bench { name: "egress", arguments: &[], goals: &[goals::EGRESS_ADDED] },
    Bench { name: "compute", arguments: &[], goals: &[goals::COMPUTE_SHA, goals::COMPUTE_JSON] },
    Bench { name: "scaling", arguments: &[], goals: &[goals::TWO_CORES, goals::TWO_CORES_SERVED] },
    Bench {
        name: "neighbour",
        arguments: &[],
        goals: &[goals::LATE_ONE, goals::LATE_EIGHT, goals::NEIGHBOUR_ONE, goals::NEIGHBOUR_EIGHT],
    },
    Bench { name: "overload", arguments: &[], goals: &[goals::GOODPUT, goals::REFUSAL_P99] },
    Bench { name: "audit", arguments: &[], goals: &[goals::AUDIT_ADDED, goals::AUDIT_RATE] },
    Bench { name: "search", arguments: &["--records", "1000000"], goals: &[goals::SEARCH] },
    Bench {
        name: "cold-start",
        arguments: &[],
        goals: &[goals::COLD_RUST, goals::COLD_QUICKJS, goals::SOURCE_TO_DEPLOYED],
    },
    Bench {
        name: "density",
        arguments: &[],
        goals: &[goals::RESIDENT_RUST, goals::RESIDENT_QUICKJS, goals::SUSPENDED, goals::SUSPENDED_BYTES],
    },
];

/// What no run on this machine can measure without faking it.
const NEEDS_PEERS: &[(Goal, &str)] = &[
    (goals::WASMTIME_SERVE, "`wasmtime serve` is not part of this workspace"),
    (goals::WORKERD, "workerd is not part of this workspace"),
];

/// Runs what was asked for and reports all of it.
pub(crate) fn run(options: &AllOptions) -> anyhow::Result<()> {
    check_names(&options.only)?;
    let places = Places::find()?;
    let mut report = Report::begin();
    let began = Instant::now();
    for bench in BENCHES.iter().filter(|bench| is_asked(bench.name, &options.only)) {
        eprintln!("== {}", bench.name);
        let findings = one(bench, options);
        report.add(bench.name, findings);
    }
    let mut rows = std::mem::take(&mut report.rows);
    if options.only.is_empty() {
        rows.extend(NEEDS_PEERS.iter().map(|(goal, why)| goal.unmeasured(*why)));
    }
    report.rows = in_order(rows);
    report.notes.insert(
        0,
        format!(
            "windows of {} s, rounds: {}; {:.0} s in all; one process for each benchmark",
            options.window.seconds,
            options.window.rounds,
            began.elapsed().as_secs_f64()
        ),
    );
    report.conclude(&places.bench().join("all.json"), options.window.json)
}

fn check_names(only: &[String]) -> anyhow::Result<()> {
    let known = || BENCHES.iter().map(|bench| bench.name);
    match only.iter().find(|name| known().all(|known| known != name.as_str())) {
        Some(stray) => {
            anyhow::bail!("there is no benchmark `{stray}`: choose from {}", known().collect::<Vec<_>>().join(", "))
        }
        None => Ok(()),
    }
}

fn is_asked(name: &str, only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|asked| asked == name)
}

fn one(bench: &Bench, options: &AllOptions) -> Findings {
    let (seconds, rounds) = (options.window.seconds.to_string(), options.window.rounds.to_string());
    let words = [bench.name, "--json", "--seconds", &seconds, "--rounds", &rounds];
    let arguments: Vec<String> = words.iter().chain(bench.arguments).map(|word| (*word).to_owned()).collect();
    let began = Instant::now();
    let said = child::run(&arguments, LONGEST);
    let took_s = began.elapsed().as_secs_f64().round();
    match said.and_then(|said| read(bench, said, took_s)) {
        Ok(findings) => findings,
        Err(error) => {
            let why = format!("`{}` failed: {error:#}", bench.name);
            eprintln!("error: {why}");
            let rows = bench.goals.iter().map(|goal| goal.unmeasured(why.clone())).collect();
            Findings { rows, details: json!({ "error": why, "took_s": took_s }), notes: Vec::new() }
        }
    }
}

/// From the report of one benchmark. Goals it said nothing about get a row all the same.
fn read(bench: &Bench, mut said: Value, took_s: f64) -> anyhow::Result<Findings> {
    let mut take = |key: &str| said.get_mut(key).map(Value::take).unwrap_or_default();
    // `invoke` has a report of its own shape: its rows are details here.
    let goals = take("goals");
    let (rows, details) =
        if goals.is_null() { (take("rows"), take("details")) } else { (goals, json!({ "invoke": take("rows") })) };
    let mut rows: Vec<Row> = serde_json::from_value(rows)?;
    for goal in bench.goals {
        if !rows.iter().any(|row| goal.is_of(row)) {
            rows.push(goal.unmeasured(format!("`{}` gave no figure", bench.name)));
        }
    }
    let figures = details.get(bench.name).cloned().unwrap_or_default();
    let machine = take("machine");
    let seen = |key: &str| machine.get(key).cloned().unwrap_or_default();
    let details = json!({
        "figures": figures, "took_s": took_s,
        "load_average": seen("load_average"), "steal_percent": seen("steal_percent"),
    });
    let notes: Vec<String> = serde_json::from_value(take("notes"))?;
    // What is true of the machine is said once, by the report of all.
    let notes = notes.into_iter().filter(|note| note.starts_with(bench.name)).collect();
    Ok(Findings { rows, details, notes })
}

/// Goals first, in their own order; then the figures that explain them.
fn in_order(rows: Vec<Row>) -> Vec<Row> {
    let (mut asked, others): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|row| goals::ALL.iter().any(|goal| goal.is_of(row)));
    asked.sort_by_key(|row| goals::ALL.iter().position(|goal| goal.is_of(row)));
    asked.extend(others);
    asked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_goal_has_a_benchmark_or_a_reason() {
        for goal in goals::ALL {
            let row = goal.unmeasured("");
            let claimed = BENCHES.iter().flat_map(|bench| bench.goals).filter(|goal| goal.is_of(&row)).count();
            let excused = NEEDS_PEERS.iter().filter(|(goal, _)| goal.is_of(&row)).count();
            assert_eq!(claimed + excused, 1, "{row:?}");
        }
    }

    #[test]
    fn a_goal_without_a_figure_keeps_its_row() {
        let bench = BENCHES.iter().find(|bench| bench.name == "audit").unwrap();
        let rows = json!([goals::AUDIT_RATE.measured(30_000.0)]);
        let said =
            json!({ "rows": rows, "details": { "audit": { "a": 1 } }, "machine": {}, "notes": ["audit: x", "y"] });
        let findings = read(bench, said, 1.0).unwrap();
        assert_eq!(findings.rows.len(), 2);
        assert_eq!(findings.rows[1].measured, None);
        assert_eq!(findings.details["figures"]["a"], 1);
        assert_eq!(findings.notes, ["audit: x"]);
    }

    #[test]
    fn unknown_names_are_refused() {
        assert!(check_names(&["audit".to_owned()]).is_ok());
        assert!(check_names(&["audti".to_owned()]).unwrap_err().to_string().contains("`audti`"));
    }
}
