//! Addresses that say something else than the names beside them, and entries that say it twice.

use std::time::{Duration, Instant};

use airlock_analysis::packages::{
    LockedPackage, PACKAGES_MAX, PackagePolicy, PackageSource, SourceRule, check, packages,
};
use airlock_model::Language;

use super::{format_of, policy::open, read};

/// Each is a text with `PLACE` in it.
fn texts_of_npm() -> [(&'static str, &'static str); 4] {
    [
        (
            "package-lock.json",
            r#"{"lockfileVersion":3,"packages":{"node_modules/@a/zod":{"version":"1.0.0","resolved":"PLACE"}}}"#,
        ),
        (
            "npm-shrinkwrap.json",
            r#"{"lockfileVersion":1,"dependencies":{"@a/zod":{"version":"1.0.0","resolved":"PLACE"}}}"#,
        ),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\npackages:\n  '@a/zod@1.0.0':\n    resolution: {tarball: 'PLACE'}\n",
        ),
        ("yarn.lock", "\"@a/zod@^1\":\n  version \"1.0.0\"\n  resolved \"PLACE\"\n"),
    ]
}

fn is_registry(found: &[LockedPackage]) -> bool {
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].source == PackageSource::Registry
}

#[test]
fn an_address_at_the_registry_is_that_of_the_name_and_the_version() {
    let host = "https://registry.npmjs.org/";
    for (file, text) in texts_of_npm() {
        for (place, is_own) in [
            ("@a/zod/-/zod-1.0.0.tgz", true),
            ("@a/zod/-/zod-1.0.0.tgz#37bf8fa13fc5c2b3bb9a3e1de7f8ef7fb0c8e1ad", true),
            ("@a%2fzod/-/zod-1.0.0.tgz", true),
            ("@a/evil/-/evil-1.0.0.tgz", false),
            ("@a/zod/-/zod-1.0.1.tgz", false),
            ("@b/zod/-/zod-1.0.0.tgz", false),
            ("zod/-/zod-1.0.0.tgz", false),
            ("evil/@a/zod/-/zod-1.0.0.tgz", false),
            ("@a/zod/-/zod-1.0.0.tgz/../../../../evil/-/evil-1.0.0.tgz", false),
            ("evil/-/evil-1.0.0.tgz?@a/zod/-/zod-1.0.0.tgz", false),
            ("evil/-/evil-1.0.0.tgz#/@a/zod/-/zod-1.0.0.tgz", false),
            ("@a/zod", false),
            ("", false),
        ] {
            let text = text.replace("PLACE", &format!("{host}{place}"));
            assert_eq!(is_registry(&read(file, &text)), is_own, "{file}: {place}");
            let findings = check(&open(), Language::Component, &[(file.to_owned(), text)].into(), 0);
            assert_eq!(findings.iter().any(|finding| finding.rule == "package-source"), !is_own, "{file}: {place}");
        }
    }
}

#[test]
fn a_mirror_has_to_name_the_package_too() {
    let rule: SourceRule = "https://npm.corp.example/all/".parse().expect("a rule");
    let policy = PackagePolicy { sources: vec![rule], ..open() };
    for (file, text) in texts_of_npm() {
        for (place, is_own) in [
            ("@a/zod/-/zod-1.0.0.tgz", true),
            ("npm/@a/zod/-/@a/zod-1.0.0.tgz", true),
            ("evil/-/evil-1.0.0.tgz", false),
            ("@a/zod/-/zod-1.0.1.tgz", false),
            ("x@a/zod/-/zod-1.0.0.tgz", false),
        ] {
            let text = text.replace("PLACE", &format!("https://npm.corp.example/all/{place}"));
            let findings = check(&policy, Language::Component, &[(file.to_owned(), text)].into(), 0);
            assert_eq!(findings.is_empty(), is_own, "{file}: {place}: {findings:?}");
        }
    }
}

#[test]
fn an_alias_has_the_address_of_the_package_it_stands_for() {
    for (file, text) in [
        (
            "package-lock.json",
            r#"{"lockfileVersion":3,"packages":{"node_modules/safe":{"name":"evil","version":"1.0.0","resolved":"PLACE"}}}"#,
        ),
        (
            "package-lock.json",
            r#"{"lockfileVersion":3,"packages":{"node_modules/safe":{"version":"npm:evil@1.0.0","resolved":"PLACE"}}}"#,
        ),
        (
            "package-lock.json",
            r#"{"lockfileVersion":1,"dependencies":{"safe":{"version":"npm:evil@1.0.0","resolved":"PLACE"}}}"#,
        ),
        ("yarn.lock", "\"safe@npm:evil@^1\":\n  version \"1.0.0\"\n  resolved \"PLACE\"\n"),
        ("yarn.lock", "\"safe@npm:evil\":\n  version \"1.0.0\"\n  resolved \"PLACE\"\n"),
    ] {
        for (name, is_own) in [("evil", true), ("safe", false)] {
            let place = format!("https://registry.npmjs.org/{name}/-/{name}-1.0.0.tgz");
            let found = read(file, &text.replace("PLACE", &place));
            assert_eq!((found[0].name.as_str(), found[0].version.as_str()), ("evil", "1.0.0"), "{text}");
            assert_eq!(is_registry(&found), is_own, "{text}: {name}");
        }
    }
}

#[test]
fn keys_and_resolutions_that_differ_are_not_the_registrys() {
    let berry = |place: &str| {
        format!("__metadata:\n  version: 8\n\"zod@x\":\n  version: 1.0.0\n  resolution: \"zod@{place}\"\n")
    };
    let pnpm = |key: &str, fields: &str| {
        format!("lockfileVersion: '9.0'\npackages:\n  {key}:\n    resolution: {{integrity: x}}\n{fields}")
    };
    for (file, text, is_own) in [
        ("yarn.lock", berry("npm:1.0.0"), true),
        ("yarn.lock", berry("npm:1.0.1"), false),
        ("yarn.lock", berry("npm:evil@1.0.0"), false),
        ("yarn.lock", berry("patch:zod@npm%3A1.0.0#optional!builtin<compat/zod>"), true),
        ("yarn.lock", berry("patch:zod@npm%3A1.0.1#optional!builtin<compat/zod>"), false),
        ("yarn.lock", berry("patch:evil@npm%3A1.0.0#optional!builtin<compat/zod>"), false),
        ("pnpm-lock.yaml", pnpm("zod@1.0.0", ""), true),
        ("pnpm-lock.yaml", pnpm("zod@1.0.0", "    name: zod\n    version: 1.0.0\n"), true),
        ("pnpm-lock.yaml", pnpm("evil@1.0.0", "    name: zod\n"), false),
        ("pnpm-lock.yaml", pnpm("zod@1.0.1", "    version: 1.0.0\n"), false),
        ("pnpm-lock.yaml", pnpm("evil.example/zod/1.0.0", "    name: zod\n    version: 1.0.0\n"), false),
    ] {
        assert_eq!(is_registry(&read(file, &text)), is_own, "{text}");
    }
}

#[test]
fn only_the_entry_of_yarn_itself_may_be_without_a_resolution() {
    let text = |key: &str, fields: &str| format!("__metadata:\n  version: 8\n  cacheKey: 10c0\n{key}:\n{fields}");
    assert_eq!(read("yarn.lock", &text("other", "  resolution: \"zod@npm:1.0.0\"\n")).len(), 1);
    for fields in ["  version: 8\n", "  cacheKey: 10c0\n", "  version: 8\n  cacheKey: 10c0\n", "  x: y\n", "  - a\n"] {
        let refused = packages(format_of("yarn.lock"), &text("\"zod@npm:1\"", fields)).expect_err(fields);
        assert!(refused.message.contains("resolution"), "{fields}: {refused}");
    }
}

#[test]
fn the_files_of_a_python_package_are_where_its_index_is() {
    let (own, evil) = ("https://files.pythonhosted.org/z", "https://evil.example/z");
    let uv = |index: &str, sdist: &str, wheel: &str| {
        format!(
            "version = 1\n[[package]]\nname = 'zod'\nversion = '1'\nsource = {{ registry = '{index}' }}\n\
             sdist = {{ url = '{sdist}.tar.gz' }}\nwheels = [{{ url = '{wheel}.whl' }}]\n"
        )
    };
    let pylock = |index: &str, sdist: &str, wheel: &str| {
        format!(
            "lock-version = '1.0'\n[[packages]]\nname = 'zod'\nversion = '1'\nindex = '{index}'\n\
             sdist = {{ url = '{sdist}.tar.gz' }}\nwheels = [{{ url = '{wheel}.whl' }}]\n"
        )
    };
    let mirror = "https://pypi.corp.example/all/";
    let simple = "https://pypi.corp.example/all/simple";
    let policy = |rule: &str| PackagePolicy {
        sources: vec![SourceRule::Registry, SourceRule::Path, rule.parse().expect("a rule")],
        ..open()
    };
    let held = "https://pypi.corp.example/all/files/z";
    for (index, sdist, wheel, is_in) in [
        ("https://pypi.org/simple", own, own, true),
        ("https://pypi.org/simple", own, evil, false),
        ("https://pypi.org/simple", evil, own, false),
        ("https://pypi.org/simple", "./z", own, false),
        (simple, held, held, true),
        (simple, own, own, true),
        (simple, "https://pypi.corp.example/all/simple/z", held, true),
        (simple, held, evil, false),
        (simple, held, "https://pypi.corp.example/else/z", false),
        (simple, held, "https://pypi.corp.example/all/../else/z", false),
        (simple, held, "https://pypi.corp.example@evil.example/all/z", false),
        (simple, "./z", held, false),
        ("https://evil.example/simple", held, held, false),
    ] {
        for (file, text) in [("uv.lock", uv(index, sdist, wheel)), ("pylock.toml", pylock(index, sdist, wheel))] {
            let findings = check(&policy(mirror), Language::Component, &[(file.to_owned(), text.clone())].into(), 0);
            assert_eq!(findings.is_empty(), is_in, "{text}: {findings:?}");
        }
    }
    let pdm = |one: &str, other: &str| {
        format!(
            "[[package]]\nname = 'zod'\nversion = '1'\nfiles = [{{ url = '{one}' }}, {{ url = '{other}' }}]\n[metadata]\n"
        )
    };
    for (text, is_in) in [(pdm(held, held), true), (pdm(held, evil), false), (pdm(own, evil), false)] {
        let findings = check(&policy(mirror), Language::Component, &[("pdm.lock".to_owned(), text.clone())].into(), 0);
        assert_eq!(findings.is_empty(), is_in, "{text}: {findings:?}");
    }
}

#[test]
fn a_line_is_a_line_to_pip_too() {
    for end in ["\n", "\r\n"] {
        assert_eq!(read("requirements.txt", &format!("zod==1 # as is{end}idna==3.7{end}")).len(), 2, "{end:?}");
    }
    for end in
        ["\r", "\u{b}", "\u{c}", "\u{1c}", "\u{1d}", "\u{1e}", "\u{85}", "\u{2028}", "\u{2029}", "\r\r\n", "\n\r"]
    {
        let text = format!("idna==3.7\r\nzod==1 # harmless{end}evil==1\n");
        let refused = packages(format_of("requirements.txt"), &text).expect_err(end);
        assert!((2..=3).contains(&refused.line.expect("a line")), "{end:?}: {refused:?}");
        let findings = check(&open(), Language::Component, &[("requirements.txt".to_owned(), text)].into(), 0);
        assert_eq!(findings.iter().map(|one| one.rule.as_str()).collect::<Vec<_>>(), ["lockfile-unreadable"]);
    }
    packages(format_of("requirements.txt"), "zod==1\r").expect_err("a carriage return alone at the end");
    packages(format_of("requirements.txt"), "zod==1 \\\n# pip ends the line\n--extra-index-url https://evil.example\n")
        .expect_err("an option that looks like a part of the line before");
    packages(format_of("requirements.txt"), "# coding: utf-7\nzod==1 # +AAo-evil==1\n").expect_err("an encoding");
    assert_eq!(read("requirements.txt", "# -*- coding: utf-8 -*-\nzod==1\n").len(), 1);
}

/// 20,000 packages that are all looked up in one list; a pass over that list for each would be 400 million steps.
fn long() -> [(&'static str, String); 3] {
    let each = |one: &dyn Fn(usize) -> String| (0..PACKAGES_MAX).map(one).collect::<Vec<_>>();
    let registry = "sparse+https://index.crates.io";
    let poetry = each(&|n| format!("[[package]]\nname='a{n}'\nversion='1'\n")).concat()
        + "[metadata.files]\n"
        + &each(&|n| format!("a{n}=[{{hash='sha256:{n:064}'}}]\n")).concat();
    let cargo = each(&|n| format!("[[package]]\nname='a{n}'\nversion='1'\nsource='{registry}'\n")).concat()
        + "[metadata]\n"
        + &each(&|n| format!("'checksum a{n} 1 ({registry})'='{n:064}'\n")).concat();
    let sources = each(&|n| format!(r#"{{"name":"i{n}","url":"https://pypi.org/simple"}}"#)).join(",");
    let pipfile = each(&|n| format!(r#""a{n}":{{"version":"==1","index":"i{n}","hashes":["sha256:{n:064}"]}}"#));
    let pipfile = format!(r#"{{"_meta":{{"sources":[{sources}]}},"default":{{{}}}}}"#, pipfile.join(","));
    [("poetry.lock", poetry), ("Cargo.lock", cargo), ("Pipfile.lock", pipfile)]
}

#[test]
fn many_packages_are_judged_in_good_time() {
    let policy = PackagePolicy { require_integrity: true, ..open() };
    for (file, text) in long() {
        let began = Instant::now();
        assert_eq!(read(file, &text).len(), PACKAGES_MAX, "{file}");
        assert_eq!(check(&policy, Language::Component, &[(file.to_owned(), text)].into(), 0), [], "{file}");
        println!("{file}: {:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(30), "{file}: {:?}", began.elapsed());
    }
}

#[test]
fn too_many_packages_are_refused_before_any_is_read() {
    let many = |one: &dyn Fn(usize) -> String| (0..=PACKAGES_MAX).map(one).collect::<Vec<_>>();
    // Not one of these could be read.
    for (file, text) in [
        (
            "package-lock.json",
            format!(
                r#"{{"lockfileVersion":3,"packages":{{{}}}}}"#,
                many(&|n| format!(r#""a{n}/node_modules/x":{{}}"#)).join(",")
            ),
        ),
        (
            "package-lock.json",
            format!(r#"{{"lockfileVersion":1,"dependencies":{{{}}}}}"#, many(&|n| format!(r#""a{n}":{{}}"#)).join(",")),
        ),
        (
            "pnpm-lock.yaml",
            format!("lockfileVersion: '9.0'\npackages:\n{}", many(&|n| format!("  a{n}: {{}}\n")).concat()),
        ),
        ("yarn.lock", format!("__metadata:\n  version: 8\n{}", many(&|n| format!("a{n}: {{}}\n")).concat())),
        ("Cargo.lock", many(&|_| "[[package]]\n".to_owned()).concat()),
        ("uv.lock", format!("version = 1\n{}", many(&|_| "[[package]]\n".to_owned()).concat())),
        (
            "Pipfile.lock",
            format!(r#"{{"_meta":{{}},"default":{{{}}}}}"#, many(&|n| format!(r#""a{n}":{{}}"#)).join(",")),
        ),
        ("requirements.txt", many(&|n| format!("a{n}>1\n")).concat()),
    ] {
        let refused = packages(format_of(file), &text).expect_err(file);
        assert!(refused.message.contains("are read"), "{file}: {refused}");
    }
}
