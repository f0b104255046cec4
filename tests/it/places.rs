//! A reached limit names the exact place of its value, over the wire and in `airlock run`.

use std::{collections::HashMap, path::Path};

use airlock_tests::{Harness, Options, airlock_binary, guests::WatGuest, guests::target_dir, tokens::TokenSpec};
use tonic_types::StatusExt;

const ENDLESS: &str = "(loop $again (br $again)) (i32.const 0)";
const SECTIONS: &str = "[limits.default]\noutput_bytes = 2_000\n[limits.tenant.acme]\npayload_bytes = \"100\"\n\
                        [limits.tenant.local]\npayload_bytes = 101\n[environments.dev.limits]\nmemory_bytes = \"1MiB\"\n";

/// What must be said for a limit of `name` that stands in `section` of the configuration.
fn place(config: &str, section: &str, name: &str) -> String {
    let header = format!("[{section}]");
    let mut lines = config.lines().enumerate().skip_while(|(_, line)| *line != header);
    let (index, _) = lines.find(|(_, line)| line.starts_with(name)).expect("the key is there");
    format!("[{section}] {name} (airlock.toml:{})", index + 1)
}

fn facts(status: &tonic::Status) -> HashMap<String, String> {
    status.get_error_details().error_info().unwrap_or_else(|| panic!("{status:?}")).metadata.clone()
}

#[tokio::test]
async fn every_source_names_its_place_over_the_wire() {
    let harness = Harness::start_with(Options { more_config: SECTIONS.to_owned() }).await;
    let config = harness.config();
    harness.deploy_wat("long", &WatGuest::returning(&format!("\"{}\"", "x".repeat(3_000))), "").await;
    harness.deploy_wat("large", &WatGuest { pages: 100, ..WatGuest::returning("1") }, "").await;
    harness.deploy_wat("spin", &WatGuest::new(ENDLESS), "# a comment\n\nfuel = 1000").await;
    let all = TokenSpec::everything();
    let tight = all.clone().limits("fuel = 10");
    let big = format!("\"{}\"", "x".repeat(200));
    let huge = format!("\"{}\"", "x".repeat(2 << 20));
    let other = all.clone().tenant("other");
    let cases = [
        ("operator", "long", &all, "null", place(&config, "limits.default", "output_bytes")),
        ("tenant", "long", &all, &big, place(&config, "limits.tenant.acme", "payload_bytes")),
        ("environment", "large", &all, "null", place(&config, "environments.dev.limits", "memory_bytes")),
        ("function", "spin", &all, "null", "[limits] fuel (function.toml:6)".to_owned()),
        ("token", "spin", &tight, "null", "the `limits` claim of the token".to_owned()),
        ("nobody", "long", &other, &huge, "built-in default".to_owned()),
    ];
    for (name, function, spec, payload, wanted) in cases {
        let status = harness.invoke_as(spec, function, payload).await.expect_err(name);
        let facts = facts(&status);
        assert_eq!(facts["source"], wanted, "{name}: {status:?}");
        assert!(facts["hint"].starts_with(&format!("configured by {}", wanted.replace("built-in", "the built-in"))));
        assert!(["limit", "configured", "used"].iter().all(|fact| facts.contains_key(*fact)), "{name}: {facts:?}");
    }
}

#[tokio::test]
async fn a_place_follows_the_line_after_a_reload() {
    let harness = Harness::start_with(Options { more_config: SECTIONS.to_owned() }).await;
    harness.deploy_wat("long", &WatGuest::returning(&format!("\"{}\"", "x".repeat(3_000))), "").await;
    harness.set_config(&format!("# one\n# more\n{}", harness.config()));
    harness.reload().await.expect("valid");
    let status = harness.invoke("long", "null").await.expect_err("stopped");
    assert_eq!(facts(&status)["source"], place(&harness.config(), "limits.default", "output_bytes"));
}

#[tokio::test]
async fn a_guest_is_told_the_place_too() {
    let harness = Harness::start_with(Options { more_config: "[limits.tenant.acme]\nhost_calls = 1\n".into() }).await;
    harness.deploy_built("sql-probe").await;
    let one = r#"{"op":"query","statement":"select 1"}"#;
    let answer = harness.probe(&TokenSpec::everything(), &format!(r#"{{"calls":[{one},{one}]}}"#)).await;
    let wanted = place(&harness.config(), "limits.tenant.acme", "host_calls");
    assert!(answer.to_string().contains(&format!("configured by {wanted}")), "{answer}");
}

#[tokio::test]
async fn the_limits_rpc_says_value_source_and_place() {
    let harness = Harness::start_with(Options { more_config: SECTIONS.to_owned() }).await;
    harness.deploy_wat("spin", &WatGuest::new(ENDLESS), "fuel = 1000").await;
    let ask = |tenant: &str, function: &str| {
        let request = airlock_proto::v1::LimitsRequest {
            environment: "dev".to_owned(),
            tenant: tenant.to_owned(),
            function: function.to_owned(),
        };
        let request = airlock_tests::with_token(request, &harness.token(&TokenSpec::operator()));
        let mut operator = harness.operator();
        async move { operator.limits(request).await.map(|response| response.into_inner().limits) }
    };
    let limits = ask("acme", "spin").await.expect("allowed");
    let one = |name: &str| limits.iter().find(|one| one.limit == name).expect(name);
    assert_eq!((one("fuel").value, one("fuel").source.as_str()), (1000, "function"));
    assert_eq!(one("fuel").place, "[limits] fuel (function.toml:4)");
    assert_eq!((one("payload_bytes").value, one("payload_bytes").source.as_str()), (100, "tenant"));
    assert_eq!((one("memory_bytes").value, one("memory_bytes").source.as_str()), (1 << 20, "environment"));
    assert_eq!((one("handles").source.as_str(), one("handles").place.as_str()), ("operator", "built-in default"));
    assert_eq!(limits.len(), airlock_model::Limit::ALL.len());
    let others = ask("other", "").await.expect("allowed");
    assert!(others.iter().all(|one| one.source != "tenant" && one.source != "function"), "{others:?}");
    assert_eq!(airlock_tests::reason(&ask("", "absent").await.expect_err("unknown")), "function_unknown");
}

/// A project around a component, and a configuration beside it.
fn project(dir: &Path, guest: &WatGuest, limits: &str) {
    std::fs::create_dir_all(dir).expect("a directory");
    std::fs::write(dir.join("function.wasm"), guest.component()).expect("write component");
    let manifest = format!("name = \"desk\"\nlanguage = \"component\"\n[limits]\n{limits}\n");
    std::fs::write(dir.join("function.toml"), manifest).expect("write manifest");
}

fn run(dir: &Path, input: &str, variable: Option<(&str, &str)>) -> String {
    let mut command = std::process::Command::new(airlock_binary());
    command.args(["run", "--input", input, "--config"]).arg(dir.join("../airlock.toml")).arg(dir);
    command.env("AIRLOCK_CACHE_DIR", target_dir().join("airlock-cache")).envs(variable);
    let output = command.output().expect("airlock runs");
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

#[test]
fn airlock_run_says_the_same() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = format!(
        "[state]\ndir = \"state\"\n[[tokens.issuer]]\niss = \"x\"\njwks = {{ file = \"k\" }}\n[environments.dev]\n{SECTIONS}"
    );
    std::fs::write(dir.path().join("airlock.toml"), &config).expect("write config");
    let (long, large, spin) = (dir.path().join("long"), dir.path().join("large"), dir.path().join("spin"));
    project(&long, &WatGuest::returning(&format!("\"{}\"", "x".repeat(3_000))), "");
    project(&large, &WatGuest { pages: 100, ..WatGuest::returning("1") }, "");
    project(&spin, &WatGuest::new(ENDLESS), "fuel = 1000");
    let big = format!("\"{}\"", "x".repeat(200));
    let cases = [
        (&long, "null", None, place(&config, "limits.default", "output_bytes")),
        (&long, &big, None, place(&config, "limits.tenant.local", "payload_bytes")),
        (&large, "null", None, place(&config, "environments.dev.limits", "memory_bytes")),
        (&spin, "null", None, "[limits] fuel (function.toml:4)".to_owned()),
        (
            &long,
            "null",
            Some(("AIRLOCK__LIMITS__DEFAULT__OUTPUT_BYTES", "1000")),
            "[limits.default] output_bytes (the variable AIRLOCK__LIMITS__DEFAULT__OUTPUT_BYTES)".to_owned(),
        ),
    ];
    for (project, input, variable, wanted) in cases {
        let said = run(project, input, variable);
        assert!(said.contains(&format!("configured by {wanted}; raise it there")), "{wanted}: {said}");
        assert!(said.contains(&format!("source: {wanted}")) && said.contains("configured: "), "{wanted}: {said}");
    }
}
