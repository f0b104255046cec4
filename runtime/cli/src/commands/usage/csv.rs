//! Comma-separated values (RFC 4180), for spreadsheets that must not run what somebody is called.

use std::io::Write;

use airlock_service::{Dimension, Figures, Spread, UsageLine};

use crate::when;

type Field = (&'static str, fn(&Figures) -> String);

const FIELDS: [Field; 22] = [
    ("calls", |used| used.calls.to_string()),
    ("errors", |used| used.errors.to_string()),
    ("outcomes", |used| reasons(&used.outcomes)),
    ("refused", |used| used.refused.to_string()),
    ("refusals", |used| reasons(&used.refusals)),
    ("host_calls_by_resource", |used| used.resources.calls.to_string()),
    ("host_errors", |used| used.resources.errors.to_string()),
    ("host_outcomes", |used| reasons(&used.resources.outcomes)),
    ("host_denied", |used| used.resources.denied.to_string()),
    ("host_denials", |used| reasons(&used.resources.denials)),
    ("rows", |used| used.resources.rows.to_string()),
    ("bytes", |used| used.resources.bytes.to_string()),
    ("http_requests", |used| used.resources.attempts.to_string()),
    ("sent_bytes", |used| used.resources.sent_bytes.to_string()),
    ("received_bytes", |used| used.resources.received_bytes.to_string()),
    ("tokens", |used| used.resources.tokens.to_string()),
    ("cost_micros", |used| used.resources.cost_micros.to_string()),
    ("host_duration_p50_us", |used| used.resources.duration_us.p50.to_string()),
    ("host_duration_p90_us", |used| used.resources.duration_us.p90.to_string()),
    ("host_duration_p99_us", |used| used.resources.duration_us.p99.to_string()),
    ("first_seen", |used| time(used.first_seen_unix_ms)),
    ("last_seen", |used| time(used.last_seen_unix_ms)),
];

type SpreadField = (&'static str, fn(&Figures) -> Spread);

const SPREADS: [SpreadField; 9] = [
    ("wall_us", |used| used.wall_us),
    ("fuel", |used| used.fuel),
    ("memory_bytes", |used| used.memory_bytes),
    ("host_calls", |used| used.host_calls),
    ("host_bytes", |used| used.host_bytes),
    ("log_bytes", |used| used.log_bytes),
    ("egress_requests", |used| used.egress_requests),
    ("egress_bytes", |used| used.egress_bytes),
    ("result_rows", |used| used.result_rows),
];

type Part = (&'static str, fn(Spread) -> u64);

const PARTS: [Part; 5] = [
    ("sum", |spread| spread.sum),
    ("p50", |spread| spread.p50),
    ("p90", |spread| spread.p90),
    ("p99", |spread| spread.p99),
    ("max", |spread| spread.max),
];

/// One line for each group and step.
pub fn print(out: &mut dyn Write, by: &[Dimension], lines: &[UsageLine]) -> std::io::Result<()> {
    let spreads = SPREADS.iter().flat_map(|(name, _)| PARTS.iter().map(move |(part, _)| format!("{name}_{part}")));
    let titles = ["begin".to_owned()].into_iter().chain(by.iter().map(ToString::to_string)).chain(["other".to_owned()]);
    let titles = titles.chain(FIELDS.iter().map(|(name, _)| (*name).to_owned())).chain(spreads);
    writeln!(out, "{}", titles.collect::<Vec<_>>().join(","))?;
    for line in lines {
        let groups = by.iter().enumerate().map(|(at, _)| cell(line.group.get(at).map_or("", String::as_str)));
        let begin = line.begin_unix_ms.map(time).unwrap_or_default();
        let cells = [begin].into_iter().chain(groups).chain([line.other.to_string()]);
        let fields = FIELDS.iter().map(|(_, field)| field(&line.used));
        let spreads = SPREADS.iter().map(|(_, spread)| spread(&line.used));
        let spreads = spreads.flat_map(|spread| PARTS.iter().map(move |(_, part)| part(spread).to_string()));
        writeln!(out, "{}", cells.chain(fields).chain(spreads).collect::<Vec<_>>().join(","))?;
    }
    Ok(())
}

fn time(unix_ms: u64) -> String {
    if unix_ms == 0 { String::new() } else { when::utc_ms(unix_ms) }
}

/// `ok=3;trap=1`: no name of a reason needs quotes.
fn reasons(reasons: &std::collections::BTreeMap<String, u64>) -> String {
    cell(&reasons.iter().map(|(reason, count)| format!("{reason}={count}")).collect::<Vec<_>>().join(";"))
}

/// A text that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, CSV injection).
fn cell(text: &str) -> String {
    let guarded = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if guarded.contains([',', '"', '\n', '\r']) { format!("\"{}\"", guarded.replace('"', "\"\"")) } else { guarded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_cell_and_no_formula() {
        assert_eq!(cell("a,\"b\"\nc"), "\"a,\"\"b\"\"\nc\"");
        assert_eq!(cell("=HYPERLINK(1)"), "'=HYPERLINK(1)");
        assert_eq!(cell("-2,3"), "\"'-2,3\"");
        assert_eq!(cell("ada"), "ada");
    }

    #[test]
    fn every_line_has_a_cell_for_every_title() {
        let line = UsageLine {
            begin_unix_ms: Some(0),
            group: vec!["a".to_owned(), String::new()],
            other: false,
            used: Figures::default(),
        };
        let other = UsageLine { group: Vec::new(), other: true, ..line.clone() };
        let mut out = Vec::new();
        print(&mut out, &[Dimension::App, Dimension::Actor], &[line, other]).expect("printed");
        let text = String::from_utf8(out).expect("text");
        let counts: Vec<_> = text.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(counts, [71, 71, 71], "{text}");
    }
}
