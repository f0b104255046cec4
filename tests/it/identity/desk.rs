//! `airlock serve --dev`: a server for one desk, whose tokens count nowhere else.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use airlock_access::{Algorithm, SigningKey, public_jwks};
use airlock_tests::{
    command::{CommandServer, airlock_command, outcome},
    guests::WatGuest,
};
use rustix::process::Signal;
use tonic::{Code, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

const LISTEN: &str = "[server]\ndata = \"127.0.0.1:0\"\ncontrol = \"127.0.0.1:0\"\n[state]\ndir = \"state\"\n";

/// A directory to sit in.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).expect(name);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = airlock_command(arguments);
        command.current_dir(self.0.path());
        // Where there is no configuration file, whose ports would be the usual ones.
        command.env("AIRLOCK__SERVER__DATA", "127.0.0.1:0").env("AIRLOCK__SERVER__CONTROL", "127.0.0.1:0");
        command
    }

    /// The status, standard output and standard error of a command.
    fn airlock(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        outcome(self.command(arguments))
    }

    fn serve(&self, arguments: &[&str]) -> CommandServer {
        CommandServer::start(self.command(&[&["serve"], arguments].concat()))
    }

    fn mint(&self, more: &[&str]) -> String {
        let (code, token, said) = self.airlock(&[&["token", "mint", "--dev"], more].concat());
        assert_eq!(code, Some(0), "{said}");
        token.trim().to_owned()
    }

    /// The key of the desk, as somebody would carry it elsewhere.
    fn key(&self) -> SigningKey {
        let text = std::fs::read_to_string(self.path(".airlock/dev/signing-key.json")).expect("minted before");
        SigningKey::from_file_text(&text).expect("a key")
    }

    /// A project that returns 1.
    fn project(&self) {
        std::fs::create_dir(self.path("one")).expect("a directory");
        self.write("one/function.wasm", WatGuest::returning("1").component());
        self.write("one/function.toml", "name = \"one\"\nlanguage = \"component\"\n");
    }
}

async fn health(address: &str, service: &str) -> Result<i32, Code> {
    let channel = Channel::from_shared(address.to_owned()).expect("an address").connect().await.expect("served");
    let answer = HealthClient::new(channel).check(HealthCheckRequest { service: service.to_owned() }).await;
    answer.map(|answer| answer.into_inner().status).map_err(|status| status.code())
}

#[tokio::test]
async fn an_empty_directory_is_enough_to_deploy_and_call() {
    let (desk, other) = (Desk::new(), Desk::new());
    desk.project();
    let served = desk.serve(&["--dev"]);
    let banner = served.line("development server");
    assert!(banner.contains("airlock-dev:"), "{banner}");
    assert!(served.line("Token").ends_with("export AIRLOCK_TOKEN=$(airlock token mint --dev)"));
    let (data, control) = (served.address("calls on"), served.address("control on"));
    assert!(data.starts_with("http://127.0.0.1:"), "{data}");
    let token = desk.mint(&[]);
    let (code, _, said) = desk.airlock(&["deploy", "one", "--server", &control, "--token", &token]);
    assert_eq!(code, Some(0), "{said}");
    let invoke = |token: &str| desk.airlock(&["invoke", "one", "--server", &data, "--token", token]);
    let (code, result, said) = invoke(&token);
    assert_eq!((code, result.trim()), (Some(0), "1"), "{said}");
    // Everything says what this server is.
    assert_eq!(health(&data, "airlock.development").await, Ok(1));
    let (_, shown, _) = desk.airlock(&["config", "show", "--server", &control, "--token", &token]);
    assert!(shown.contains("tokens.development") && shown.contains(desk.key().key_id()), "{shown}");
    let (_, trail, said) = desk.airlock(&["audit", "list", "--state", ".airlock/dev/state", "--json"]);
    assert!(trail.contains(&format!("development server, tokens of `{}`", desk.key().key_id())), "{trail}{said}");
    let (_, listed, said) =
        desk.airlock(&["audit", "list", "--state", ".airlock/dev/state", "--kind", "server_started"]);
    let line = listed.lines().next().unwrap_or_else(|| panic!("no record: {said}"));
    let (time, kind) = (line.split_whitespace().nth(1).expect("a time"), line.split_whitespace().nth(2));
    assert!(time.starts_with("20") && time.ends_with('Z') && kind == Some("server_started"), "{listed}");
    assert_eq!(listed.lines().count(), 1, "no other kind: {listed}");
    let (code, _, said) = desk.airlock(&["audit", "list", "--state", ".airlock/dev/state", "--kind", "nonsense"]);
    assert!(code == Some(1) && said.contains("nonsense"), "{said}");
    // A neighbour's desk is another one.
    let (code, _, said) = invoke(&other.mint(&[]));
    assert!(code == Some(3) && said.contains("token_invalid"), "{said}");
    drop(served);
    // The next start has the same issuer.
    let served = desk.serve(&["--dev"]);
    let data = served.address("calls on");
    let (code, result, said) = desk.airlock(&["invoke", "one", "--server", &data, "--token", &token]);
    assert_eq!((code, result.trim()), (Some(0), "1"), "{said}");
}

#[test]
fn a_command_is_about_the_environment_that_its_token_is_for() {
    let desk = Desk::new();
    desk.project();
    desk.write("airlock.toml", format!("{LISTEN}[environments.dev]\n[environments.qa]\n"));
    let served = desk.serve(&["--dev"]);
    let (data, control) = (served.address("calls on"), served.address("control on"));
    let token = desk.mint(&["--environment", "qa"]);
    let on = |server: &str, arguments: &[&str]| {
        let access = ["--server", server, "--token", &token];
        desk.airlock(&[arguments, &access].concat())
    };
    let (code, _, said) = on(&control, &["deploy", "one"]);
    assert!(code == Some(0) && said.contains("one to qa"), "{said}");
    let (code, result, said) = on(&data, &["invoke", "one"]);
    assert_eq!((code, result.trim()), (Some(0), "1"), "{said}");
    let (_, printed, _) = on(&control, &["revisions", "one"]);
    let digest = printed.split_whitespace().nth(2).expect("a digest").to_owned();
    for command in [
        &["functions"][..],
        &["limits"],
        &["config", "show"],
        &["resources", "list"],
        &["approvals", "list"],
        &["token", "revocations"],
        &["token", "attenuate", "--calls", "1"],
        &["bindings", "--from-recording", "one"],
        &["disable", "one", "--reason", "x"],
        &["enable", "one"],
        // The digest as the list printed it.
        &["alias", "one", "next", &format!("{digest}=100")],
        &["rollback", "one", "--to", &digest],
        &["reload"],
    ] {
        let (code, _, said) = on(&control, command);
        assert_eq!(code, Some(0), "{command:?}: {said}");
    }
    assert_eq!(on(&data, &["explain", "one"]).0, Some(0));
    // What is said counts, and the server decides.
    let (code, _, said) = on(&data, &["invoke", "one", "--environment", "dev"]);
    assert!(code == Some(3) && said.contains("not_granted"), "{said}");
    let (code, _, said) = on(&control, &["functions", "-e", "dev"]);
    assert!(code == Some(3) && said.contains("not_granted"), "{said}");
}

/// A server that others rely on, with a key of its own.
fn production() -> (Desk, String) {
    let desk = Desk::new();
    let key = SigningKey::generate(Algorithm::EdDsa, "key-1").expect("a key");
    desk.write("keys.json", public_jwks(&[&key]));
    let config = format!(
        "{LISTEN}[environments.dev]\n[[tokens.issuer]]\niss = \"https://a.example\"\njwks = {{ file = \"keys.json\" }}\n"
    );
    desk.write("airlock.toml", &config);
    (desk, config)
}

#[tokio::test]
async fn production_takes_no_token_of_a_desk_even_with_its_key() {
    let desk = Desk::new();
    let token = desk.mint(&[]);
    let key = desk.key();
    let (production, config) = production();
    production.write("copied.json", public_jwks(&[&key]));
    production.write("copied-key.json", key.to_file_text().expect("text"));
    let served = production.serve(&[]);
    let data = served.address("calls on");
    let (code, _, said) = production.airlock(&["invoke", "one", "--server", &data, "--token", &token]);
    assert!(code == Some(3) && said.contains("token_invalid"), "{said}");
    assert_eq!(health(&data, "airlock.development").await, Err(Code::NotFound));

    let issuer =
        |iss: &str| format!("{config}[[tokens.issuer]]\niss = \"{iss}\"\njwks = {{ file = \"copied.json\" }}\n");
    let provider = |iss: &str| {
        format!(
            "{config}[[identity.provider]]\niss = \"{iss}\"\naudience = \"a\"\njwks = {{ file = \"copied.json\" }}\n\
             tenant = \"acme\"\napp = \"a\"\n"
        )
    };
    let own = format!("{config}[identity]\nkey = {{ file = \"copied-key.json\" }}\n");
    for (text, named) in [
        (issuer(key.key_id()), "tokens.issuer[1].iss"),
        (issuer("https://b.example"), "keys new"),
        (provider(key.key_id()), "identity.provider[0].iss"),
        (provider("https://b.example"), "keys new"),
        (own, "keys new"),
    ] {
        production.write("airlock.toml", &text);
        served.signal(Signal::HUP);
        let refused = served.line("not reloaded");
        assert!(refused.contains(named) && refused.contains("airlock.toml:"), "{named}: {refused}");
        let (code, _, said) = production.airlock(&["serve"]);
        assert!(code == Some(1) && said.contains(named), "{named}: {said}");
        let (code, _, said) = production.airlock(&["config", "check"]);
        assert!(code == Some(1) && said.contains(named), "{named}: {said}");
    }
    let (code, _, said) = production.airlock(&["invoke", "one", "--server", &data, "--token", &token]);
    assert!(code == Some(3) && said.contains("token_invalid"), "{said}");
}

#[test]
fn a_desk_is_refused_where_others_rely_on_the_server() {
    let desk = Desk::new();
    let fine = format!("{LISTEN}[environments.dev]\nwrites = \"allow\"\n");
    desk.write("airlock.toml", &fine);
    let served = desk.serve(&["--dev"]);
    served.line("control on");
    let promotion = format!("{fine}[environments.prod]\npromote_from = [\"dev\"]\ndeploys = \"promotion\"\n");
    for (text, named) in [
        (promotion, "airlock.toml:10"),
        (format!("{fine}signed_by = [\"ci\"]\n[signers.ci]\npublic_key = {{ file = \"ci.pub\" }}\n"), "airlock.toml:8"),
    ] {
        desk.write("airlock.toml", &text);
        served.signal(Signal::HUP);
        let refused = served.line("not reloaded");
        assert!(refused.contains(named) && refused.contains("`--dev` is refused"), "{refused}");
        for command in [&["serve", "--dev"][..], &["token", "mint", "--dev"]] {
            let (code, _, said) = desk.airlock(command);
            assert!(code == Some(1) && said.contains(named) && said.contains("`--dev` is refused"), "{said}");
        }
    }
    desk.write("airlock.toml", &fine);
    served.signal(Signal::HUP);
    served.line("Reloaded");
    let mut open = desk.command(&["serve", "--dev"]);
    let open = open.env("AIRLOCK__SERVER__DATA", "0.0.0.0:0").output().expect("airlock runs");
    let said = String::from_utf8_lossy(&open.stderr).into_owned();
    assert!(
        open.status.code() == Some(1) && said.contains("AIRLOCK__SERVER__DATA") && said.contains("loopback"),
        "{said}"
    );
}

#[test]
fn without_dev_somebody_has_to_be_an_issuer() {
    let desk = Desk::new();
    let (code, _, said) = desk.airlock(&["serve"]);
    assert!(code == Some(1) && said.contains("airlock serve --dev"), "{said}");
    desk.write("airlock.toml", format!("{LISTEN}[environments.dev]\n"));
    for command in [&["serve"][..], &["config", "check"]] {
        let (code, _, said) = desk.airlock(command);
        assert!(code == Some(1) && said.contains("[[tokens.issuer]]") && said.contains("keys new"), "{said}");
    }
    let issuer = "[[tokens.issuer]]\niss = \"https://a.example\"\njwks = { file = \"keys.json\" }\n";
    desk.write("airlock.toml", format!("{LISTEN}[environments.dev]\n{issuer}"));
    for command in [&["serve"][..], &["config", "check"]] {
        let (code, _, said) = desk.airlock(command);
        assert!(code == Some(1) && said.contains("keys new") && said.contains("keys.json"), "{said}");
    }
    assert!(!Path::new(&desk.path(".airlock")).exists(), "nobody asked for a desk");
    let (code, _, said) = desk.airlock(&["serve", "--dev", "--config", "none.toml"]);
    assert!(code == Some(1) && said.contains("none.toml"), "{said}");
}
