//! The house rules that a compiler does not check.

use std::collections::{BTreeMap, BTreeSet};

use airlock_model::Reason;
use airlock_tests::guests::root;
use cargo_metadata::{CargoOpt, Metadata, MetadataCommand, Package};

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .features(CargoOpt::SomeFeatures(Vec::new()))
        .exec()
        .expect("cargo metadata")
}

fn normal_dependencies(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let of = |package: &&Package| {
        let normal = package.dependencies.iter().filter(|d| d.kind == cargo_metadata::DependencyKind::Normal);
        (package.name.to_string(), normal.map(|d| d.name.clone()).collect())
    };
    metadata.workspace_packages().iter().map(of).collect()
}

#[test]
fn who_may_import_whom() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("airlock-model", &[][..]),
        ("airlock-proto", &[]),
        ("airlock-access", &["airlock-model"]),
        ("airlock-analysis", &["airlock-model"]),
        ("airlock-sandbox", &["airlock-model"]),
        ("airlock-resources", &["airlock-model"]),
        ("airlock-store", &["airlock-model"]),
        ("airlock-toolchain", &["airlock-model"]),
        (
            "airlock-service",
            &[
                "airlock-model",
                "airlock-access",
                "airlock-analysis",
                "airlock-sandbox",
                "airlock-resources",
                "airlock-store",
            ],
        ),
        ("airlock-server", &["airlock-model", "airlock-proto", "airlock-service"]),
    ]);
    let found = normal_dependencies(&metadata());
    for (package, allowed) in allowed {
        let ours = found[package].iter().filter(|name| name.starts_with("airlock"));
        let strays: Vec<_> = ours.filter(|name| !allowed.contains(&name.as_str())).collect();
        assert!(strays.is_empty(), "{package} must not depend on {strays:?}");
    }
}

#[test]
fn only_one_crate_names_each_dangerous_library() {
    let owners: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("wasmtime", &["airlock-sandbox", "airlock-toolchain"][..]),
        ("jsonwebtoken", &["airlock-access"]),
        ("hyper-rustls", &["airlock-resources"]),
        ("postgres-protocol", &["airlock-resources"]),
        ("landlock", &["airlock-sandbox"]),
        ("prometheus", &["airlock-service"]),
        ("opentelemetry-proto", &["airlock-service"]),
        ("seccompiler", &["airlock-sandbox", "airlock-tests"]),
        ("tonic", &["airlock-proto", "airlock-server", "airlock", "airlock-tests", "airlock-benches"]),
    ]);
    let found = normal_dependencies(&metadata());
    for (library, owners) in owners {
        let users = found.iter().filter(|(_, names)| names.contains(library)).map(|(package, _)| package.as_str());
        let strays: Vec<_> = users.filter(|user| !owners.contains(user)).collect();
        assert!(strays.is_empty(), "{library} is named by {strays:?}");
    }
}

/// The one that runs guests; the toolchain has another of its own.
fn wasmtime(metadata: &Metadata) -> &Package {
    let named = |package: &&Package| package.name.as_str() == "wasmtime" && package.version.major == 48;
    metadata.packages.iter().find(named).expect("wasmtime 48")
}

/// See `third_party/README.md`: without them one tenant's page can reach another, and copies cost nothing.
#[test]
fn the_engine_is_the_one_with_our_changes() {
    let metadata = metadata();
    let wasmtime = wasmtime(&metadata);
    assert_eq!(wasmtime.source, None, "the registry's wasmtime is used instead of ours");
    let folder = wasmtime.manifest_path.parent().expect("a folder");
    assert_eq!(folder.as_std_path(), root().join("third_party/wasmtime").as_path());
    for changed in [
        "src/runtime/vm/sys/unix/pagemap.rs",
        "src/runtime/component/concurrent/futures_and_streams.rs",
        "src/runtime/store.rs",
    ] {
        let text = std::fs::read_to_string(folder.join(changed)).expect("readable");
        assert!(text.contains("AIRLOCK"), "{changed} has lost its change");
    }
}

#[test]
fn the_engine_has_only_the_features_we_chose() {
    let metadata = metadata();
    let wasmtime = wasmtime(&metadata);
    let resolve = metadata.resolve.as_ref().expect("a resolved graph");
    let node = resolve.nodes.iter().find(|node| node.id == wasmtime.id).expect("in the graph");
    let found: BTreeSet<_> = node.features.iter().map(ToString::to_string).collect();
    for refused in
        ["wat", "cache", "profiling", "threads", "gc", "coredump", "debug-builtins", "stack-switching", "wave"]
    {
        assert!(!found.contains(refused), "wasmtime is built with `{refused}`: {found:?}");
    }
}

#[test]
fn every_reason_is_documented() {
    let text = std::fs::read_to_string(root().join("docs/errors.md")).expect("docs/errors.md");
    for reason in Reason::ALL {
        assert!(text.contains(&format!("`{reason}`")), "docs/errors.md does not explain `{reason}`");
    }
}

#[test]
fn what_analysis_accepts_is_what_the_sandbox_links() {
    let linked: BTreeSet<_> = airlock_sandbox::LINKED_WASI.iter().copied().collect();
    let accepted: BTreeSet<_> = airlock_analysis::WASI_ALLOWED.iter().copied().collect();
    assert_eq!(accepted, linked);
}

#[test]
fn nothing_is_called_utils() {
    let mut odd = Vec::new();
    let mut folders =
        vec![root().join("runtime"), root().join("guest-sdk"), root().join("proto"), root().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            let name = entry.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            if ["utils", "util", "common", "helpers", "misc"].contains(&name) {
                odd.push(entry.clone());
            }
            if entry.is_dir() && name != "target" && name != "node_modules" {
                folders.push(entry);
            }
        }
    }
    assert!(odd.is_empty(), "{odd:?}");
}
