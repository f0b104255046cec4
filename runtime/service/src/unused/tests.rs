use std::{path::Path, sync::Arc};

use airlock_model::Principal;

use super::*;

const CONFIG: &str = r#"
[state]
dir = "state"
[[tokens.issuer]]
iss = "https://platform.example"
jwks = { file = "keys.json" }
[environments.dev]
[environments.prod]
[resources.db]
kind = "sql"
dev = { engine = "sqlite", path = "db", operations = ["read", "write"] }
prod = { engine = "sqlite", path = "db", operations = ["read"] }
[resources.crm]
kind = "http"
dev = { engine = "http", base_url = "https://crm.example", operations = ["GET:/a/*", "GET:/b/*"] }
[[identity.access]]
group = "payments"
environments = ["dev"]
functions = ["*"]
use = ["db:read", "db:write", "crm:GET:/a/*"]
[[identity.access]]
subject = "ada"
environments = ["dev", "prod"]
functions = ["*"]
use = ["db:read"]
"#;

fn event(kind: AuditKind, subject: &str, environment: &str) -> AuditEvent {
    let mut event = AuditEvent::new(kind, 0);
    event.principal = Some(Arc::new(Principal {
        tenant: "acme".parse().expect("a name"),
        app: "a".parse().expect("a name"),
        subject: subject.to_owned(),
        actor: None,
    }));
    event.environment = Some(environment.into());
    event.decision = Some(Decision::Permit);
    event
}

fn used(subject: &str, environment: &str, (resource, operation, target): (&str, &str, &str)) -> AuditEvent {
    let mut event = event(AuditKind::HostCallOutcome, subject, environment);
    event.resource = Some(resource.to_owned());
    event.operation = Some(operation.to_owned());
    event.target = Some(target.to_owned());
    event
}

fn unused(events: &[AuditEvent]) -> Vec<String> {
    let config = Config::parse(CONFIG, "airlock.toml", &[], Path::new("/srv")).expect("valid");
    let mut uses = GrantUses::default();
    events.iter().for_each(|event| uses.add(event));
    let found = uses.unused(&config).expect("judged");
    found.iter().map(|one| format!("{}: {}", one.key, one.value)).collect()
}

#[test]
fn a_grant_is_used_by_those_who_had_it_and_by_nobody_else() {
    let mut exchanged = event(AuditKind::TokenExchanged, "eve", "dev");
    exchanged.granted_to = vec!["group payments".to_owned()];
    let all = [
        exchanged,
        used("eve", "dev", ("db", "read", "select 1")),
        used("eve", "dev", ("crm", "GET", "/a/7?x=1")),
        // Not by the group's word, so it is no use of the group's grant; of the binding's it is.
        used("bob", "dev", ("db", "write", "delete from t")),
    ];
    assert_eq!(
        unused(&all),
        [
            "identity.access[0].use: db:write",
            "identity.access[1].use: db:read",
            "resources.crm.dev.operations: GET:/b/*",
            "resources.db.prod.operations: read",
        ]
    );
}

#[test]
fn what_was_denied_or_only_meant_is_no_use() {
    let mut denied = used("bob", "dev", ("db", "read", "select 1"));
    denied.decision = Some(Decision::Deny);
    let meant = AuditEvent { kind: AuditKind::HostCallIntent, ..used("bob", "dev", ("db", "read", "select 1")) };
    let everything = unused(&[]);
    assert_eq!(everything.len(), 9, "{everything:?}");
    assert_eq!(unused(&[denied, meant]), everything);
}

#[test]
fn a_path_that_cannot_be_read_counts_for_every_pattern() {
    let left = unused(&[used("bob", "dev", ("crm", "GET", "/a/ (hidden)"))]);
    assert!(!left.iter().any(|one| one.starts_with("resources.crm")), "{left:?}");
}

#[test]
fn every_place_is_said() {
    let config = Config::parse(CONFIG, "airlock.toml", &[], Path::new("/srv")).expect("valid");
    let found = GrantUses::default().unused(&config).expect("judged");
    assert!(found.iter().all(|one| one.place.starts_with("airlock.toml:")), "{found:?}");
    assert_eq!(found[0].member.as_deref(), Some("group payments"));
}

const PROVIDER: &str = r#"
[[identity.provider]]
iss = "https://idp.acme.example"
audience = "airlock"
jwks = { file = "keys.json" }
tenant = "acme"
app = "desk"
"#;

#[test]
fn a_tenant_is_told_what_its_own_people_are_given_where_it_asks() {
    let text = format!("{CONFIG}{PROVIDER}");
    let config = Config::parse(&text, "airlock.toml", &[], Path::new("/srv")).expect("valid");
    let mut uses = GrantUses::default();
    uses.add(&used("eve", "dev", ("db", "read", "SELECT 1")));
    let told = |tenant: &str, environment: &str| {
        let (tenant, environment) = (tenant.parse().expect("a name"), environment.parse().expect("a name"));
        let found = uses.unused_by(&config, &tenant, &environment).expect("judged");
        let keys: Vec<_> = found.iter().map(|one| format!("{}: {}", one.key, one.value)).collect();
        (keys, uses.seen_in(&tenant, &environment))
    };
    let (acme, seen) = told("acme", "dev");
    assert_eq!(seen, 1);
    assert!(acme.contains(&"identity.access[0].use: db:write".to_owned()), "{acme:?}");
    assert!(acme.contains(&"resources.db.dev.operations: write".to_owned()), "{acme:?}");
    assert!(!acme.contains(&"resources.db.dev.operations: read".to_owned()), "somebody used it: {acme:?}");
    assert!(!acme.iter().any(|key| key.contains(".prod.")), "of another environment: {acme:?}");
    let (globex, _) = told("globex", "dev");
    assert!(!globex.iter().any(|key| key.starts_with("identity.")), "nobody of theirs is given anything: {globex:?}");
    assert!(globex.contains(&"resources.db.dev.operations: write".to_owned()), "{globex:?}");
    let (prod, seen) = told("acme", "prod");
    assert_eq!(seen, 0);
    assert!(prod.contains(&"resources.db.prod.operations: read".to_owned()), "{prod:?}");
    assert!(!prod.iter().any(|key| key.starts_with("identity.access[0]")), "not given there: {prod:?}");
}
