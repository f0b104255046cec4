use airlock_analysis::{Bounds, HANDLER, ImportClass, inspect};
use airlock_model::{Digest, Finding, ResourceKind};

use crate::fixture::{World, encode, importing};

const CLEAN: Bounds = Bounds::BUILT_IN;

fn rules(bytes: &[u8]) -> Vec<String> {
    inspect(bytes, &CLEAN).expect_err("refused").into_iter().map(|finding| finding.rule).collect()
}

fn only(bytes: &[u8], bounds: &Bounds) -> Finding {
    let findings = inspect(bytes, bounds).expect_err("refused");
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.into_iter().next().expect("one")
}

#[test]
fn a_plain_function_is_reported_with_its_digest_and_sizes() {
    let bytes = World::default().component();
    let report = inspect(&bytes, &CLEAN).expect("accepted");
    assert_eq!(report.digest, Digest::of(&bytes));
    assert_eq!((report.handler.name.as_str(), report.handler.is_async), (HANDLER, false));
    assert_eq!((report.sizes.functions, report.sizes.locals, report.sizes.memories), (2, 3, 1));
    assert_eq!((report.sizes.modules, report.sizes.data_segments, report.sizes.globals), (1, 1, 1));
    assert_eq!(report.sizes.bytes, bytes.len() as u64);
    assert!(report.resources.is_empty() && report.wasi.is_empty() && report.imports.len() == 1);
}

#[test]
fn an_async_handler_is_reported_as_async() {
    let bytes = World { colour: "async", ..World::default() }.component();
    assert!(inspect(&bytes, &CLEAN).expect("accepted").handler.is_async);
}

#[test]
fn resources_and_wasi_are_listed_and_the_rest_is_refused_by_name() {
    let bytes = importing(
        r#"(import "resources:orders-db/sql@1.0.0" (instance))
           (import "resources:crm/http@1.0.0" (instance))
           (import "wasi:random/random@0.2.9" (instance))
           (import "airlock:guest/log@1.0.0" (instance))"#,
    );
    let report = inspect(&bytes, &CLEAN).expect("accepted");
    let resources: Vec<_> = report.resources.iter().map(|found| (found.name.as_str(), found.kind)).collect();
    assert_eq!(resources, [("crm", ResourceKind::Http), ("orders-db", ResourceKind::Sql)]);
    assert_eq!(report.wasi, ["wasi:random/random@0.2.9"]);
    assert_eq!(report.imports.iter().filter(|import| import.class == ImportClass::Guest).count(), 2);

    let bytes = importing(
        r#"(import "wasi:filesystem/types@0.2.9" (instance))
           (import "wasi:sockets/tcp@0.2.9" (instance))
           (import "wasi:http/outgoing-handler@0.2.9" (instance))
           (import "acme:custom/thing@1.0.0" (instance))
           (import "thing" (func))
           (import "part" (core module))"#,
    );
    assert_eq!(rules(&bytes), ["import-not-allowed"; 6]);
}

#[test]
fn a_function_hidden_behind_an_allowed_name_is_refused() {
    assert_eq!(rules(&importing(r#"(import "wasi:random/random@0.2.9" (component))"#)), ["import-not-allowed"]);
}

#[test]
fn a_missing_or_misshapen_handler_is_named() {
    let world = World::default;
    assert_eq!(rules(&World { exports: "", ..world() }.component()), ["handler-missing"]);
    let other_version = r#"(instance $handler (export "handle" (func $handle)))
                           (export "airlock:guest/handler@2.0.0" (instance $handler))"#;
    assert_eq!(rules(&World { exports: other_version, ..world() }.component()), ["handler-missing"]);
    let empty = r#"(instance $handler) (export "airlock:guest/handler@1.0.0" (instance $handler))"#;
    assert_eq!(rules(&World { exports: empty, ..world() }.component()), ["handler-type"]);
    let not_an_instance = r#"(export "airlock:guest/handler@1.0.0" (func $handle))"#;
    assert_eq!(rules(&World { exports: not_an_instance, ..world() }.component()), ["handler-type"]);
    for signature in [
        r#"(param "a" (list u8)) (result $outcome)"#,
        r#"(param "input" string) (result (result string (error string)))"#,
        r#"(param "input" string) (result (result (list u8) (error $error)))"#,
        r#"(param "input" string) (result (tuple u64 u64))"#,
    ] {
        assert_eq!(rules(&World { signature, ..world() }.component()), ["handler-type"], "{signature}");
    }
    let two = r#"(field "code" string) (field "message" string)"#;
    assert_eq!(rules(&World { error_fields: two, ..world() }.component()), ["handler-type"]);
    let renamed = r#"(field "code" string) (field "text" string) (field "details" string)"#;
    assert_eq!(rules(&World { error_fields: renamed, ..world() }.component()), ["handler-type"]);
}

#[test]
fn each_bound_is_named_with_what_was_configured_and_found() {
    let bytes = World::default().component();
    let sizes = inspect(&bytes, &CLEAN).expect("accepted").sizes;
    let check = |name: &str, bounds: Bounds, found: u64| {
        let finding = only(&bytes, &bounds);
        assert_eq!(finding.rule, "bound-exceeded");
        let said = finding.message.contains(&format!("`{name}`"))
            && finding.message.contains(&found.to_string())
            && finding.message.contains(&(found - 1).to_string());
        assert!(said, "{name}: {}", finding.message);
    };
    macro_rules! each {
        ($($field:ident)*) => {$(
            assert!(sizes.$field > 0, "the fixture has no {}", stringify!($field));
            check(stringify!($field), Bounds { $field: sizes.$field - 1, ..CLEAN }, sizes.$field);
        )*};
    }
    each!(bytes functions body_bytes locals types nesting modules imports exports name_bytes memories globals data_segments instances
        component_instances component_exports canonicals aliases);
}

#[test]
fn tables_segments_and_custom_sections_are_bounded_too() {
    let with = |part: &str| encode(&format!("(component (core module {part}))"));
    let tables = with("(table 1 funcref) (table 1 funcref)");
    assert!(only(&tables, &Bounds { tables: 1, ..CLEAN }).message.contains("`tables`"));
    let elements = with("(table 1 funcref) (func $f) (elem (i32.const 0) $f) (elem (i32.const 0) $f)");
    assert!(only(&elements, &Bounds { element_segments: 1, ..CLEAN }).message.contains("`element_segments`"));
    let items = with("(table 1 funcref) (func $f) (elem (i32.const 0) $f $f $f)");
    assert!(only(&items, &Bounds { element_items: 2, ..CLEAN }).message.contains("`element_items`"));
    let custom = with(r#"(@custom "note" "0123456789")"#);
    assert!(only(&custom, &Bounds { custom_section_bytes: 10, ..CLEAN }).message.contains("`custom_section_bytes`"));
}

#[test]
fn features_outside_the_list_do_not_validate() {
    for module in [
        "(memory i64 1)",
        "(memory 1 2 shared)",
        "(memory 1) (memory 1)",
        "(memory 1 (pagesize 1))",
        "(type (struct))",
        "(tag)",
        "(func $f (return_call $f))",
        "(type $c (func)) (type (cont $c))",
        "(func (param externref))",
        "(func (param i64 i64 i64 i64) (result i64 i64) (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3)))",
        "(func (param v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))",
    ] {
        let bytes = encode(&format!("(component (core module {module}))"));
        assert_eq!(rules(&bytes), ["component-invalid"], "{module}");
    }
    for module in [
        "(func (param v128) (result v128) (i8x16.add (local.get 0) (local.get 0)))",
        "(memory 1) (func (memory.copy (i32.const 0) (i32.const 0) (i32.const 0)))",
        "(func (param i32) (result i32) (i32.extend8_s (local.get 0)))",
        "(func (param f64) (result i64) (i64.trunc_sat_f64_s (local.get 0)))",
        "(func (result i32 i32) (i32.const 0) (i32.const 0))",
        "(table 1 funcref) (func (drop (table.get (i32.const 0))))",
    ] {
        let bytes = encode(&format!("(component (core module {module}))"));
        assert_eq!(rules(&bytes), ["handler-missing"], "{module}");
    }
}

#[test]
fn nested_components_and_types_are_bounded_without_recursion() {
    let text = format!("(component {}{})", "(component ".repeat(40), ")".repeat(40));
    assert!(only(&encode(&text), &CLEAN).message.contains("`nesting`"));

    // A section of component types, three million levels deep.
    let depth = 3_000_000;
    let mut types = vec![1];
    types.extend([0x42, 1, 1].repeat(depth));
    let mut bytes = b"\0asm\x0d\0\x01\0\x07".to_vec();
    bytes.extend(leb(types.len()));
    bytes.extend(types);
    assert!(only(&bytes, &CLEAN).message.contains("`nesting`"));
}

#[test]
fn a_thousand_sibling_components_are_too_many() {
    let text = format!("(component {})", "(component)".repeat(1_000));
    assert!(only(&encode(&text), &CLEAN).message.contains("`modules`"));
}

/// What each level instantiates is multiplied out: 5 + 5 * (1 + 5) instances.
#[test]
fn instances_of_instances_are_multiplied_out() {
    let inner = format!("(component $a (core module $m) {})", "(core instance (instantiate $m)) ".repeat(5));
    let text = format!("(component {inner} {})", "(instance (instantiate $a)) ".repeat(5));
    let message = only(&encode(&text), &Bounds { instances: 29, ..CLEAN }).message;
    assert_eq!(message, "the component has 30 instances, the bound `instances` is 29");
}

#[test]
fn more_findings_than_anybody_reads_are_counted() {
    let imports: String = (0..300).map(|n| format!("(import \"acme:a/i{n}@1.0.0\" (instance))")).collect();
    let findings = inspect(&importing(&imports), &CLEAN).expect_err("refused");
    let last = findings.last().expect("one");
    assert_eq!((findings.len(), last.message.as_str()), (51, "250 more findings are not shown"));
}

#[test]
fn type_bombs_end_in_a_finding() {
    // Each type holds the one before it ten times: 10^12 leaves.
    let mut text = String::from("(component (type (tuple u8 u8))");
    for level in 0..12 {
        let same = format!("{level} ").repeat(10);
        text.push_str(&format!("(type (tuple {same}))"));
    }
    text.push(')');
    assert_eq!(rules(&encode(&text)), ["component-invalid"]);
}

/// The runtime that every TypeScript function carries is far below every bound and needs no feature that is off.
#[test]
fn the_quickjs_runtime_fits_when_it_is_on_this_machine() {
    let Some(runtime) = quickjs_runtime() else {
        println!("skipped: the componentize-qjs sources are not in the cargo registry");
        return;
    };
    let mut bytes = b"\0asm\x0d\0\x01\0\x01".to_vec();
    bytes.extend(leb(runtime.len()));
    bytes.extend(runtime);
    let findings = inspect(&bytes, &CLEAN).expect_err("a runtime alone has no handler");
    assert_eq!(findings.iter().map(|finding| finding.rule.as_str()).collect::<Vec<_>>(), ["handler-missing"]);
    let tight = Bounds { functions: 1_000, locals: 1, body_bytes: 1, types: 1, ..CLEAN };
    println!("{:#?}", inspect(&bytes, &tight).expect_err("too tight"));
}

fn quickjs_runtime() -> Option<Vec<u8>> {
    let home = std::env::var_os("CARGO_HOME").map(std::path::PathBuf::from);
    let home = home.or_else(|| Some(std::path::PathBuf::from(std::env::var_os("HOME")?).join(".cargo")))?;
    let registries = std::fs::read_dir(home.join("registry/src")).ok()?;
    let inside = "componentize-qjs-0.4.5/prebuilt/runtime.wasm";
    registries.flatten().find_map(|registry| std::fs::read(registry.path().join(inside)).ok())
}

fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).expect("seven bits");
        value >>= 7;
        bytes.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}
