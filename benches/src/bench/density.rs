//! `density`: how many functions one process holds ready, and how many calls it holds suspended in a host call.
//!
//! Each part runs in a process of its own, so that memory which one part has given back does not hide what the next takes.

mod resident;
mod suspended;

use std::time::Duration;

use crate::{
    args::{DensityOptions, Part},
    bench::child,
    goals::Row,
    guests::Places,
    report::{Findings, machine::max_map_count},
};

const LONGEST: Duration = Duration::from_secs(300);

/// One part, or all of them.
pub(crate) fn run(options: &DensityOptions, places: &Places) -> anyhow::Result<Findings> {
    match options.part {
        Some(Part::Rust) => resident::rust(places, options.rust.get()),
        Some(Part::Quickjs) => resident::quickjs(places, options.quickjs.get()),
        Some(Part::Suspended) => suspended::run(places, options.suspended.get()),
        None => every(options),
    }
}

fn every(options: &DensityOptions) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    let mut details = serde_json::Map::new();
    for (part, option, count) in [
        ("rust", "--rust", options.rust),
        ("quickjs", "--quickjs", options.quickjs),
        ("suspended", "--suspended", options.suspended),
    ] {
        let words = ["density", "--json", "--part", part, option, &count.to_string()].map(str::to_owned);
        let mut said = child::run(&words, LONGEST)?;
        let mut take = |pointer: &str| said.pointer_mut(pointer).map(serde_json::Value::take).unwrap_or_default();
        findings.rows.extend(serde_json::from_value::<Vec<Row>>(take("/rows"))?);
        details.insert(part.to_owned(), take("/details/density"));
        let notes: Vec<String> = serde_json::from_value(take("/notes"))?;
        findings.notes.extend(notes.into_iter().filter(|note| note.starts_with("density")));
    }
    findings.details = details.into();
    findings.notes.push(format!("density: vm.max_map_count is {} here", max_map_count()));
    Ok(findings)
}
