//! TLS and bound tokens as people type them: `airlock serve` behind its wall, and the commands that ask it.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use airlock_access::{Algorithm, SigningKey, public_jwks};
use airlock_tests::{
    airlock_binary,
    certificates::Certificates,
    command::CommandServer,
    guests::{WatGuest, target_dir},
    idp::Idp,
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
"#;

fn airlock(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(airlock_binary());
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().expect("airlock runs");
    running.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
    let output = running.wait_with_output().expect("an end");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A directory with a configuration, and the key that its tokens are signed with.
fn place(more: &str) -> (tempfile::TempDir, SigningKey) {
    let dir = tempfile::tempdir().expect("a directory");
    let key = SigningKey::generate(Algorithm::EdDsa, "test").expect("a key");
    std::fs::write(dir.path().join("keys.json"), public_jwks(&[&key])).expect("write keys");
    std::fs::write(dir.path().join("airlock.toml"), format!("{CONFIG}{more}")).expect("write config");
    (dir, key)
}

fn text_of(path: impl AsRef<Path>) -> String {
    path.as_ref().to_str().expect("UTF-8").to_owned()
}

#[test]
fn a_client_gets_through_with_the_right_options_and_is_told_what_is_wrong() {
    let (certificates, stranger) = (Certificates::make(), Certificates::make());
    let (dir, key) = place(&certificates.config(&certificates.asking("required")));
    let served = CommandServer::serve(dir.path());
    let control = served.address("control on");
    assert!(control.starts_with("https://127.0.0.1:"), "{control}");
    let token = TokenSpec::operator().mint(&key);
    let ask = |server: &str, options: &[&str]| {
        airlock(&[&["limits", "--server", server, "--token", &token, "--json"], options].concat(), "")
    };
    let path = |file: &str| text_of(certificates.path(file));
    let (ca, cert, client_key) = (path("ca.pem"), path("client.pem"), path("client.key"));
    let own = ["--client-cert", &cert, "--client-key", &client_key];
    let (code, limits, said) = ask(&control, &[&["--ca", &ca], &own[..]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(serde_json::from_str::<Value>(&limits).expect("JSON").is_array());

    let (other_ca, theirs) = (text_of(stranger.path("ca.pem")), text_of(stranger.path("client.pem")));
    let their_key = text_of(stranger.path("client.key"));
    let plain = control.replace("https", "http");
    let cases: [(&str, Vec<&str>, &str); 6] = [
        (&control, own.to_vec(), "give its own with --ca FILE"),
        (&control, [&["--ca", &other_ca], &own[..]].concat(), &other_ca),
        (&control, vec!["--ca", &ca], "--client-cert"),
        (&control, vec!["--ca", &ca, "--client-cert", &theirs, "--client-key", &their_key], "client certificate"),
        (&control, vec!["--ca", &client_key], "holds no certificate"),
        (&plain, Vec::new(), "https://"),
    ];
    for (server, options, told) in cases {
        let (code, _, said) = ask(server, &options);
        assert!(matches!(code, Some(1 | 3)) && said.contains(told), "{options:?}: {code:?} {said}");
    }

    // Read again behind the wall, which was raised before: the directory of the certificate may be read.
    certificates.issue("server");
    served.signal(Signal::HUP);
    assert!(served.line("Reloaded").contains("1 value(s)"));
    assert!(served.line("Changed").contains("server.tls.certificate.sha256"));
    certificates.write("server.pem", "nonsense");
    served.signal(Signal::HUP);
    let refused = served.line("not reloaded");
    assert!(refused.contains("server.pem"), "{refused}");
    assert_eq!(ask(&control, &[&["--ca", &ca], &own[..]].concat()).0, Some(0), "the one before serves on");
}

#[test]
fn a_server_in_clear_text_is_no_server_for_https() {
    let (dir, key) = place("");
    let served = CommandServer::serve(dir.path());
    let control = served.address("control on");
    let token = TokenSpec::operator().mint(&key);
    let ask = |server: &str| airlock(&["limits", "--server", server, "--token", &token], "");
    assert_eq!(ask(&control).0, Some(0));
    let (code, _, said) = ask(&control.replace("http", "https"));
    assert!(code == Some(1) && said.contains("does not speak TLS: say http://"), "{said}");
}

#[test]
fn a_listener_on_a_network_without_tls_is_warned_about() {
    let certificates = Certificates::make();
    let open = |more: &str| {
        let (dir, _) = place(more);
        let config = CONFIG.replacen("data = \"127.0.0.1:0\"", "data = \"0.0.0.0:0\"", 1);
        std::fs::write(dir.path().join("airlock.toml"), format!("{config}{more}")).expect("write config");
        let config = text_of(dir.path().join("airlock.toml"));
        let (_, report, _) = airlock(&["doctor", "--json", "--config", &config], "");
        let report: Value = serde_json::from_str(&report).expect("JSON");
        report.to_string()
    };
    assert!(open("").contains("0.0.0.0:0 without TLS"));
    assert!(!open(&certificates.config("")).contains("without TLS"));
    let (dir, _) = place("");
    let config = CONFIG.replacen("data = \"127.0.0.1:0\"", "data = \"0.0.0.0:0\"", 1);
    std::fs::write(dir.path().join("airlock.toml"), config).expect("write config");
    let served = CommandServer::serve(dir.path());
    assert!(served.line("clear text").contains("0.0.0.0:0"));
}

#[test]
fn tokens_are_minted_for_their_holder_and_inspected() {
    let certificates = Certificates::make();
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| text_of(dir.path().join(name));
    for name in ["issuer", "holder"] {
        let (key, jwks) = (path(&format!("{name}.key")), path(&format!("{name}.jwks")));
        let made = airlock(&["token", "keygen", "--key", &key, "--jwks", &jwks, "--algorithm", "ES256"], "");
        assert_eq!(made.0, Some(0), "{}", made.2);
    }
    let issuer = path("issuer.key");
    let mint = |more: &[&str]| {
        let usual = ["token", "mint", "--key", &issuer, "--issuer", "https://x.example", "--tenant", "acme"];
        airlock(&[&usual, &["--app", "tests", "--subject", "ada"][..], more].concat(), "")
    };
    let inspect = |token: &str| {
        let (code, shown, said) = airlock(&["token", "inspect", "--jwks", &path("issuer.jwks")], token);
        assert_eq!(code, Some(0), "{shown}{said}");
        shown
    };
    assert!(!inspect(&mint(&[]).1).contains("cnf"));
    // Without keys it is shown, and nobody says that it is good.
    let (code, shown, _) = airlock(&["token", "inspect"], &mint(&[]).1);
    assert!(code == Some(0) && shown.contains("not verified") && shown.contains("who        ada"), "{shown}");
    let (code, shown, _) = airlock(&["token", "inspect", "--json"], &mint(&[]).1);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!((code, &shown["kind"], &shown["verified"]), (Some(0), &"access".into(), &false.into()));
    assert_eq!((&shown["signature"]["valid"], &shown["claims_json"]["sub"]), (&false.into(), &"ada".into()));
    assert_eq!(airlock(&["token", "inspect"], "nonsense").0, Some(3));
    let (certificate, holder) = (text_of(certificates.path("client.pem")), format!("@{}", path("holder.jwks")));
    let bound = inspect(&mint(&["--bind-certificate", &certificate]).1);
    let thumbprint = certificates.thumbprint("client").to_string();
    assert!(bound.contains(&format!(r#"cnf        {{"x5t#S256":"{thumbprint}"}}"#)), "{bound}");
    let both = inspect(&mint(&["--bind-certificate", &certificate, "--bind-key", &holder]).1);
    assert!(both.contains(r#""jkt":""#) && both.contains(&thumbprint), "{both}");
    for (option, odd) in [("--bind-key", format!("@{issuer}")), ("--bind-certificate", issuer.clone())] {
        let (code, _, said) = mint(&[option, &odd]);
        assert!(code == Some(1) && !said.contains("pkcs8"), "{said}");
    }
}

/// What a person types who exchanges a login for a token that nobody else can use.
#[test]
fn a_token_is_exchanged_for_a_key_and_used_with_it() {
    let idp = Idp::new();
    let access = "[[identity.access]]\ngroup = \"ops\"\nenvironments = [\"dev\"]\nroles = [\"operator\"]\n";
    let (dir, _) = place(&format!("{}{access}", Idp::section()));
    idp.publish(dir.path());
    let path = |name: &str| text_of(dir.path().join(name));
    for name in ["holder", "thief"] {
        let (key, jwks) = (path(&format!("{name}.key")), path(&format!("{name}.jwks")));
        assert_eq!(airlock(&["keys", "new", "--key", &key, "--jwks", &jwks], "").0, Some(0));
    }
    let (holder, thief) = (path("holder.key"), path("thief.key"));
    let served = CommandServer::serve(dir.path());
    let control = served.address("control on");
    let exchange = |options: &[&str]| {
        let login = idp.token("ada", &["ops"]);
        let usual = ["token", "exchange", "--server", &control, "--subject-token", &login, "--json"];
        let (code, answer, said) = airlock(&[&usual, options].concat(), "");
        assert_eq!(code, Some(0), "{said}");
        serde_json::from_str::<Value>(&answer).expect("JSON")
    };
    let text = |answer: &Value, member: &str| answer[member].as_str().expect("a text").to_owned();
    let limits = |token: &str, options: &[&str]| {
        let usual = ["limits", "--server", &control, "--token", token, "--json"];
        airlock(&[&usual, options].concat(), "")
    };
    let bound = exchange(&["--dpop-key", &holder]);
    assert_eq!(text(&bound, "token_type"), "DPoP");
    let token = text(&bound, "access_token");
    let (code, _, said) = limits(&token, &["--dpop-key", &holder]);
    assert_eq!(code, Some(0), "{said}");
    for options in [&["--dpop-key", thief.as_str()][..], &[]] {
        let (code, _, said) = limits(&token, options);
        assert!(code != Some(0) && said.contains("token_invalid"), "{options:?}: {said}");
    }
    // A key of the environment's is for tokens that are bound to one.
    let bearer = exchange(&[]);
    assert_eq!(text(&bearer, "token_type"), "Bearer");
    assert_eq!(limits(&text(&bearer, "access_token"), &["--dpop-key", &holder]).0, Some(0));
}

/// A function is tried by the configuration of a server whose key its author may not read, with a token of nobody's.
#[test]
fn a_local_run_needs_neither_the_servers_key_nor_a_bound_token() {
    let (dir, _) = place("[tokens]\nsender_bound = \"require\"\n");
    let config = dir.path().join("airlock.toml");
    let tls = "[server.tls]\ncertificate = { file = \"none.pem\" }\nkey = { file = \"none.key\" }\n";
    std::fs::write(&config, std::fs::read_to_string(&config).expect("ours") + tls).expect("write config");
    let (code, _, said) = airlock(&["config", "check", "--config", &text_of(&config)], "");
    assert!(code == Some(1) && said.contains("none.pem"), "a server needs it: {said}");
    let project = dir.path().join("one");
    std::fs::create_dir(&project).expect("a directory");
    std::fs::write(project.join("function.wasm"), WatGuest::returning("1").component()).expect("write");
    std::fs::write(project.join("function.toml"), "name = \"one\"\nlanguage = \"component\"\n").expect("write");
    let cache = text_of(target_dir().join("airlock-cache"));
    let run = ["run", "--cache-dir", &cache, "--config", &text_of(&config), &text_of(&project)];
    let (code, shown, said) = airlock(&run, "");
    assert_eq!((code, shown.trim()), (Some(0), "1"), "{said}");
}
