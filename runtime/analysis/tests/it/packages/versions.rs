//! The approved list, and times.

use airlock_analysis::packages::{Approved, ApprovedError, Ecosystem, LockedPackage, PackageSource, unix_s};

fn package(ecosystem: Ecosystem, name: &str, version: &str) -> LockedPackage {
    LockedPackage {
        ecosystem,
        name: ecosystem.normalised(name),
        version: version.to_owned(),
        source: PackageSource::Registry,
        integrity: None,
        published_unix_s: None,
        line: 1,
    }
}

fn covers(approved: &str, ecosystem: Ecosystem, name: &str, version: &str) -> bool {
    let approved: Approved = approved.parse().unwrap_or_else(|why| panic!("{approved}: {why}"));
    approved.covers(&package(ecosystem, name, version))
}

#[test]
fn an_entry_covers_its_name_and_versions_and_nothing_else() {
    use Ecosystem::{Crates, Npm, Pypi};
    let cases = [
        ("npm:zod", Npm, "zod", "3.23.8", true),
        ("npm:zod", Npm, "zod2", "3.23.8", false),
        ("npm:zod", Npm, "@evil/zod", "3.23.8", false),
        ("npm:zod", Crates, "zod", "3.23.8", false),
        ("npm:JSONStream", Npm, "JSONStream", "1.0.0", true),
        ("npm:JSONStream", Npm, "jsonstream", "1.0.0", false),
        ("npm:@scope/*", Npm, "@scope/a", "1.0.0", true),
        ("npm:@scope/*", Npm, "@scope-evil/a", "1.0.0", false),
        ("npm:@scope/*", Npm, "scope/a", "1.0.0", false),
        ("npm:@scope/name@^1.2", Npm, "@scope/name", "1.9.0", true),
        ("npm:@scope/name@^1.2", Npm, "@scope/name", "2.0.0", false),
        ("npm:zod@^3", Npm, "zod", "3.0.0-beta.1", false),
        ("npm:zod@^3", Npm, "zod", "not a version", false),
        ("crates:serde_json@1", Crates, "serde-json", "1.0.140", true),
        ("crates:serde@=1.0.1", Crates, "serde", "1.0.2", false),
        ("crates:serde@>=1, <1.1", Crates, "Serde", "1.0.9", true),
        ("pypi:Zope.Interface", Pypi, "zope_interface", "7.0", true),
        ("pypi:zope--interface", Pypi, "zope-._interface", "7.0", true),
        ("pypi:httpx@>=0.27", Pypi, "httpx", "0.27", true),
        ("pypi:httpx@>=0.27", Pypi, "httpx", "0.27.0", true),
        ("pypi:httpx@>=0.27", Pypi, "httpx", "0.9", false),
        ("pypi:httpx@>=0.27,<1", Pypi, "httpx", "1.0", false),
        ("pypi:httpx@>=0.27,!=0.28.1", Pypi, "httpx", "0.28.1", false),
        ("pypi:httpx@~=0.27.1", Pypi, "httpx", "0.27.9", true),
        ("pypi:httpx@~=0.27.1", Pypi, "httpx", "0.28.0", false),
        ("pypi:httpx@==0.27.*", Pypi, "httpx", "0.27.2", true),
        ("pypi:httpx@0.27.2", Pypi, "httpx", "0.27.3", false),
        ("pypi:httpx@>=0.27", Pypi, "httpx", "1.0rc1", false),
        ("pypi:httpx", Pypi, "httpx", "1.0rc1", true),
    ];
    for (approved, ecosystem, name, version, expected) in cases {
        assert_eq!(covers(approved, ecosystem, name, version), expected, "{approved} and {ecosystem}:{name}@{version}");
    }
}

#[test]
fn an_entry_that_says_too_much_or_nothing_is_refused() {
    let refused = |text: &str| text.parse::<Approved>().expect_err(text);
    for text in ["zod", "npm:", "deno:zod", "npm:zod foo", "npm:@1.0", "npm:@scope", ":zod", ""] {
        assert!(matches!(refused(text), ApprovedError::Shape(_)), "{text}");
    }
    for text in ["npm:*", "npm:zo*", "npm:@*", "npm:@*/x", "npm:@a/b*", "pypi:@a/*", "crates:serde*"] {
        assert!(matches!(refused(text), ApprovedError::Wildcard(_)), "{text}");
    }
    for text in ["npm:zod@", "npm:zod@latest", "crates:serde@^^1", "pypi:httpx@>=x", "pypi:httpx@~=1", "pypi:h@>=1,"] {
        assert!(matches!(refused(text), ApprovedError::Versions(_)), "{text}");
    }
}

#[test]
fn times_are_read_as_rfc_3339_says() {
    for (text, expected) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2024-02-29T12:30:15Z", Some(1_709_209_815)),
        ("2024-02-29T12:30:15.123456Z", Some(1_709_209_815)),
        ("2024-02-29t14:30:15+02:00", Some(1_709_209_815)),
        ("2000-03-01 00:00:00-00:30", Some(951_870_600)),
        ("2023-02-29T00:00:00Z", None),
        ("2024-13-01T00:00:00Z", None),
        ("2024-00-01T00:00:00Z", None),
        ("2024-01-01T24:00:00Z", None),
        ("2024-01-01T00:00:00", None),
        ("2024-01-01", None),
        ("1969-12-31T23:59:59Z", None),
        ("2024-01-01T00:00:00+0200", None),
        ("2024-01-01T00:00:00.Z", None),
        ("+024-01-01T00:00:00Z", None),
        ("2024-01-01T00:00:00Zé", None),
        ("é024-01-01T00:00:00Z", None),
    ] {
        assert_eq!(unix_s(text), expected, "{text}");
    }
}
