//! Numbers in the words of OTLP: the same that Prometheus reads, under the same names.

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::KeyValue,
    metrics::v1::{
        AggregationTemporality, Exemplar, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
        ResourceMetrics, ScopeMetrics, Sum, exemplar, metric::Data, number_data_point::Value,
    },
    resource::v1::Resource,
};
use prometheus::proto::{self, MetricFamily, MetricType};

use super::message::{scope, text};
use crate::telemetry::exemplars::{self, AllExemplars};

/// When what is told began, and when it is told, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) began: u64,
    pub(super) now: u64,
}

pub(super) fn request(
    resource: &Resource,
    (families, exemplars): (&[MetricFamily], &AllExemplars),
    times: Span,
) -> ExportMetricsServiceRequest {
    let metrics = families.iter().map(|family| metric(family, exemplars, times)).collect();
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() }];
    let resource = Some(resource.clone());
    let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}

fn metric(family: &MetricFamily, exemplars: &AllExemplars, times: Span) -> Metric {
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let data = match family.get_field_type() {
        MetricType::HISTOGRAM => {
            let point = |one: &proto::Metric| HistogramDataPoint {
                exemplars: of_series(family.name(), one, exemplars),
                ..histogram(one, times)
            };
            let data_points = family.get_metric().iter().map(point).collect();
            Data::Histogram(Histogram { data_points, aggregation_temporality })
        }
        MetricType::COUNTER => {
            let number = |one: &proto::Metric| number(one, one.get_counter().get_value(), times);
            let data_points = family.get_metric().iter().map(number).collect();
            Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: true })
        }
        // We have no others.
        MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => {
            let number = |one: &proto::Metric| number(one, one.get_gauge().get_value(), times);
            Data::Gauge(Gauge { data_points: family.get_metric().iter().map(number).collect() })
        }
    };
    Metric {
        name: family.name().to_owned(),
        description: family.help().to_owned(),
        unit: unit(family.name()).to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

/// By the name, which ends with it (UCUM).
fn unit(name: &str) -> &'static str {
    match name.trim_end_matches("_total") {
        name if name.ends_with("_seconds") => "s",
        name if name.ends_with("_bytes") => "By",
        _ => "1",
    }
}

fn number(one: &proto::Metric, value: f64, Span { began, now }: Span) -> NumberDataPoint {
    NumberDataPoint {
        attributes: labels(one),
        start_time_unix_nano: began,
        time_unix_nano: now,
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

/// Prometheus adds buckets up, OTLP does not, and has one more for what is beyond the last bound.
fn histogram(one: &proto::Metric, Span { began, now }: Span) -> HistogramDataPoint {
    let histogram = one.get_histogram();
    let finite = histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound().is_finite());
    let mut below = 0;
    let (mut bucket_counts, mut explicit_bounds) = (Vec::new(), Vec::new());
    for bucket in finite {
        bucket_counts.push(bucket.cumulative_count().saturating_sub(below));
        explicit_bounds.push(bucket.upper_bound());
        below = bucket.cumulative_count();
    }
    let count = histogram.get_sample_count();
    bucket_counts.push(count.saturating_sub(below));
    HistogramDataPoint {
        attributes: labels(one),
        start_time_unix_nano: began,
        time_unix_nano: now,
        count,
        sum: Some(histogram.get_sample_sum()),
        bucket_counts,
        explicit_bounds,
        ..HistogramDataPoint::default()
    }
}

fn of_series(metric: &str, one: &proto::Metric, exemplars: &AllExemplars) -> Vec<Exemplar> {
    let buckets = 0..=one.get_histogram().get_bucket().len();
    let found = buckets.filter_map(|bucket| exemplars.find(metric, one, bucket));
    let told = |found: &exemplars::Exemplar| Exemplar {
        trace_id: found.trace.to_vec(),
        span_id: found.span.to_vec(),
        time_unix_nano: found.time_ns,
        value: Some(exemplar::Value::AsDouble(found.value)),
        ..Exemplar::default()
    };
    found.map(told).collect()
}

fn labels(one: &proto::Metric) -> Vec<KeyValue> {
    one.get_label().iter().map(|label| text(label.name(), label.value())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Telemetry, TraceContext};

    #[test]
    fn buckets_are_told_one_by_one() {
        let telemetry = Telemetry::new().expect("counters");
        let at = TraceContext::begin(|_| true);
        for us in [100, 700, 2_000, 100_000_000] {
            telemetry.function("dev", "one").count("ok", us, 5, Some(&at));
        }
        let told =
            request(&Resource::default(), (&telemetry.gather(), &telemetry.exemplars()), Span { began: 1, now: 2 });
        let metrics = &told.resource_metrics[0].scope_metrics[0].metrics;
        let find = |name: &str| metrics.iter().find(|metric| metric.name == name).expect(name);
        let times = find("airlock_invocation_duration_seconds");
        let Some(Data::Histogram(Histogram { data_points, .. })) = &times.data else { panic!("{times:?}") };
        let [point] = data_points.as_slice() else { panic!("{data_points:?}") };
        assert_eq!((times.unit.as_str(), point.count, point.bucket_counts.iter().sum::<u64>()), ("s", 4, 4));
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        assert_eq!(point.exemplars.len(), 4, "each fell into a bucket of its own");
        assert!(point.exemplars.iter().all(|one| one.trace_id == at.trace));
        assert_eq!((point.bucket_counts[0], point.bucket_counts.last()), (1, Some(&1)));
        let fuel = find("airlock_invocation_fuel_total");
        let Some(Data::Sum(sum)) = &fuel.data else { panic!("{fuel:?}") };
        assert_eq!((sum.is_monotonic, sum.data_points[0].value), (true, Some(Value::AsDouble(20.0))));
    }
}
