//! `airlock serve` as operators run it: signals, and the commands that ask a running server.

use airlock_access::{Algorithm, SigningKey, public_jwks};
use airlock_tests::{
    command::{CommandServer, airlock_command, outcome},
    tokens::TokenSpec,
};
use rustix::process::Signal;
use serde_json::Value;

const CONFIG: &str = r#"[server]
data = "127.0.0.1:0"
control = "127.0.0.1:0"
[state]
dir = "state"
[[tokens.issuer]]
iss = "https://tests.airlock.example"
jwks = { file = "keys.json" }
[environments.dev]
[limits.default]
fuel = 5_000
"#;

#[test]
fn a_hangup_reloads_and_operators_can_ask() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = SigningKey::generate(Algorithm::EdDsa, "test").expect("a key");
    std::fs::write(dir.path().join("keys.json"), public_jwks(&[&key])).expect("write keys");
    let config = dir.path().join("airlock.toml");
    std::fs::write(&config, CONFIG).expect("write config");
    let mut command = airlock_command(&["serve", "--config", config.to_str().expect("UTF-8")]);
    command.env("AIRLOCK__LIMITS__DEFAULT__HANDLES", "77");
    let served = CommandServer::start(command);
    let control = served.address("control on");

    std::fs::write(&config, CONFIG.replace("5_000", "6_000")).expect("write config");
    served.signal(Signal::HUP);
    assert!(served.line("Reloaded").contains("1 value(s)"));
    assert!(served.line("Changed").ends_with("limits.default.fuel: 5000 -> 6000"));
    std::fs::write(&config, CONFIG.replace("fuel", "fule")).expect("write config");
    served.signal(Signal::HUP);
    let refused = served.line("not reloaded");
    assert!(refused.contains("airlock.toml:11") && refused.contains("fule"), "{refused}");

    let token = TokenSpec::operator().mint(&key);
    let ask = |arguments: &[&str]| {
        let access = ["--server", &control, "--token", &token, "--json"];
        outcome(airlock_command(&[arguments, &access].concat()))
    };
    let (code, limits, said) = ask(&["limits", "--tenant", "acme"]);
    assert_eq!(code, Some(0), "{said}");
    let limits: Value = serde_json::from_str(&limits).expect("JSON");
    let one =
        |name: &str| limits.as_array().expect("rows").iter().find(|row| row["limit"] == name).expect("it").clone();
    assert_eq!(
        (one("fuel")["value"].as_u64(), one("fuel")["place"].as_str()),
        (Some(6_000), Some("[limits.default] fuel (airlock.toml:11)"))
    );
    assert_eq!(one("handles")["place"], "[limits.default] handles (the variable AIRLOCK__LIMITS__DEFAULT__HANDLES)");
    let (code, shown, said) = ask(&["config", "show"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(shown.contains("the variable AIRLOCK__LIMITS__DEFAULT__HANDLES"), "{shown}");
    // The same refusal for the command as for the signal, and then the way out.
    let (code, _, said) = ask(&["reload"]);
    assert!(code == Some(3) && said.contains("config_invalid") && said.contains("airlock.toml:11"), "{said}");
    std::fs::write(&config, CONFIG).expect("write config");
    let (code, changes, said) = ask(&["reload"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(serde_json::from_str::<Value>(&changes).expect("JSON")[0]["new"], "5000");
    let stranger = TokenSpec::control().mint(&key);
    let (code, _, said) = outcome(airlock_command(&["reload", "--server", &control, "--token", &stranger]));
    assert!(code == Some(3) && said.contains("not_granted"), "{said}");
    served.signal(Signal::TERM);
    served.line("Draining");
}

#[test]
fn config_check_explains_every_value() {
    let dir = tempfile::tempdir().expect("a directory");
    let key = SigningKey::generate(Algorithm::EdDsa, "test").expect("a key");
    std::fs::write(dir.path().join("keys.json"), public_jwks(&[&key])).expect("write keys");
    let config = dir.path().join("airlock.toml");
    let with_secret = format!(
        "{CONFIG}[environments.lab]\ndevelopment = true\n[resources.crm]\nkind = \"http\"\n[resources.crm.lab]\n\
         engine = \"http\"\nbase_url = \"https://crm.example\"\noperations = [\"GET\"]\n\
         credential = {{ kind = \"bearer\", value = \"canary-inline-77\" }}\n"
    );
    std::fs::write(&config, with_secret).expect("write config");
    let mut command = airlock_command(&["config", "check", "--explain", "--json", "--config"]);
    command.arg(&config).env("AIRLOCK__SERVER__DRAIN_MS", "7");
    let (code, printed, said) = outcome(command);
    assert_eq!(code, Some(0), "{said}");
    let report: Value = serde_json::from_str(&printed).expect("JSON");
    let one = |key: &str| {
        let found = report["settings"].as_array().expect("a list").iter().find(|row| row["key"] == key);
        let row = found.unwrap_or_else(|| panic!("no {key} in {report}"));
        format!("{} {}", row["value"].as_str().expect("text"), row["source"].as_str().expect("text"))
    };
    assert_eq!(one("limits.default.fuel"), "5000 airlock.toml:11");
    assert_eq!(one("server.drain_ms"), "7 the variable AIRLOCK__SERVER__DRAIN_MS");
    assert_eq!(one("limits.default.handles"), "1000 built-in default");
    assert_eq!(one("environments.dev.writes"), "\"deny\" built-in default");
    assert_eq!(one("tokens.issuer[0].iss"), "\"https://tests.airlock.example\" airlock.toml:7");
    assert_eq!(one("resources.crm.lab.credential"), "(secret) airlock.toml:20");
    assert!(!printed.contains("canary-inline-77"));
}
