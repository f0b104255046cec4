use super::*;

const SMALL: &str = r#"
    [state]
    dir = "state"
    [[tokens.issuer]]
    iss = "https://platform.example"
    jwks = { file = "keys.json" }
    [environments.dev]
    writes = "allow"
    [resources.orders-db]
    kind = "sql"
    [resources.orders-db.dev]
    engine = "sqlite"
    path = "orders.db"
    operations = ["read", "write"]
"#;

fn parse(text: &str, overlay: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let overlay: Vec<_> = overlay.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::parse(text, "airlock.toml", &overlay, Path::new("/etc/airlock"))
}

#[test]
fn a_small_configuration_gets_defaults_and_absolute_paths() {
    let config = parse(SMALL, &[]).expect("valid");
    assert_eq!(config.server.data.port(), 7070);
    assert_eq!(config.state.dir, Path::new("/etc/airlock/state"));
    assert_eq!(config.limits.operator(), Limits::BUILT_IN);
}

#[test]
fn an_operator_sets_what_an_upload_may_be() {
    let text = format!("{SMALL}\n[deploy]\ncompile_memory_bytes = \"2GiB\"\nbounds = {{ functions = 7 }}");
    let deploy = parse(&text, &[]).expect("valid").deploy;
    assert_eq!(deploy.compile_limits().memory_bytes, 2 << 30);
    assert_eq!(deploy.bounds, airlock_analysis::Bounds { functions: 7, ..airlock_analysis::Bounds::BUILT_IN });
}

#[test]
fn the_environment_overlays_the_file() {
    let overlay = [("AIRLOCK__SERVER__DATA", "127.0.0.1:9"), ("AIRLOCK__LIMITS__DEFAULT__FUEL", "5")];
    let config = parse(SMALL, &overlay).expect("valid");
    assert_eq!(config.server.data.port(), 9);
    assert_eq!(config.limits.operator().fuel.get(), 5);
}

#[test]
fn mistakes_are_named_with_their_place() {
    let cases = [
        (SMALL.replace("[state]", "[stat]"), "stat"),
        (SMALL.replace("dir =", "dirr ="), "dirr"),
        (SMALL.replace("\"allow\"", "\"maybe\""), "approve-statement"),
        (SMALL.replace("orders-db.dev", "orders-db.qa"), "environments.qa"),
        (SMALL.replace("sqlite", "oracle"), "oracle"),
        (SMALL.replace("path =", "pat ="), "pat"),
        (SMALL.replace("kind = \"sql\"", "kind = \"http\""), "another engine"),
        (format!("{SMALL}\n[isolation]\nlevel = \"L2\""), "L1"),
        (format!("{SMALL}\n[limits.default]\nmemory_bytes = \"8GiB\""), "memory_bytes_max"),
        (format!("{SMALL}\n[limits.default]\nfule = 1"), "fule"),
        (format!("{SMALL}\n[deploy]\ncompile_memory = 1"), "compile_memory"),
        (format!("{SMALL}\n[deploy]\ncompile_memory_bytes = \"1MiB\""), "deploy.compile_memory_bytes"),
        (format!("{SMALL}\n[deploy.bounds]\nfunktions = 1"), "funktions"),
        (format!("{SMALL}\n[limits.tenant.acme]\nweigth = 1"), "weigth"),
        (format!("{SMALL}\n[limits.tenant.acme]\ncalls_per_day = 0"), "amount"),
        (format!("{SMALL}\n[limits.tenant.acme]\nweight = 1001"), "limits.tenant.acme.weight"),
        (format!("{SMALL}\n[limits.tenant.acme]\ncalls_burst = 5"), "limits.tenant.acme.calls_burst"),
        (format!("{SMALL}\n[limits.default]\ncalls_per_day = 5"), "calls_per_day"),
        (format!("{SMALL}\n[admission]\nrunning_max = 513"), "admission.running_max"),
        (format!("{SMALL}\n[admission]\nrunning_max = 0"), "running_max"),
        (format!("{SMALL}\n[admission]\nqueue_max = 5"), "admission.queue_max_per_tenant"),
        (format!("{SMALL}\n[admission]\nqueue_time_ms_max = \"11min\""), "admission.queue_time_ms_max"),
        (format!("{SMALL}\n[admission]\nqueue = 5"), "queue"),
        (format!("{SMALL}\n[server]\ndata = \"127.0.0.1:7071\""), "server.control"),
    ];
    for (text, wanted) in cases {
        let message = parse(&text, &[]).expect_err("accepted").to_string();
        assert!(message.contains(wanted), "{wanted}: {message}");
    }
}

#[test]
fn an_overlay_that_names_nothing_is_refused() {
    assert!(parse(SMALL, &[("AIRLOCK__SERVER__DATTA", "1")]).is_err());
    assert!(parse(SMALL, &[("AIRLOCK____X", "1")]).is_err());
    assert!(parse(SMALL, &[("AIRLOCK__STATE__DIR__X", "1")]).is_err());
}

#[test]
fn an_unknown_key_of_a_tenant_is_named_with_its_line_and_what_could_stand_there() {
    let message = parse(&format!("{SMALL}\n[limits.tenant.acme]\nweigth = 1"), &[]).expect_err("accepted").to_string();
    for text in ["line 17", "weigth", "calls_per_day", "in_flight"] {
        assert!(message.contains(text), "{text}: {message}");
    }
}

#[test]
fn limits_and_quotas_of_a_tenant_stand_in_one_table() {
    let tenant = "[limits.tenant.acme]\nin_flight = 5\nweight = 3\ncalls_per_second = 10\nfuel_per_day = 1_000\n";
    let config =
        parse(&format!("{SMALL}\n{tenant}"), &[("AIRLOCK__LIMITS__TENANT__ACME__CALLS_PER_DAY", "7")]).unwrap();
    let acme = config.limits.tenant.values().next().unwrap();
    assert_eq!(acme.limits.in_flight.map(NonZeroU64::get), Some(5));
    let quotas = config.admission().tenants.into_values().next().unwrap();
    let calls = (quotas.calls_per_second.unwrap().get(), quotas.calls_per_day.unwrap().get());
    assert_eq!((quotas.weight().get(), calls, quotas.is_daily()), (3, (10, 7), true));
}

#[test]
fn the_server_takes_in_what_may_run_and_wait_unless_it_is_told_otherwise() {
    let config = |more: &str| parse(&format!("{SMALL}\n{more}"), &[]).expect("valid");
    let usual = config("");
    assert_eq!(
        (usual.admission().running_max, usual.in_flight_max().get()),
        (usual.sandbox.instances_max, 512 + 1_024)
    );
    assert!(!usual.cuts_the_queue_short());
    let small = config("[admission]\nrunning_max = 4\nqueue_max = 6\nqueue_max_per_tenant = 6");
    assert_eq!(small.in_flight_max().get(), 10);
    let told = config("[server]\nin_flight_max = 100");
    assert!(told.in_flight_max().get() == 100 && told.cuts_the_queue_short());
}
