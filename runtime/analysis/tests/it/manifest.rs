use airlock_analysis::{Bounds, ComponentReport, inspect, manifest::check};
use airlock_model::{FunctionManifest, Severity};

use crate::fixture::importing;

fn report() -> ComponentReport {
    let bytes = importing(
        r#"(import "resources:orders-db/sql@1.0.0" (instance)) (import "resources:crm/http@1.0.0" (instance))"#,
    );
    inspect(&bytes, &Bounds::BUILT_IN).expect("accepted")
}

fn manifest(resources: &str) -> FunctionManifest {
    FunctionManifest::parse(&format!("name = \"f\"\nlanguage = \"rust\"\n{resources}")).expect("valid manifest")
}

const ORDERS: &str = "[resources.orders-db]\nkind = \"sql\"\noperations = [\"read\"]\n";
const CRM: &str = "[resources.crm]\nkind = \"http\"\noperations = [\"GET:/*\"]\n";

#[test]
fn imports_that_are_all_declared_give_no_finding() {
    assert_eq!(check(&report(), &manifest(&format!("{ORDERS}{CRM}"))), []);
}

#[test]
fn an_import_that_is_not_declared_is_an_error() {
    let findings = check(&report(), &manifest(ORDERS));
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!((findings[0].rule.as_str(), findings[0].severity), ("import-undeclared", Severity::Error));
    assert!(findings[0].message.contains("`crm`") && findings[0].fix.contains("[resources.crm]"));
}

#[test]
fn a_resource_of_another_kind_is_an_error() {
    let crm_as_sql = "[resources.crm]\nkind = \"sql\"\noperations = [\"read\"]\n";
    let findings = check(&report(), &manifest(&format!("{ORDERS}{crm_as_sql}")));
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!((findings[0].rule.as_str(), findings[0].severity), ("resource-kind-mismatch", Severity::Error));
}

#[test]
fn a_declared_resource_that_is_not_imported_is_a_warning() {
    let spare = "[resources.spare]\nkind = \"sql\"\noperations = [\"read\"]\n";
    let findings = check(&report(), &manifest(&format!("{ORDERS}{CRM}{spare}")));
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!((findings[0].rule.as_str(), findings[0].severity), ("resource-unused", Severity::Warning));
}
