//! What a policy lets in and what it refuses, each with its twin.

use std::{collections::BTreeMap, sync::Arc};

use airlock_analysis::packages::{PackagePolicy, SourceRule, TimeIndex, check};
use airlock_model::{Finding, Language, Severity};

/// 2024-06-01T00:00:00Z.
const NOW: u64 = 1_717_200_000;
const LOCK: &str = r#"{"lockfileVersion":3,"packages":{"":{"name":"probe"},
"node_modules/zod":{"version":"3.23.8","integrity":"sha512-XBx9AXhXktjUqnepgTiE5flcKIYWi/rme0Eaj+5Y0lftuGBq+jyRu/md4WnuxqgP1ubdpNCsYEYPxrzVHD8d6g=="},
"node_modules/left-pad":{"version":"1.3.0","resolved":"https://registry.npmjs.org/left-pad/-/left-pad-1.3.0.tgz"}}}"#;

/// A policy that takes anything of a registry.
pub(super) fn open() -> PackagePolicy {
    PackagePolicy {
        approved: None,
        minimum_age_days: None,
        sources: vec![SourceRule::Registry],
        require_integrity: false,
        index: Arc::default(),
        lockfile_times: true,
    }
}

fn approving(list: &[&str]) -> PackagePolicy {
    PackagePolicy { approved: Some(list.iter().map(|one| one.parse().expect("an entry")).collect()), ..open() }
}

fn aged(days: u64, index: &str) -> PackagePolicy {
    let index = Arc::new(TimeIndex::parse(index).expect("an index"));
    PackagePolicy { minimum_age_days: Some(days), index, ..open() }
}

fn sources(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn judge(policy: &PackagePolicy, language: Language, files: &[(&str, &str)]) -> Vec<Finding> {
    let findings = check(policy, language, &sources(files), NOW);
    for finding in &findings {
        assert_eq!(finding.severity, Severity::Error);
        assert!(!finding.fix.is_empty() && !finding.message.is_empty() && !finding.location.is_empty(), "{finding:?}");
    }
    findings
}

fn npm(policy: &PackagePolicy, lock: &str) -> Vec<(String, String)> {
    let findings = judge(policy, Language::Typescript, &[("package-lock.json", lock)]);
    findings.into_iter().map(|finding| (finding.rule, finding.location)).collect()
}

fn said(rule: &str, location: &str) -> (String, String) {
    (rule.to_owned(), location.to_owned())
}

#[test]
fn a_package_is_approved_or_named() {
    assert_eq!(npm(&open(), LOCK), []);
    assert_eq!(npm(&approving(&["npm:zod", "npm:left-pad@^1.3"]), LOCK), []);
    assert_eq!(npm(&approving(&["npm:zod"]), LOCK), [said("package-unapproved", "package-lock.json:3")]);
    assert_eq!(
        npm(&approving(&["npm:zod@<3", "npm:left-pad"]), LOCK),
        [said("package-unapproved", "package-lock.json:2")]
    );
    let findings = judge(&approving(&[]), Language::Typescript, &[("package-lock.json", LOCK)]);
    assert!(findings[0].message.contains("`npm:zod@3.23.8`") && findings[0].fix.contains("`npm:zod`"), "{findings:?}");
}

#[test]
fn age_is_counted_from_the_index_and_a_time_unknown_is_no_age() {
    let old = r#"{"npm:zod@3.23.8":"2024-05-08T00:00:00Z","npm:left-pad@1.3.0":"2018-04-09T00:00:00Z"}"#;
    assert_eq!(npm(&aged(24, old), LOCK), []);
    assert_eq!(npm(&aged(25, old), LOCK), [said("package-too-new", "package-lock.json:2")]);
    let one = r#"{"npm:zod@3.23.8":"2024-05-01T00:00:00Z","npm:left-pad@1.3.1":"2018-04-09T00:00:00Z"}"#;
    assert_eq!(npm(&aged(7, one), LOCK), [said("package-age-unknown", "package-lock.json:3")]);
    let still = r#"{"npm:zod@3.23.8":"2099-05-01T00:00:00Z","npm:left-pad@1.3.0":"2018-04-09T00:00:00Z"}"#;
    assert_eq!(npm(&aged(1, still), LOCK), [said("package-too-new", "package-lock.json:2")]);
    assert_eq!(npm(&aged(0, "{}"), LOCK), [], "an age of no days is no condition");
    let both = PackagePolicy { approved: approving(&["npm:left-pad"]).approved, ..aged(7, one) };
    assert_eq!(npm(&both, LOCK), [], "approved or old enough");
}

#[test]
fn the_operators_times_come_before_the_builders() {
    let claimed = "version = 1\n[[package]]\nname = \"idna\"\nversion = \"3.7\"\nsource = { registry = \"https://pypi.org/simple\" }\n\
                   sdist = { url = \"https://files.pythonhosted.org/i.tar.gz\", upload-time = \"2020-01-01T00:00:00Z\" }\n\
                   wheels = [{ url = \"https://files.pythonhosted.org/i.whl\", upload-time = \"2020-01-02T00:00:00Z\" }]\n";
    let rules = |policy: &PackagePolicy, text: &str| -> Vec<String> {
        judge(policy, Language::Component, &[("uv.lock", text)]).into_iter().map(|finding| finding.rule).collect()
    };
    assert_eq!(rules(&aged(30, "{}"), claimed), [""; 0]);
    assert_eq!(rules(&aged(30, r#"{"pypi:IDNA@3.7":"2024-05-31T00:00:00Z"}"#), claimed), ["package-too-new"]);
    assert_eq!(rules(&PackagePolicy { lockfile_times: false, ..aged(30, "{}") }, claimed), ["package-age-unknown"]);
    let newest = claimed.replace("2020-01-02", "2024-05-31");
    assert_eq!(rules(&aged(30, "{}"), &newest), ["package-too-new"], "the newest file counts");
    let silent = claimed.replace(", upload-time = \"2020-01-02T00:00:00Z\"", "");
    assert_eq!(rules(&aged(30, "{}"), &silent), ["package-age-unknown"], "each file must say");
}

#[test]
fn sources_hashes_and_mirrors_are_as_the_policy_says() {
    let hashed = PackagePolicy { require_integrity: true, ..open() };
    assert_eq!(npm(&hashed, LOCK), [said("package-integrity", "package-lock.json:3")]);
    let mirrored = LOCK.replace("https://registry.npmjs.org/", "https://npm.corp.example/mirror/");
    let mirror = |start: &str| {
        let rule: SourceRule = start.parse().expect("a rule");
        PackagePolicy {
            sources: vec![SourceRule::Registry, rule],
            ..aged(7, r#"{"npm:left-pad@1.3.0":"2018-04-09T00:00:00Z","npm:zod@3.23.8":"2018-04-09T00:00:00Z"}"#)
        }
    };
    assert_eq!(npm(&open(), &mirrored), [said("package-source", "package-lock.json:3")]);
    assert_eq!(npm(&mirror("https://npm.corp.example/mirror/"), &mirrored), []);
    assert_eq!(
        npm(&mirror("https://npm.corp.example/other/"), &mirrored),
        [said("package-source", "package-lock.json:3")]
    );
    let escaped = mirrored.replace("/mirror/", "/mirror/../evil/");
    assert_eq!(
        npm(&mirror("https://npm.corp.example/mirror/"), &escaped),
        [said("package-source", "package-lock.json:3")]
    );
    assert_eq!(
        npm(&mirror("url"), &mirrored),
        [said("package-age-unknown", "package-lock.json:3")],
        "another place, another package"
    );
    let none = PackagePolicy { sources: Vec::new(), ..open() };
    assert_eq!(npm(&none, LOCK).len(), 2);
    for wrong in ["https://npm.corp.example", "http://npm.corp.example/", "https:///x/", "https://a@b/", "Registry", ""]
    {
        assert!(wrong.parse::<SourceRule>().is_err(), "{wrong}");
    }
}

#[test]
fn a_secret_in_an_address_is_not_repeated() {
    let lock = LOCK.replace("https://registry.npmjs.org/", "https://user:hunter2@evil.example/?token=hunter3&");
    let findings = judge(&open(), Language::Typescript, &[("package-lock.json", &lock)]);
    assert!(findings[0].message.contains("evil.example") && !findings[0].message.contains("hunter"), "{findings:?}");
}

#[test]
fn who_asks_for_packages_brings_a_lockfile() {
    let missing = |language, files: &[(&str, &str)]| -> Vec<String> {
        judge(&open(), language, files)
            .into_iter()
            .map(|finding| format!("{} {}", finding.rule, finding.location))
            .collect()
    };
    let asks = "{\"name\":\"probe\",\n\"dependencies\":{\"zod\":\"^3\"}}";
    let (typescript, rust, component) = (Language::Typescript, Language::Rust, Language::Component);
    assert_eq!(missing(typescript, &[("src/main.ts", "")]), [""; 0]);
    assert_eq!(missing(typescript, &[("package.json", "{\"name\":\"probe\"}")]), [""; 0]);
    assert_eq!(missing(typescript, &[("package.json", asks)]), ["lockfile-missing package.json:2"]);
    assert_eq!(
        missing(typescript, &[("package.json", asks), ("Cargo.lock", "version = 4\n")]).len(),
        1,
        "of its own kind"
    );
    assert_eq!(missing(typescript, &[("package.json", asks), ("package-lock.json", LOCK)]), [""; 0]);
    assert_eq!(
        missing(typescript, &[("node_modules/zod/index.js", "")]),
        ["lockfile-missing node_modules/zod/index.js"]
    );
    assert_eq!(missing(rust, &[]), ["lockfile-missing Cargo.lock"]);
    assert_eq!(
        missing(rust, &[("Cargo.toml", "[target.x.dependencies]\nserde = '1'\n")]),
        ["lockfile-missing Cargo.toml:2"]
    );
    let asks_nothing = ("Cargo.toml", "[package]\nname = 'p'\n");
    assert_eq!(missing(rust, &[asks_nothing]), ["lockfile-missing Cargo.lock"]);
    assert_eq!(missing(rust, &[asks_nothing, ("Cargo.lock", "version = 4\n")]), [""; 0]);
    assert_eq!(missing(rust, &[("Cargo.lock", "version = 4\n")]), [""; 0]);
    assert_eq!(missing(component, &[]), ["lockfile-missing function.toml"]);
    assert_eq!(missing(component, &[("requirements.txt", "# nothing\n")]), [""; 0]);
    for (file, text) in [
        ("pyproject.toml", "[project]\nname = 'p'\ndependencies = ['idna']\n"),
        ("pyproject.toml", "[project.optional-dependencies]\nweb = ['idna']\n"),
        ("pyproject.toml", "[dependency-groups]\ndev = ['idna']\n"),
        ("pyproject.toml", "[tool.poetry.dependencies]\npython = '^3'\nidna = '*'\n"),
        ("pyproject.toml", "[tool.poetry.group.dev.dependencies]\nidna = '*'\n"),
        ("Pipfile", "[dev-packages]\nidna = '*'\n"),
    ] {
        assert!(missing(component, &[(file, text)])[0].starts_with("lockfile-missing"), "{text}");
    }
    assert_eq!(missing(component, &[("pyproject.toml", "[tool.poetry.dependencies]\npython = '^3'\n")]), [""; 0]);
    assert_eq!(missing(typescript, &[("package.json", "{")]), ["lockfile-unreadable package.json:1"]);
}

#[test]
fn the_project_itself_is_no_package_and_its_neighbours_are_when_paths_are_not_taken() {
    let lock = "version = 4\n[[package]]\nname = 'my-app'\nversion = '1.0.0'\n[[package]]\nname = 'beside'\nversion = '1.0.0'\n";
    let files =
        [("Cargo.lock", lock), ("Cargo.toml", "[package]\nname = 'my_app'\n[dependencies]\nbeside.path = '../b'\n")];
    let findings = judge(&approving(&[]), Language::Rust, &files);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].rule == "package-source" && findings[0].message.contains("crates:beside"));
    let paths = PackagePolicy { sources: vec![SourceRule::Path], ..approving(&[]) };
    assert_eq!(judge(&paths, Language::Rust, &files), []);
}

#[test]
fn a_flood_of_findings_is_cut_and_counted() {
    let packages: Vec<_> = (0..500).map(|n| format!("a{n}==1\n")).collect();
    let findings = judge(&approving(&[]), Language::Component, &[("requirements.txt", &packages.concat())]);
    assert_eq!(findings.len(), 101);
    assert!(findings[100].message.starts_with("400 more"), "{:?}", findings[100]);
}

#[test]
fn an_index_says_every_time_or_is_refused() {
    let index = TimeIndex::parse(r#"{"npm:@a/b@1.0.0":"2024-05-01T00:00:00Z"}"#).expect("an index");
    assert_eq!(index.len(), 1);
    for text in [
        "[]",
        "{\"npm:zod\":\"2024-05-01T00:00:00Z\"}",
        "{\"zod@1\":\"2024-05-01T00:00:00Z\"}",
        "{\"npm:zod@1\":\"yesterday\"}",
        "{\"npm:zod@1\":1714521600}",
        "{\"npm:zod@1\":null}",
        "{\"npm:zod@1\":\"2024-05-01T00:00:00Z\",\n\"npm:zod@1\":\"2020-05-01T00:00:00Z\"}",
        "{",
    ] {
        TimeIndex::parse(text).expect_err(text);
    }
}
