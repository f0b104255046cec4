//! Judges the imports of a component: a function's imports are its permissions.

use airlock_model::{Finding, ResourceKind, ResourceName};

use super::{Import, ImportClass, ResourceImport, walk::RawImport};

/// The interfaces of the guest contract, without version. Any 1.x is accepted.
pub const GUEST_ALLOWED: &[&str] = &["airlock:guest/types", "airlock:guest/log", "airlock:guest/context"];

/// The WASI interfaces that language runtimes need, without version. 0.2.x and 0.3.x are accepted, pre-releases are not.
pub const WASI_ALLOWED: &[&str] = &[
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:cli/types",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/system-clock",
    "wasi:clocks/types",
    "wasi:clocks/wall-clock",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

const RESOURCE_PREFIX: &str = "resources:";
const RESOURCE_VERSION: &str = "1.0.0";

/// Sorts all imports into those a function may have and one `import-not-allowed` finding for each of the others.
pub(super) fn classify(imports: &[RawImport]) -> (Vec<Import>, Vec<Finding>) {
    let mut allowed = Vec::new();
    let mut findings = Vec::new();
    for import in imports {
        match class_of(import) {
            Some(class) => allowed.push(Import { name: import.name.clone(), class }),
            None => findings.push(not_allowed(&import.name)),
        }
    }
    (allowed, findings)
}

fn class_of(import: &RawImport) -> Option<ImportClass> {
    let (interface, version) = import.name.split_once('@')?;
    if !import.is_instance {
        return None;
    }
    if GUEST_ALLOWED.contains(&interface) {
        return is_release(version, "1.").then_some(ImportClass::Guest);
    }
    if WASI_ALLOWED.contains(&interface) {
        return (is_release(version, "0.2.") || is_release(version, "0.3.")).then_some(ImportClass::Wasi);
    }
    let (name, kind) = interface.strip_prefix(RESOURCE_PREFIX)?.split_once('/')?;
    let name: ResourceName = name.parse().ok()?;
    let kind: ResourceKind = kind.parse().ok()?;
    (version == RESOURCE_VERSION).then_some(ImportClass::Resource(ResourceImport { name, kind }))
}

/// Whether `version` is `track` followed by plain numbers.
fn is_release(version: &str, track: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    version.split('.').count() == 3 && version.strip_prefix(track).is_some_and(|rest| rest.split('.').all(number))
}

fn not_allowed(name: &str) -> Finding {
    let shown: String = name.chars().take(200).collect();
    let message = format!("a function may not import `{shown}`");
    Finding::error("import-not-allowed", message, format!("import `{shown}`"), fix_for(name))
}

fn fix_for(name: &str) -> String {
    let package = name.split_once('/').map_or(name, |(package, _)| package);
    let interface = name.split_once('@').map_or(name, |(interface, _)| interface);
    match package {
        "wasi:filesystem" => "functions have no file system: take data from the input or from a resource, and build \
                              with `airlock build`, which leaves it out"
            .to_owned(),
        "wasi:sockets" => {
            "functions open no sockets: declare the backend under [resources] in function.toml".to_owned()
        }
        "wasi:http" => "declare the API as a resource of kind `http` in function.toml and use its client".to_owned(),
        _ if GUEST_ALLOWED.contains(&interface) => "build against version 1 of the guest contract".to_owned(),
        _ if WASI_ALLOWED.contains(&interface) => "build against a release of WASI 0.2 or 0.3".to_owned(),
        _ if name.starts_with(RESOURCE_PREFIX) => {
            let kinds: Vec<_> = ResourceKind::ALL.iter().map(|kind| kind.as_str()).collect();
            format!("resource imports read `resources:<name>/<kind>@1.0.0`, where kind is one of: {}", kinds.join(", "))
        }
        _ => "remove the import, or declare a resource in function.toml and use its client".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(name: &str) -> Option<ImportClass> {
        class_of(&RawImport { name: name.to_owned(), is_instance: true })
    }

    #[test]
    fn contract_wasi_and_resource_imports_are_told_apart() {
        assert_eq!(class("airlock:guest/log@1.4.2"), Some(ImportClass::Guest));
        assert_eq!(class("wasi:clocks/wall-clock@0.2.9"), Some(ImportClass::Wasi));
        assert_eq!(class("wasi:clocks/system-clock@0.3.0"), Some(ImportClass::Wasi));
        let orders = ResourceImport { name: "orders-db".parse().expect("valid"), kind: ResourceKind::Sql };
        assert_eq!(class("resources:orders-db/sql@1.0.0"), Some(ImportClass::Resource(orders)));
    }

    #[test]
    fn near_misses_are_refused() {
        for name in [
            "airlock:guest/handler@1.0.0",
            "airlock:guest/log@2.0.0",
            "airlock:guest/log@1.0.0-rc.1",
            "airlock:guest/log@1.0",
            "airlock:guest/log",
            "wasi:clocks/wall-clock@0.1.0",
            "wasi:clocks/wall-clock@0.20.0",
            "wasi:random/random@0.3.0-rc-2026-01-01",
            "resources:orders-db/sql@1.0.1",
            "resources:orders-db/queue@1.0.0",
            "resources:Orders/sql@1.0.0",
            "resources:audit/sql@1.0.0",
            "evil:guest/log@1.0.0",
            "frob",
        ] {
            assert_eq!(class(name), None, "{name}");
        }
        assert_eq!(class_of(&RawImport { name: "airlock:guest/log@1.0.0".to_owned(), is_instance: false }), None);
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        for (name, word) in [
            ("wasi:filesystem/types@0.2.9", "no file system"),
            ("wasi:sockets/tcp@0.2.9", "no sockets"),
            ("wasi:http/outgoing-handler@0.2.9", "kind `http`"),
            ("resources:cache/queue@1.0.0", "one of: sql, http, kv, blob, graphql, llm"),
            ("acme:custom/thing@1.0.0", "remove the import"),
        ] {
            let (allowed, findings) = classify(&[RawImport { name: name.to_owned(), is_instance: true }]);
            assert!(allowed.is_empty() && findings.len() == 1 && findings[0].fix.contains(word), "{findings:?}");
        }
    }
}
