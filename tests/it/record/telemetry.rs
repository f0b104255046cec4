//! Telemetry: what Prometheus reads and what a collector is told, and what neither must ever see.

mod collector;
mod documents;
mod metrics;
mod traces;
mod trouble;
