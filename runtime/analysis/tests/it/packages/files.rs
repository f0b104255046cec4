//! Lockfiles as package managers wrote them.

use airlock_analysis::packages::{Ecosystem, PackageSource};

use super::{corpus, read};

/// A file, and the names and versions in it.
type Lockfile = (&'static str, Ecosystem, [(&'static str, &'static str); 2]);

/// Every file of the corpus.
pub(super) const CORPUS: [Lockfile; 13] = {
    const NPM: [(&str, &str); 2] = [("@sindresorhus/is", "4.6.0"), ("zod", "3.23.8")];
    const PYPI: [(&str, &str); 2] = [("idna", "3.7"), ("six", "1.16.0")];
    [
        ("npm-1/package-lock.json", Ecosystem::Npm, NPM),
        ("npm-2/package-lock.json", Ecosystem::Npm, NPM),
        ("npm-3/package-lock.json", Ecosystem::Npm, NPM),
        ("pnpm/pnpm-lock.yaml", Ecosystem::Npm, NPM),
        ("yarn-1/yarn.lock", Ecosystem::Npm, NPM),
        ("yarn-berry/yarn.lock", Ecosystem::Npm, NPM),
        ("uv/uv.lock", Ecosystem::Pypi, PYPI),
        ("uv/pylock.toml", Ecosystem::Pypi, PYPI),
        ("pipenv/Pipfile.lock", Ecosystem::Pypi, PYPI),
        ("pip/requirements.txt", Ecosystem::Pypi, PYPI),
        ("poetry/poetry.lock", Ecosystem::Pypi, PYPI),
        ("pdm/pdm.lock", Ecosystem::Pypi, PYPI),
        ("cargo/Cargo.lock", Ecosystem::Crates, [("itoa", "1.0.14"), ("ryu", "1.0.18")]),
    ]
};

#[test]
fn every_package_is_found_with_its_hash_and_line() {
    for (file, ecosystem, expected) in CORPUS {
        let text = corpus(file);
        let mut found = read(file, &text);
        // The project itself, in Cargo.lock.
        found.retain(|package| package.name != "probe");
        // Version 2 of npm's names each twice.
        found.sort_by(|one, other| one.name.cmp(&other.name));
        found.dedup_by(|one, other| one.name == other.name);
        let names: Vec<_> = found.iter().map(|package| (package.name.as_str(), package.version.as_str())).collect();
        assert_eq!(names, expected, "{file}");
        for package in &found {
            assert_eq!(
                (package.ecosystem, &package.source),
                (ecosystem, &PackageSource::Registry),
                "{file}: {package:?}"
            );
            assert!(package.integrity.is_some(), "{file}: {package:?}");
            let near = text.lines().skip(package.line.saturating_sub(2)).take(4).collect::<String>();
            assert!(near.to_lowercase().contains(&package.name), "{file}:{}: {near}", package.line);
        }
    }
}

#[test]
fn older_forms_of_pnpm_are_read_too() {
    let hash = "sha512-XBx9AXhXktjUqnepgTiE5flcKIYWi/rme0Eaj+5Y0lftuGBq+jyRu/md4WnuxqgP1ubdpNCsYEYPxrzVHD8d6g==";
    for (version, key, expected) in [
        ("5.4", "/zod/3.23.8", ("zod", "3.23.8")),
        ("5.4", "/@a/b/1.0.0_react@18.0.0", ("@a/b", "1.0.0")),
        ("'6.0'", "/zod@3.23.8", ("zod", "3.23.8")),
        ("'6.0'", "/@a/b@1.0.0(@c/d@2.0.0)", ("@a/b", "1.0.0")),
        ("'9.0'", "'@a/b@1.0.0'", ("@a/b", "1.0.0")),
    ] {
        let text = format!("lockfileVersion: {version}\npackages:\n  {key}:\n    resolution: {{integrity: {hash}}}\n");
        let found = read("pnpm-lock.yaml", &text);
        assert_eq!((found[0].name.as_str(), found[0].version.as_str()), expected, "{key}");
        assert!(found[0].integrity.is_some());
    }
}

#[test]
fn an_alias_is_the_package_that_it_stands_for() {
    for (file, text) in [
        (
            "package-lock.json",
            r#"{"lockfileVersion":3,"packages":{"node_modules/safe":{"name":"evil","version":"1.0.0","integrity":"x"}}}"#,
        ),
        (
            "package-lock.json",
            r#"{"lockfileVersion":1,"dependencies":{"safe":{"version":"npm:evil@1.0.0","integrity":"x"}}}"#,
        ),
        ("yarn.lock", "safe@npm:evil@1.0.0:\n  version \"1.0.0\"\n  integrity x\n"),
        (
            "yarn.lock",
            "__metadata:\n  version: 8\n\n\"safe@npm:evil@1.0.0\":\n  version: 1.0.0\n  resolution: \"evil@npm:1.0.0\"\n",
        ),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\npackages:\n  evil@1.0.0:\n    resolution: {integrity: x}\n"),
    ] {
        let found = read(file, text);
        assert_eq!((found[0].name.as_str(), found[0].version.as_str()), ("evil", "1.0.0"), "{file}");
    }
}
