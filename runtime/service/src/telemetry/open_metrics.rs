//! OpenMetrics 1.0 (<https://prometheus.io/docs/specs/om/open_metrics_spec/>): the text format that has exemplars, which the
//! library does not write.

use std::fmt::{self, Write as _};

use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

use super::{
    exemplars::{AllExemplars, Exemplar},
    trace::hex,
};

/// All numbers, with the exemplars of those that have some.
pub(super) fn text(families: &[MetricFamily], exemplars: &AllExemplars) -> String {
    let mut out = String::new();
    for family in families {
        // Writing to a text does not fail.
        let _ = write_family(&mut out, family, exemplars);
    }
    out.push_str("# EOF\n");
    out
}

fn write_family(out: &mut String, family: &MetricFamily, exemplars: &AllExemplars) -> fmt::Result {
    let name = family.name();
    let (family_name, kind) = match family.get_field_type() {
        MetricType::COUNTER => (name.trim_end_matches("_total"), "counter"),
        MetricType::HISTOGRAM => (name, "histogram"),
        // We have no others.
        MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => (name, "gauge"),
    };
    writeln!(out, "# TYPE {family_name} {kind}")?;
    writeln!(out, "# HELP {family_name} {}", escaped(family.help()))?;
    for series in family.get_metric() {
        match family.get_field_type() {
            MetricType::HISTOGRAM => write_histogram(out, name, series, exemplars)?,
            MetricType::COUNTER => write_number(out, name, series, series.get_counter().get_value())?,
            MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => {
                write_number(out, name, series, series.get_gauge().get_value())?;
            }
        }
    }
    Ok(())
}

fn write_number(out: &mut String, name: &str, series: &Metric, value: f64) -> fmt::Result {
    writeln!(out, "{name}{} {value:?}", labels(series.get_label(), None))
}

fn write_histogram(out: &mut String, name: &str, series: &Metric, exemplars: &AllExemplars) -> fmt::Result {
    let histogram = series.get_histogram();
    let count = histogram.get_sample_count();
    let finite = histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite());
    let buckets = finite.map(|bucket| (format!("{:?}", bucket.upper_bound()), bucket.cumulative_count()));
    for (place, (bound, below)) in buckets.chain([("+Inf".to_owned(), count)]).enumerate() {
        write!(out, "{name}_bucket{} {below}", labels(series.get_label(), Some(&bound)))?;
        if let Some(exemplar) = exemplars.find(name, series, place) {
            write_exemplar(out, exemplar)?;
        }
        out.push('\n');
    }
    let labels = labels(series.get_label(), None);
    writeln!(out, "{name}_count{labels} {count}")?;
    writeln!(out, "{name}_sum{labels} {:?}", histogram.get_sample_sum())
}

fn write_exemplar(out: &mut String, Exemplar { trace, span, value, time_ns }: &Exemplar) -> fmt::Result {
    let (s, ms) = (time_ns / 1_000_000_000, time_ns / 1_000_000 % 1_000);
    write!(out, " # {{trace_id=\"{}\",span_id=\"{}\"}} {value:?} {s}.{ms:03}", hex(trace), hex(span))
}

fn labels(pairs: &[LabelPair], bound: Option<&str>) -> String {
    let own = pairs.iter().map(|pair| (pair.name(), pair.value()));
    let all: Vec<_> = own
        .chain(bound.map(|bound| ("le", bound)))
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Telemetry, TraceContext};

    #[test]
    fn a_slow_call_leads_to_its_trace() {
        let telemetry = Telemetry::new().expect("counters");
        let at = TraceContext::begin(|_| true);
        telemetry.function("dev", "one").count("ok", 2_000_000, 5, Some(&at));
        telemetry.function("dev", "one").count("ok", 100, 5, None);
        let told = text(&telemetry.gather(), &telemetry.exemplars());
        let line = |start: &str| told.lines().find(|line| line.starts_with(start)).expect(start).to_owned();
        let series = "airlock_invocation_duration_seconds_bucket{environment=\"dev\",function=\"one\",le=";
        let slow = line(&format!(
            "{series}\"2.5\"}} 2 # {{trace_id=\"{}\",span_id=\"{}\"}} 2.0 ",
            at.trace_id(),
            at.span_id()
        ));
        assert!(slow.rsplit_once(' ').is_some_and(|(_, time)| time.parse::<f64>().is_ok()), "{slow}");
        assert_eq!(line(&format!("{series}\"0.0005\"}}")), format!("{series}\"0.0005\"}} 1"));
        assert!(line(&format!("{series}\"+Inf\"}}")).ends_with(" 2"));
        assert_eq!(line("# TYPE airlock_invocations"), "# TYPE airlock_invocations counter");
        assert!(line("airlock_invocations_total{").ends_with(" 2.0"));
        assert!(told.ends_with("# EOF\n"));
    }

    #[test]
    fn texts_are_escaped() {
        assert_eq!(escaped("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
