//! What a component imports against what its manifest declares.

use airlock_model::{Finding, FunctionManifest, Severity};

use crate::component::{ComponentReport, ResourceImport};

/// Compares the imported resources with the declared ones.
///
/// Rules: `import-undeclared` and `resource-kind-mismatch` refuse the deploy, `resource-unused` is a warning, because a
/// declared but unused resource is a permission nobody needs. Empty when all agree.
#[must_use]
pub fn check(report: &ComponentReport, manifest: &FunctionManifest) -> Vec<Finding> {
    let imported = report.resources.iter().filter_map(|import| undeclared(import, manifest));
    let is_imported = |name| report.resources.iter().any(|import| &import.name == name);
    let unused = manifest.resources.keys().filter(|name| !is_imported(*name)).map(|name| Finding {
        severity: Severity::Warning,
        ..Finding::error(
            "resource-unused",
            format!("function.toml declares the resource `{name}`, but the component does not import it"),
            format!("function.toml, [resources.{name}]"),
            format!("remove [resources.{name}], or use its client"),
        )
    });
    imported.chain(unused).collect()
}

fn undeclared(import: &ResourceImport, manifest: &FunctionManifest) -> Option<Finding> {
    let ResourceImport { name, kind } = import;
    let location = format!("import `resources:{name}/{kind}@1.0.0`");
    match manifest.resources.get(name) {
        Some(declared) if declared.kind == *kind => None,
        Some(declared) => Some(Finding::error(
            "resource-kind-mismatch",
            format!("the component uses `{name}` as `{kind}`, function.toml declares it as `{}`", declared.kind),
            location,
            format!("set `kind = \"{kind}\"` under [resources.{name}], or build again with `airlock build`"),
        )),
        None => Some(Finding::error(
            "import-undeclared",
            format!("the component imports the resource `{name}`, which function.toml does not declare"),
            location,
            format!("add [resources.{name}] with `kind = \"{kind}\"` and its operations to function.toml"),
        )),
    }
}
