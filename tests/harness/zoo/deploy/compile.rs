//! Valid components within all bounds that try to make the compiler, the linker or the loader work too hard.

use super::{function, many, specimen};
use crate::zoo::Specimen;

const LIMIT: &str = "rejected:compile-limit";
const LINK: &str = "rejected:component-link";

/// Every specimen that reaches the compile child.
pub(super) fn bombs() -> Vec<Specimen> {
    [bodies(), segments(), adapters()].into_iter().flatten().collect()
}

fn bodies() -> Vec<Specimen> {
    vec![
        specimen("deploy-blocks-deep", "returned", || {
            let depth = 5_000;
            function(&format!("(func {}{})", "block ".repeat(depth), "end ".repeat(depth)), "")
        }),
        specimen("deploy-operand-stack", "returned", || {
            function(&format!("(func {}{})", "i32.const 1 ".repeat(50_000), "drop ".repeat(50_000)), "")
        }),
        specimen("deploy-calls-many", "returned", || {
            function(&format!("(func $f (result i32) i32.const 1) (func {})", "call $f drop ".repeat(10_000)), "")
        }),
        specimen("deploy-br-table-wide", "rejected:component-compile", || {
            let table = format!("(br_table {} (local.get 0))", "0 ".repeat(400_000));
            function(&format!("(func (param i32) (block {table}))"), "")
        }),
        specimen("deploy-branches-many", "returned", || {
            let branches = "local.get 0 local.get 0 br_if 0 drop ".repeat(2_000);
            function(&format!("(func (param i32) (result i32) (block (result i32) {branches} i32.const 1))"), "")
        }),
        // Every loop makes the compiler join all locals again: 4,000 locals times 20,000 loops.
        specimen("deploy-locals-joined", LIMIT, || {
            let set = many(4_000, |n| format!("i32.const {n} local.set {n} "));
            let loops = "loop local.get 0 br_if 0 end ".repeat(20_000);
            let used = many(4_000, |n| format!("local.get {n} drop "));
            function(
                &format!("(func (local {}) loop {set} {loops} {used} local.get 1 br_if 0 end)", "i32 ".repeat(4_000)),
                "",
            )
        }),
        specimen("deploy-constant-expression", "returned", || {
            let sum = format!("i32.const 0 {}", "i32.const 1 i32.add ".repeat(20_000));
            function(&format!("(global i32 {sum})"), "")
        }),
    ]
}

fn segments() -> Vec<Specimen> {
    vec![
        specimen("deploy-data-overlapping", "returned", || {
            let segment = format!("(data (i32.const 4096) \"{}\")", "x".repeat(4_000));
            function(&segment.repeat(1_000), "")
        }),
        specimen("deploy-data-out-of-bounds", "guest_trap", || function("(data (i32.const 0x7fffffff) \"x\")", "")),
        specimen("deploy-data-sparse", "guest_trap", || {
            function(&many(2_000, |n| format!("(data (i32.const {}) \"x\")", n * 65_536)), "")
        }),
        specimen("deploy-elements-out-of-bounds", "guest_trap", || {
            function("(table 1 funcref) (func $f) (elem (i32.const 1000000) func $f)", "")
        }),
        specimen("deploy-table-huge", LINK, || function("(table 4000000000 funcref)", "")),
        specimen("deploy-table-sparse", LINK, || {
            function("(table 1000000 funcref) (func $f) (elem (i32.const 999999) func $f)", "")
        }),
        specimen("deploy-memory-huge", LINK, || {
            function("", "(core module $m (memory 65536)) (core instance (instantiate $m))")
        }),
        specimen("deploy-core-instances-200", LINK, || {
            function("", &format!("(core module $m) {}", "(core instance (instantiate $m)) ".repeat(200)))
        }),
    ]
}

/// Calls between nested components go through adapters that the engine generates: one per function, in the size of its
/// types.
fn adapters() -> Vec<Specimen> {
    vec![
        specimen("deploy-adapters-many", "rejected:component-composed", || adapted(60, "string", 6)),
        specimen("deploy-adapters-large", "rejected:component-composed", || adapted(20, "$big", 10)),
    ]
}

fn encoding(n: usize) -> &'static str {
    match n % 3 {
        0 => "utf8",
        1 => "utf16",
        _ => "latin1+utf16",
    }
}

/// One component that exports `functions` functions of one parameter, a second that imports and calls none of them.
fn adapted(functions: usize, parameter: &str, doubled: usize) -> Vec<u8> {
    let big = many(doubled, |n| format!("(type $d{} (list (tuple $d{n} $d{n})))", n + 1));
    let types = format!("(type $d0 string) {big} (type $big (tuple $d{doubled} u8))");
    let module = "(core module $m (memory (export \"m\") 1)
        (func (export \"r\") (param i32 i32 i32 i32) (result i32) i32.const 0)
        (func (export \"f\") (param i32 i32)) (func (export \"g\") (param i32 i32 i32)))
        (core instance $i (instantiate $m))";
    let core = if parameter == "string" { "f" } else { "g" };
    let lift = |n: usize| {
        let encoding = encoding(n);
        format!(
            "(func $f{n} (param \"a\" {parameter}) (canon lift (core func $i \"{core}\") (memory (core memory $i \"m\"))
               (realloc (core func $i \"r\")) string-encoding={encoding}))
             (export \"f{n}\" (func $f{n}))"
        )
    };
    let lower = |n: usize| {
        let encoding = encoding(n + 2);
        format!(
            "(alias export $made \"f{n}\" (func $f{n}))
             (core func $l{n} (canon lower (func $f{n}) (memory (core memory $i \"m\")) (realloc (core func $i \"r\")) string-encoding={encoding}))"
        )
    };
    let uses = many(functions, |n| format!("(export \"f{n}\" (func $l{n}))"));
    let imports = many(functions, |n| {
        format!("(import \"x\" \"f{n}\" (func (param {})))", if core == "f" { "i32 i32" } else { "i32 i32 i32" })
    });
    let definitions = format!(
        "(component $maker {types} {module} {})
         (instance $made (instantiate $maker)) {module} {}
         (core module $user {imports})
         (core instance (instantiate $user (with \"x\" (instance {uses}))))",
        many(functions, lift),
        many(functions, lower)
    );
    function("", &definitions)
}
