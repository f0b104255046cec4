//! The package policy of an environment, through the interfaces that builders use.

use std::process::Command;

use airlock_proto::v1::{CheckRequest, DeployRequest, PromoteRequest, SourceFile};
use airlock_tests::{Harness, Options, airlock_binary, guests::WatGuest, reason, tokens::TokenSpec, with_token};
use tonic::Status;
use tonic_types::StatusExt;

const MANIFEST: &str = "name = \"one\"\nlanguage = \"component\"\n";
const POLICY: &str = "
[environments.guarded]
[environments.guarded.packages]
approved = [\"npm:left-pad@^1.3\"]
minimum_age_days = 14
index = \"times.json\"
require_integrity = true
[environments.next]
promote_from = [\"dev\"]
[environments.next.packages]
approved = [\"npm:zod\"]
";
const HASH: &str = "sha512-XBx9AXhXktjUqnepgTiE5flcKIYWi/rme0Eaj+5Y0lftuGBq+jyRu/md4WnuxqgP1ubdpNCsYEYPxrzVHD8d6g==";

fn lock(packages: &[(&str, &str)]) -> String {
    let one = |(name, version): &(&str, &str)| {
        format!(",\n\"node_modules/{name}\":{{\"version\":\"{version}\",\"integrity\":\"{HASH}\"}}")
    };
    format!("{{\"lockfileVersion\":3,\"packages\":{{\"\":{{}}{}}}}}", packages.iter().map(one).collect::<String>())
}

async fn guarded() -> Harness {
    // The index is named by the configuration, so it must be there before the server starts.
    let dir = tempfile::tempdir().expect("a directory");
    let index = dir.path().join("times.json");
    std::fs::write(&index, "{\"npm:zod@3.23.8\": \"2024-05-08T00:00:00Z\"}").expect("written");
    let policy = POLICY.replace("times.json", index.to_str().expect("a path"));
    let harness = Harness::start_with(Options { more_config: policy }).await;
    // Read again at every reload, so it has to stay.
    let _kept = dir.keep();
    harness
}

fn upload(environment: &str, files: &[(&str, &str)]) -> DeployRequest {
    let file = |(path, text): &(&str, &str)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() };
    DeployRequest {
        environment: environment.to_owned(),
        manifest_toml: MANIFEST.to_owned(),
        component: WatGuest::returning("1").component(),
        sources: files.iter().map(file).collect(),
        signature: Vec::new(),
    }
}

async fn deploy(harness: &Harness, environment: &str, files: &[(&str, &str)]) -> Result<(), Status> {
    let token = harness.token(&TokenSpec::control().environment(environment));
    harness.functions().deploy(with_token(upload(environment, files), &token)).await.map(drop)
}

fn rules(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let failure = details.precondition_failure().expect("findings");
    failure.violations.iter().map(|violation| format!("{} {}", violation.r#type, violation.subject)).collect()
}

#[tokio::test]
async fn packages_are_approved_or_old_enough_or_the_deploy_is_refused() {
    let harness = guarded().await;
    let good = lock(&[("left-pad", "1.3.0"), ("zod", "3.23.8")]);
    deploy(&harness, "guarded", &[("package-lock.json", &good)]).await.expect("approved and old enough");
    for (bad, expected) in [
        (lock(&[("zod", "3.23.9")]), "package-age-unknown package-lock.json:2"),
        (lock(&[("left-pad", "1.3.0"), ("left-pad2", "1.3.0")]), "package-age-unknown package-lock.json:3"),
        (good.replace(HASH, "sha1-9yzTl7ddLFI0v"), "package-integrity package-lock.json:2"),
        ("{".to_owned(), "lockfile-unreadable package-lock.json:1"),
    ] {
        let refused = deploy(&harness, "guarded", &[("package-lock.json", &bad)]).await.expect_err("refused");
        assert_eq!(reason(&refused), "component_rejected");
        assert!(rules(&refused).iter().any(|rule| rule == expected), "{expected}: {:?}", rules(&refused));
    }
    let silent = deploy(&harness, "guarded", &[]).await.expect_err("refused");
    assert_eq!(rules(&silent), ["lockfile-missing function.toml"]);
    deploy(&harness, "dev", &[]).await.expect("an environment without a policy does not look");
}

#[tokio::test]
async fn a_check_finds_what_a_deploy_would_refuse() {
    let harness = guarded().await;
    let token = harness.token(&TokenSpec::control().environment("guarded"));
    let lock = lock(&[("zod", "9.9.9")]);
    let DeployRequest { environment, manifest_toml, component, sources, signature } =
        upload("guarded", &[("package-lock.json", &lock)]);
    let request = CheckRequest { environment, manifest_toml, component, sources, signature };
    let answer = harness.functions().check(with_token(request, &token)).await.expect("an answer").into_inner();
    assert!(!answer.accepted);
    let finding = &answer.findings[0];
    assert_eq!((finding.rule.as_str(), finding.location.as_str()), ("package-age-unknown", "package-lock.json:2"));
    assert!(finding.message.contains("npm:zod@9.9.9") && finding.fix.contains("npm:zod@9.9.9"), "{finding:?}");
}

#[tokio::test]
async fn a_promotion_is_judged_by_the_policy_of_where_it_goes() {
    let harness = guarded().await;
    let token = harness.token(&TokenSpec::only("one", &["function:promote", "resource:edit"]).environment("next"));
    let request = || PromoteRequest {
        environment: "next".to_owned(),
        function: "one".to_owned(),
        from_environment: "dev".to_owned(),
        revision: String::new(),
        percent: 0,
    };
    // Of two components, because a revision keeps the sources that it came with first.
    for (limits, package, rule) in [("", "left-pad", Some("package-unapproved")), ("[limits]\n", "zod", None)] {
        let lock = lock(&[(package, "1.0.0")]);
        let mut asked = upload("dev", &[("package-lock.json", &lock)]);
        asked.manifest_toml.push_str(limits);
        let builder = harness.token(&TokenSpec::control());
        harness.functions().deploy(with_token(asked, &builder)).await.expect("dev has no policy");
        let promoted = harness.functions().promote(with_token(request(), &token)).await;
        match rule {
            Some(rule) => assert_eq!(rules(&promoted.expect_err(package)), [format!("{rule} package-lock.json:2")]),
            None => drop(promoted.expect("approved there")),
        }
    }
}

#[tokio::test]
async fn release_times_are_read_again_with_the_configuration() {
    let harness = guarded().await;
    let fresh = lock(&[("zod", "3.24.0")]);
    let files = [("package-lock.json", fresh.as_str())];
    deploy(&harness, "guarded", &files).await.expect_err("its age is unknown");
    let config = harness.config();
    let index = config.lines().find_map(|line| line.strip_prefix("index = ")).expect("an index").trim_matches('"');
    std::fs::write(index, "{\"npm:zod@3.24.0\": \"2024-05-08T00:00:00Z\"}").expect("written");
    let changes = harness.reload().await.expect("reloaded");
    assert!(changes.iter().any(|change| change.starts_with("environments.guarded.packages.times")), "{changes:?}");
    deploy(&harness, "guarded", &files).await.expect("old enough");
    std::fs::write(index, "{\"npm:zod@3.24.0\": \"soon\"}").expect("written");
    let refused = harness.reload().await.expect_err("not a time");
    assert!(refused.message().contains("environments.guarded.packages.index"), "{}", refused.message());
    deploy(&harness, "guarded", &files).await.expect("the old times stay");
}

#[test]
fn a_policy_that_is_not_understood_is_refused_with_its_line() {
    let text = "[state]\ndir = \"state\"\n[[tokens.issuer]]\niss = \"https://i.example\"\njwks = { file = \"k\" }\n\
                [environments.dev.packages]\n";
    for (line, says) in [
        ("approved = [\"npm:zo*\"]", "environments.dev.packages.approved"),
        ("sources = [\"anywhere\"]", "environments.dev.packages.sources"),
        ("minimum_age = 3", "minimum_age"),
    ] {
        let text = format!("{text}{line}\n");
        let why = airlock_service::Config::parse(&text, "airlock.toml", &[], std::path::Path::new("/tmp"));
        let why = why.expect_err(line).public();
        assert!(why.contains(says) && why.contains("airlock.toml:7"), "{why}");
    }
}

#[test]
fn airlock_check_applies_the_policy_without_a_server() {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let airlock = |arguments: &[&str]| {
        Command::new(airlock_binary()).args(arguments).current_dir(dir.path()).output().expect("it runs")
    };
    assert!(airlock(&["new", "probe"]).status.success());
    let config = "[state]\ndir = \"state\"\n[[tokens.issuer]]\niss = \"https://i.example\"\njwks = { file = \"k\" }\n\
                  [environments.dev.packages]\napproved = [\"npm:left-pad\"]\n[environments.free]\n";
    std::fs::write(at("airlock.toml"), config).expect("written");
    std::fs::write(at("probe/package-lock.json"), lock(&[("zod", "3.23.8")])).expect("written");
    let check =
        |environment: &str| airlock(&["check", "probe", "--config", "airlock.toml", "-e", environment, "--json"]);
    let refused = check("dev");
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert_eq!(refused.status.code(), Some(3), "{said}{}", String::from_utf8_lossy(&refused.stderr));
    assert!(said.contains("package-unapproved") && said.contains("package-lock.json:2"), "{said}");
    assert_eq!(check("free").status.code(), Some(0));
    assert_eq!(check("nowhere").status.code(), Some(1));
    std::fs::write(at("probe/package-lock.json"), lock(&[("left-pad", "1.3.0")])).expect("written");
    assert_eq!(check("dev").status.code(), Some(0));
}
