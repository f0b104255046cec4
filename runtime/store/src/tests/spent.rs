//! What tenants spent, counted from the trail.

use std::{collections::HashMap, sync::Arc};

use airlock_model::{AuditEvent, AuditKind, Principal, TenantName, Usage};

use super::{finished, intent, open, state_dir};
use crate::Spent;

fn by(tenant: &str, event: AuditEvent, time_unix_ms: u64) -> AuditEvent {
    let (tenant, app) = (tenant.parse().expect("a tenant"), "portal".parse().expect("an app"));
    let principal = Principal { tenant, app, subject: "\"ada\" \\ 1".to_owned(), actor: None };
    AuditEvent { principal: Some(Arc::new(principal)), time_unix_ms, ..event }
}

fn spending(fuel: u64, event: AuditEvent) -> AuditEvent {
    AuditEvent { usage: Some(Usage { fuel, ..Usage::default() }), ..event }
}

fn of(spent: &HashMap<TenantName, Spent>, tenant: &str) -> Option<(u64, u64)> {
    spent.get(&tenant.parse().expect("a tenant")).map(|spent| (spent.calls, spent.fuel))
}

#[tokio::test]
async fn calls_and_fuel_of_a_day_are_counted_per_tenant_and_nothing_else_is() {
    let dir = state_dir();
    let store = open(dir.path());
    let midnight = 20_000 * 86_400_000;
    for number in 0..50 {
        store.append(by("acme", spending(7, finished(number)), midnight - 1)).await.expect("appended");
    }
    // Half a minute out of order, as no real trail is.
    store.append(by("acme", spending(100, finished(50)), midnight + 30_000)).await.expect("appended");
    store.append(by("acme", spending(10, finished(51)), midnight)).await.expect("appended");
    store.append(by("acme", spending(7, finished(52)), midnight - 5)).await.expect("appended");
    store.append(by("globex", spending(5, finished(53)), midnight + 9)).await.expect("appended");
    let abandoned = AuditEvent { kind: AuditKind::InvocationAbandoned, ..finished(54) };
    store.append(by("acme", abandoned, midnight + 10)).await.expect("appended");
    store.append(by("acme", intent(55), midnight + 11)).await.expect("appended");
    let refused = AuditEvent { kind: AuditKind::InvocationRefused, ..finished(56) };
    store.append(by("acme", refused, midnight + 12)).await.expect("appended");
    let spent = store.spent_since(midnight).await.expect("counted");
    assert_eq!(of(&spent, "acme"), Some((3, 110 + 55)), "the abandoned call counts like the mean of the others");
    assert_eq!(of(&spent, "globex"), Some((1, 5)));
    assert_eq!(spent.len(), 2);
}

#[tokio::test]
async fn an_empty_trail_and_a_quiet_day_count_nothing() {
    let dir = state_dir();
    let store = open(dir.path());
    assert!(store.spent_since(0).await.expect("counted").is_empty());
    store.append(by("acme", finished(1), 1_000)).await.expect("appended");
    assert!(store.spent_since(86_400_000).await.expect("counted").is_empty());
}
