//! What a hostile builder writes: other sources under known names, doubtful texts, and bytes at random.

use std::time::{Duration, Instant};

use airlock_analysis::packages::{
    Ecosystem, FILE_BYTES_MAX, Format, PackageFile, PackageSource, TimeIndex, check, packages,
};
use airlock_model::Language;

use super::{format_of, policy::open, read};
use crate::fixture::Chance;

const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A lockfile of npm, pnpm or yarn with one package, and the kind of its source.
fn elsewhere_in_npm() -> Vec<(&'static str, String, &'static str)> {
    let npm3 = |entry: &str| format!(r#"{{"lockfileVersion":3,"packages":{{"":{{}},"node_modules/zod":{entry}}}}}"#);
    let npm1 = |entry: &str| format!(r#"{{"lockfileVersion":1,"dependencies":{{"zod":{entry}}}}}"#);
    let pnpm = |key: &str, resolution: &str| {
        format!("lockfileVersion: '9.0'\npackages:\n  {key}:\n    resolution: {resolution}\n    version: 1.0.0\n")
    };
    let yarn1 = |resolved: &str| format!("zod@^1:\n  version \"1.0.0\"\n  resolved \"{resolved}\"\n");
    let berry = |place: &str| {
        format!("__metadata:\n  version: 8\n\n\"zod@x\":\n  version: 1.0.0\n  resolution: \"zod@{place}\"\n")
    };
    vec![
        ("package-lock.json", npm3(r#"{"version":"1.0.0","resolved":"https://evil.example/zod.tgz"}"#), "url"),
        ("package-lock.json", npm3(r#"{"version":"1.0.0","resolved":"http://registry.npmjs.org/zod.tgz"}"#), "url"),
        (
            "package-lock.json",
            npm3(r#"{"version":"1.0.0","resolved":"https://registry.npmjs.org.evil.example/z"}"#),
            "url",
        ),
        (
            "package-lock.json",
            npm3(r#"{"version":"1.0.0","resolved":"https://registry.npmjs.org@evil.example/z"}"#),
            "url",
        ),
        ("package-lock.json", npm3(r#"{"version":"1.0.0","resolved":"git+ssh://git@github.com/a/b.git#main"}"#), "git"),
        ("package-lock.json", npm3(r#"{"version":"1.0.0","resolved":"file:../zod.tgz"}"#), "path"),
        ("package-lock.json", r#"{"lockfileVersion":3,"packages":{"vendor/zod":{"version":"1.0.0"}}}"#.into(), "path"),
        ("npm-shrinkwrap.json", npm1(r#"{"version":"git+https://github.com/a/b.git#main"}"#), "git"),
        ("npm-shrinkwrap.json", npm1(r#"{"version":"file:../zod"}"#), "path"),
        ("npm-shrinkwrap.json", npm1(r#"{"version":"https://evil.example/zod.tgz"}"#), "url"),
        ("pnpm-lock.yaml", pnpm("zod@1.0.0", "{tarball: https://evil.example/zod.tgz}"), "url"),
        ("pnpm-lock.yaml", pnpm("zod@1.0.0", "{type: git, repo: 'https://github.com/a/b', commit: main}"), "git"),
        ("pnpm-lock.yaml", pnpm("'zod@file:../zod'", "{type: directory, directory: ../zod}"), "path"),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      zod:\n        \
                            specifier: link:../zod\n        version: link:../zod\n"
                .to_owned(),
            "path",
        ),
        ("yarn.lock", yarn1("https://evil.example/zod-1.0.0.tgz"), "url"),
        ("yarn.lock", yarn1("git+https://github.com/a/b.git#main"), "git"),
        ("yarn.lock", "\"zod@file:../zod\":\n  version \"1.0.0\"\n".to_owned(), "path"),
        ("yarn.lock", berry("https://evil.example/zod.tgz"), "url"),
        ("yarn.lock", berry("npm:1.0.0::__archiveUrl=https%3A%2F%2Fevil.example"), "url"),
        ("yarn.lock", berry("patch:zod@npm%3A1.0.0#./evil.patch"), "url"),
        ("yarn.lock", berry("patch:zod@npm%3A1.0.0#optional!builtin<a>&./evil.patch"), "url"),
        ("yarn.lock", berry("git@github.com:a/b.git#commit=main"), "git"),
        ("yarn.lock", berry("workspace:packages/zod"), "path"),
        ("yarn.lock", berry("portal:../zod::locator=x"), "path"),
    ]
}

/// The same of Rust and Python.
fn elsewhere_in_others() -> Vec<(&'static str, String, &'static str)> {
    let cargo = |source: &str| format!("version = 4\n[[package]]\nname = \"zod\"\nversion = \"1.0.0\"\n{source}\n");
    let uv = |source: &str| format!("version = 1\n[[package]]\nname = \"zod\"\nversion = \"1\"\nsource = {source}\n");
    let poetry = |source: &str| {
        format!(
            "[[package]]\nname = \"zod\"\nversion = \"1\"\n[package.source]\n{source}\n[metadata]\nlock-version=\"2\"\n"
        )
    };
    let pdm = |field: &str| format!("[[package]]\nname = \"zod\"\nversion = \"1\"\n{field}\n[metadata]\n");
    let pylock =
        |field: &str| format!("lock-version = \"1.0\"\n[[packages]]\nname = \"zod\"\nversion = \"1\"\n{field}\n");
    let pipfile = |entry: &str| {
        let sources =
            r#"[{"name":"pypi","url":"https://pypi.org/simple"},{"name":"own","url":"https://evil.example/simple"}]"#;
        format!(r#"{{"_meta":{{"sources":{sources}}},"default":{{"zod":{entry}}},"develop":{{}}}}"#)
    };
    vec![
        ("Cargo.lock", cargo("source = \"registry+https://evil.example/index\""), "url"),
        ("Cargo.lock", cargo("source = \"git+https://github.com/rust-lang/crates.io-index#1\""), "git"),
        ("Cargo.lock", cargo(""), "path"),
        ("uv.lock", uv(r#"{ registry = "https://evil.example/simple" }"#), "url"),
        ("uv.lock", uv(r#"{ git = "https://github.com/a/b?rev=main#1" }"#), "git"),
        ("uv.lock", uv(r#"{ url = "https://files.pythonhosted.org/zod.whl" }"#), "url"),
        ("uv.lock", uv(r#"{ editable = "../zod" }"#), "path"),
        ("poetry.lock", poetry("type = \"legacy\"\nurl = \"https://evil.example/simple\""), "url"),
        ("poetry.lock", poetry("type = \"git\"\nurl = \"https://github.com/a/b.git\""), "git"),
        ("poetry.lock", poetry("type = \"directory\"\nurl = \"../zod\""), "path"),
        ("poetry.lock", poetry("type = \"url\"\nurl = \"https://evil.example/z.whl\""), "url"),
        ("pdm.lock", pdm("git = \"https://github.com/a/b.git\"\nrevision = \"main\""), "git"),
        ("pdm.lock", pdm("path = \"../zod\""), "path"),
        ("pdm.lock", pdm("url = \"https://evil.example/z.whl\""), "url"),
        ("pdm.lock", pdm("files = [{ url = \"https://evil.example/z.whl\", hash = \"sha256:0\" }]"), "url"),
        ("pylock.toml", pylock("index = \"https://evil.example/simple\""), "url"),
        ("pylock.toml", pylock("vcs = { type = \"git\", url = \"https://github.com/a/b\", commit-id = \"1\" }"), "git"),
        ("pylock.toml", pylock("directory = { path = \"../zod\" }"), "path"),
        ("pylock.toml", pylock("archive = { url = \"https://evil.example/z.zip\" }"), "url"),
        ("pylock.dev.toml", pylock("wheels = [{ url = \"https://evil.example/z.whl\" }]"), "url"),
        ("Pipfile.lock", pipfile(r#"{"version":"==1","index":"own"}"#), "url"),
        ("Pipfile.lock", pipfile(r#"{"git":"https://github.com/a/b.git","ref":"main"}"#), "git"),
        ("Pipfile.lock", pipfile(r#"{"path":"../zod"}"#), "path"),
        ("Pipfile.lock", pipfile(r#"{"file":"https://evil.example/z.whl"}"#), "url"),
        ("requirements.txt", "--extra-index-url https://evil.example/simple\nzod==1\n".to_owned(), "url"),
        ("requirements.txt", "zod==1\n-i https://evil.example/simple\n".to_owned(), "url"),
        ("requirements.txt", "zod @ git+https://github.com/a/b.git@main\n".to_owned(), "git"),
        ("requirements.txt", "zod @ https://files.pythonhosted.org/z.whl\n".to_owned(), "url"),
        ("requirements-dev.txt", "-e ../zod\n".to_owned(), "path"),
        ("requirements.txt", "zod[extra] @ file:../zod\n".to_owned(), "path"),
    ]
}

fn kind(source: &PackageSource) -> &'static str {
    match source {
        PackageSource::Registry => "registry",
        PackageSource::Git(_) => "git",
        PackageSource::Path(_) => "path",
        PackageSource::Url(_) => "url",
    }
}

#[test]
fn a_known_name_from_another_place_is_not_the_registrys() {
    for (file, text, expected) in elsewhere_in_npm().into_iter().chain(elsewhere_in_others()) {
        let found = read(file, &text);
        assert_eq!(found.len(), 1, "{file}: {text}: {found:?}");
        assert_eq!(kind(&found[0].source), expected, "{file}: {text}");
        assert_eq!(found[0].integrity, None, "{file}: {text}");
        // And a policy that takes packages of the registry alone refuses each, approved or not.
        let mut policy = open();
        policy.approved =
            Some(["npm:zod", "pypi:zod", "crates:zod"].map(|one| one.parse().expect("an entry")).to_vec());
        let sources = [(file.to_owned(), text.clone())].into();
        let findings = check(&policy, Language::Component, &sources, 0);
        assert!(findings.iter().any(|finding| finding.rule == "package-source"), "{file}: {text}: {findings:?}");
    }
}

#[test]
fn hashes_count_when_they_are_strong_enough() {
    for (file, text, is_strong) in [
        ("Cargo.lock", format!("[[package]]\nname='a'\nversion='1.0.0'\nsource='registry+https://github.com/rust-lang/crates.io-index'\nchecksum='{HASH}'\n"), true),
        ("Cargo.lock", format!("[[package]]\nname='a'\nversion='1.0.0'\nsource='git+https://e.example/a#{COMMIT}'\n"), true),
        ("Cargo.lock", "[[package]]\nname='a'\nversion='1.0.0'\nsource='git+https://e.example/a#0123456'\n".to_owned(), false),
        ("requirements.txt", format!("a==1 --hash=sha256:{HASH}"), true),
        ("requirements.txt", format!("a==1 \\\n  --hash=sha256:{HASH} \\\n  --hash=md5:0123456789abcdef"), false),
        ("requirements.txt", "a==1 --hash=sha1:0123456789abcdef0123456789abcdef01234567".to_owned(), false),
        ("package-lock.json", r#"{"lockfileVersion":1,"dependencies":{"a":{"version":"1.0.0","integrity":"sha1-9yzTl7ddLFI0v/SHkr8jq/nlsQY="}}}"#.to_owned(), false),
        ("uv.lock", format!("version = 1\n[[package]]\nname='a'\nversion='1'\nsource={{registry='https://pypi.org/simple'}}\nwheels=[{{hash='sha256:{HASH}'}},{{url='x'}}]"), false),
    ] {
        assert_eq!(read(file, &text)[0].integrity.is_some(), is_strong, "{file}: {text}");
    }
}

#[test]
fn what_has_two_meanings_is_refused_with_its_line() {
    let cases = [
        ("package-lock.json", "{\"lockfileVersion\":3,\n\"packages\":{},\n\"packages\":{}}", Some(3)),
        (
            "package-lock.json",
            "{\"lockfileVersion\":3,\"packages\":{\n\"node_modules/a\":{\"version\":\"1\"}}}",
            Some(2),
        ),
        ("package-lock.json", "{\"lockfileVersion\":4}", Some(1)),
        ("package-lock.json", "[]", Some(1)),
        ("package-lock.json", "", Some(1)),
        ("package-lock.json", "{\"lockfileVersion\":3}x", Some(1)),
        ("pnpm-lock.yaml", "", None),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\npackages: &a {}\nmore: *a\n", Some(2)),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\npackages: {}\npackages: {}\n", None),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\npackages:\n  a@1:\n    resolution: {type: new}\n", None),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\npackages:\n  a@1: {}\n", None),
        ("yarn.lock", "a@1:\n  version \"1\"\n  version \"2\"\n  resolved \"x\"\n", Some(3)),
        ("yarn.lock", "a@1, b@1:\n  version \"1\"\n", Some(1)),
        ("yarn.lock", "a@1:\n\tversion \"1\"\n", Some(2)),
        ("yarn.lock", "a@1:\n  version \"1\"\n", Some(1)),
        ("yarn.lock", "a@1:\n  resolved \"https://registry.yarnpkg.com/a\"\n", Some(1)),
        ("Cargo.lock", "[[package]]\nname = 'a'\n", Some(1)),
        ("Cargo.lock", "[[package]]\nname = 'a'\nname = 'b'\n", Some(3)),
        ("Cargo.lock", "[[package]]\nname = \"a\\u202Eb\"\nversion = '1'\n", Some(1)),
        ("uv.lock", "version = 1\n[[package]]\nname = 'a'\nversion = '1'\n", Some(2)),
        (
            "uv.lock",
            "version = 1\n[[package]]\nname = 'a'\nversion = '1'\nsource = { registry = 'x', git = 'y' }\n",
            Some(2),
        ),
        ("poetry.lock", "packages = []\n", None),
        ("poetry.lock", "package = 'x'\n", Some(1)),
        ("Pipfile.lock", "{\"_meta\":{},\"default\":{\"a\":{\"version\":\"*\"}}}", Some(1)),
        ("Pipfile.lock", "{\"_meta\":{},\"default\":{\"a\":{\"version\":\"==1\",\"index\":\"x\"}}}", Some(1)),
        ("requirements.txt", "# pinned\nzod>=1\n", Some(2)),
        ("requirements.txt", "zod\n", Some(1)),
        ("requirements.txt", "zod==1.*\n", Some(1)),
        ("requirements.txt", "zod==1,>2\n", Some(1)),
        ("requirements.txt", "-r other.txt\n", Some(1)),
        ("requirements.txt", "./local\n", Some(1)),
        ("requirements.txt", "https://evil.example/z.whl\n", Some(1)),
        ("requirements.txt", "--index-url\n--unheard-of\n", Some(2)),
    ];
    for (file, text, line) in cases {
        let refused = packages(format_of(file), text).expect_err(text);
        if line.is_some() {
            assert_eq!(refused.line, line, "{file}: {text:?}: {refused}");
        }
    }
}

#[test]
fn only_files_beside_the_manifest_count() {
    for path in
        ["data/package-lock.json", "node_modules/a/package.json", "package-lock.json.bak", "./Cargo.lock", "Cargo.LOCK"]
    {
        assert_eq!(PackageFile::of_path(path), None, "{path}");
    }
    assert_eq!(PackageFile::of_path("pylock.toml"), Some(PackageFile::Lock(Ecosystem::Pypi, Format::Pylock)));
}

#[test]
fn bombs_are_refused_in_good_time() {
    let repeated = |open: &str, close: &str, times: usize| open.repeat(times) + &close.repeat(times);
    let many = |one: &dyn Fn(usize) -> String, times: usize| (0..times).map(one).collect::<String>();
    let bombs = [
        ("package-lock.json", repeated("[", "]", 1 << 20)),
        ("package-lock.json", format!("{{\"lockfileVersion\":{}}}", repeated("{\"a\":", "}", 1 << 19))),
        ("package-lock.json", format!("[{}0]", "0,".repeat(1_500_000))),
        ("package-lock.json", "x".repeat(FILE_BYTES_MAX + 1)),
        ("pnpm-lock.yaml", repeated("[", "]", 1 << 20)),
        ("pnpm-lock.yaml", many(&|n| format!("{}a:\n", " ".repeat(n)), 2_000)),
        ("pnpm-lock.yaml", "- ".repeat(1 << 20)),
        ("pnpm-lock.yaml", "? ".repeat(1 << 20)),
        ("pnpm-lock.yaml", format!("a: \"{}", "\\n".repeat(1 << 20))),
        ("pnpm-lock.yaml", "{a: ".repeat(1 << 19)),
        ("Cargo.lock", format!("a = {}", repeated("[", "]", 1 << 20))),
        ("Cargo.lock", format!("a.{} = 1", "b.".repeat(1 << 19) + "c")),
        ("Cargo.lock", many(&|n| format!("[[package]]\nname='a{n}'\nversion='1'\n"), 20_001)),
        ("requirements.txt", many(&|n| format!("a{n}==1\n"), 20_001)),
        ("yarn.lock", "\"".repeat(1 << 20)),
    ];
    for (file, text) in bombs {
        let began = Instant::now();
        packages(format_of(file), &text).expect_err(file);
        assert!(began.elapsed() < Duration::from_secs(60), "{file}: {:?} {:.40}", began.elapsed(), text);
    }
}

/// Bytes that mean something to some reader.
const MARKS: &[&str] =
    &["\"", "'", "{", "}", "[", "]", ":", ",", "\n", "  ", "-", "@", "==", "#", "\\", "é", "&a", "*a", "\u{0}", "\t"];

#[test]
fn random_changes_of_lockfiles_end_in_packages_or_a_refusal() {
    let names = super::files::CORPUS;
    let mut chance = Chance(0x5eed_0006);
    let (mut accepted, mut refused) = (0_u32, 0_u32);
    for round in 0..6_000 {
        let name = names[round % names.len()].0;
        let mut text = super::corpus(name);
        for _ in 0..=chance.below(5) {
            let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            let at = starts[chance.below(starts.len())];
            match chance.below(4) {
                0 => drop(text.remove(at)),
                1 => text.insert_str(at, chance.pick(MARKS)),
                2 => text.truncate(at.max(1)),
                _ => {
                    let end = starts[chance.below(starts.len())].max(at);
                    let part = text[at..end.min(text.len())].to_owned();
                    text.insert_str(at, &part);
                }
            }
            if text.is_empty() {
                break;
            }
        }
        match packages(format_of(name), &text) {
            Ok(_) => accepted += 1,
            Err(why) => {
                assert!(!why.message.is_empty());
                refused += 1;
            }
        }
        drop(TimeIndex::parse(&text));
    }
    println!("mutated lockfiles: {accepted} accepted, {refused} refused");
    assert!(accepted > 300 && refused > 1_500, "the mutations reach both sides: {accepted}, {refused}");
}
