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
