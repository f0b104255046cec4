//! Uploads that analysis must refuse before anything is compiled.

use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use super::{
    bytes::{COMPONENT, component, holding, leb, module, section, vector, with_body},
    component_of, function, many, specimen,
};
use crate::{airlock_binary, guests::WatGuest, zoo::Specimen};

const NOT: &str = "rejected:not-a-component";
const INVALID: &str = "rejected:component-invalid";
const BOUND: &str = "rejected:bound-exceeded";
const IMPORT: &str = "rejected:import-not-allowed";

/// Bytes of other formats.
pub(super) fn foreign() -> Vec<Specimen> {
    vec![
        specimen("deploy-empty", "request_malformed", Vec::new),
        specimen("deploy-elf", NOT, || {
            std::fs::read("/proc/self/exe").expect("this program").into_iter().take(1 << 20).collect()
        }),
        specimen("deploy-cwasm", NOT, precompiled),
        specimen("deploy-wat", NOT, || b"(component)".to_vec()),
        specimen("deploy-wat-comments", NOT, || [b";;\n".repeat(1 << 20), b"(component)".to_vec()].concat()),
        specimen("deploy-zip", NOT, || [&b"PK\x03\x04"[..], &[0; 4096]].concat()),
        specimen("deploy-gzip", NOT, || [&b"\x1f\x8b\x08"[..], &[0; 4096]].concat()),
        specimen("deploy-core-module", NOT, || wat::parse_str("(module (func))").expect("valid")),
        specimen("deploy-unknown-version", NOT, || b"\0asm\x0e\0\x01\0".to_vec()),
        specimen("deploy-zeros", NOT, || vec![0; 1 << 20]),
    ]
}

/// A valid component, then something happened to it.
pub(super) fn damaged() -> Vec<Specimen> {
    let whole = || WatGuest::returning("1").component();
    vec![
        specimen("deploy-truncated", INVALID, move || whole().into_iter().take(300).collect()),
        specimen("deploy-trailing-garbage", INVALID, move || [whole(), vec![0xff; 64]].concat()),
        specimen("deploy-section-too-long", INVALID, || [COMPONENT, &[1, 0xff, 0xff, 0xff, 0x7f, 0]].concat()),
        specimen("deploy-section-too-short", INVALID, || {
            let code = [section(1, &[1, 0x60, 0, 0]), vec![10, 2, 1, 9, 0, 0x0b]].concat();
            holding(&module(&[code]))
        }),
        specimen("deploy-leb-overlong", INVALID, || [COMPONENT, &[1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]].concat()),
        specimen("deploy-leb-endless", INVALID, || [COMPONENT.to_vec(), vec![0x80; 1 << 20]].concat()),
        specimen("deploy-count-lies", INVALID, || component(&[section(7, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0x40])])),
        specimen("deploy-name-section-lies", "returned", move || {
            let names = [leb(4), b"name".to_vec(), vec![1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff]].concat();
            [whole(), section(0, &names)].concat()
        }),
        specimen("deploy-text-not-utf8", INVALID, || component(&[section(0, &[4, 0xff, 0xfe, 0xfd, 0xfc])])),
    ]
}

/// Imports that no function has.
pub(super) fn imports() -> Vec<Specimen> {
    let importing = |text: &'static str| move || function("", &format!("(import \"{text}\" (instance))"));
    vec![
        specimen("deploy-import-wasi-http", IMPORT, importing("wasi:http/outgoing-handler@0.2.9")),
        specimen("deploy-import-sockets", IMPORT, importing("wasi:sockets/tcp@0.2.9")),
        specimen("deploy-import-filesystem", IMPORT, importing("wasi:filesystem/preopens@0.2.9")),
        specimen("deploy-import-unknown", IMPORT, importing("acme:host/system@1.0.0")),
        specimen("deploy-import-undeclared", "rejected:import-undeclared", importing("resources:orders-db/sql@1.0.0")),
        specimen("deploy-import-function", IMPORT, || function("", "(import \"system\" (func))")),
        specimen("deploy-import-module", IMPORT, || function("", "(import \"part\" (core module))")),
        specimen("deploy-import-hundreds", IMPORT, || {
            function("", &many(900, |n| format!("(import \"acme:host/i{n}@1.0.0\" (instance))")))
        }),
    ]
}

/// Features that are off.
pub(super) fn features() -> Vec<Specimen> {
    let using = |fields: &'static str| move || component_of(&format!("(core module {fields})"));
    vec![
        specimen("deploy-memory64", INVALID, using("(memory i64 1)")),
        specimen("deploy-shared-memory", INVALID, using("(memory 1 2 shared)")),
        specimen("deploy-atomics", INVALID, using("(memory 1) (func (drop (i32.atomic.load (i32.const 0))))")),
        specimen("deploy-gc-types", INVALID, using("(type (struct (field i32)))")),
        specimen("deploy-exceptions", INVALID, using("(tag $t) (func (throw $t))")),
        specimen("deploy-tail-call", INVALID, using("(func $f (return_call $f))")),
        specimen("deploy-custom-page-size", INVALID, using("(memory 1 (pagesize 1))")),
        specimen("deploy-relaxed-simd", INVALID, using(RELAXED)),
        specimen("deploy-stack-switching", INVALID, using("(type $f (func)) (type (cont $f))")),
        specimen("deploy-component-start", INVALID, || {
            component(&[section(10, &vector(1, &[0, 1, b'f', 1, 0])), section(9, &[0, 0, 0])])
        }),
    ]
}

const RELAXED: &str = "(func (param v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))";

/// More of something than any function has.
pub(super) fn sizes() -> Vec<Specimen> {
    [module_sizes(), component_sizes(), type_sizes()].into_iter().flatten().collect()
}

fn module_sizes() -> Vec<Specimen> {
    vec![
        specimen("deploy-functions-100k", BOUND, || {
            let bodies = vector(100_001, &[2, 0, 0x0b]);
            let sections = [section(1, &[1, 0x60, 0, 0]), section(3, &vector(100_001, &[0])), section(10, &bodies)];
            holding(&module(&sections))
        }),
        specimen("deploy-body-7mb", BOUND, || with_body(&[vec![0], vec![1; 7 << 20], vec![0x0b]].concat())),
        specimen("deploy-locals-50k", BOUND, || with_body(&[vec![1], leb(50_000), vec![0x7f, 0x0b]].concat())),
        specimen("deploy-locals-4-billion", BOUND, || with_body(&[1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 0x0b])),
        specimen("deploy-locals-in-runs", INVALID, || {
            with_body(&[vector(1_000, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f]), vec![0x0b]].concat())
        }),
        specimen("deploy-globals-100k", BOUND, || {
            holding(&module(&[section(6, &vector(100_000, &[0x7f, 0, 0x41, 0, 0x0b]))]))
        }),
        specimen("deploy-imports-100k", BOUND, || {
            let import = [1, b'm', 1, b'f', 0, 0];
            holding(&module(&[section(1, &[1, 0x60, 0, 0]), section(2, &vector(100_000, &import))]))
        }),
        specimen("deploy-exports-100k", BOUND, || {
            let exports: Vec<u8> = (0..100_000_u32).flat_map(|n| export(&format!("e{n}"))).collect();
            let table = section(7, &[leb(100_000), exports].concat());
            holding(&module(&[section(1, &[1, 0x60, 0, 0]), section(3, &[1, 0]), table, section(10, &[1, 2, 0, 0x0b])]))
        }),
        specimen("deploy-name-2kb", BOUND, || function(&format!("(func (export \"{}\"))", "n".repeat(2_000)), "")),
        specimen("deploy-name-1mb", INVALID, || function(&format!("(func (export \"{}\"))", "n".repeat(1 << 20)), "")),
        specimen("deploy-data-segments-100k", BOUND, || function(&"(data (i32.const 0) \"\")".repeat(100_000), "")),
        specimen("deploy-element-segments-50k", BOUND, || {
            function(&format!("(table 1 funcref) {}", "(elem (i32.const 0) func)".repeat(50_000)), "")
        }),
        specimen("deploy-element-items-10m", BOUND, || {
            let items = [leb(1), vec![1, 0], vector(9_999_999, &[0])].concat();
            let sections =
                [section(1, &[1, 0x60, 0, 0]), section(3, &[1, 0]), section(9, &items), section(10, &[1, 2, 0, 0x0b])];
            holding(&module(&sections))
        }),
        specimen("deploy-br-table-1m", BOUND, || {
            let targets = [vec![0, 0x41, 0, 0x0e], vector(1_000_000, &[0]), vec![0, 0x0b]].concat();
            with_body(&targets)
        }),
        specimen("deploy-memories-100", BOUND, || holding(&module(&[section(5, &vector(100, &[0, 1]))]))),
        specimen("deploy-tables-100", BOUND, || holding(&module(&[section(4, &vector(100, &[0x70, 0, 1]))]))),
        specimen("deploy-custom-30mb", BOUND, || component(&[section(0, &[leb(1), vec![b'x'; 30 << 20]].concat())])),
        specimen("deploy-33mb", BOUND, || component(&[section(0, &[leb(1), vec![b'x'; 33 << 20]].concat())])),
    ]
}

fn export(name: &str) -> Vec<u8> {
    [leb(name.len()), name.as_bytes().to_vec(), vec![0, 0]].concat()
}

fn component_sizes() -> Vec<Specimen> {
    vec![
        specimen("deploy-components-1000", BOUND, || component_of(&"(component)".repeat(1_000))),
        specimen("deploy-components-nested-100", BOUND, || {
            (0..100).fold(COMPONENT.to_vec(), |inside, _| component(&[section(4, &inside)]))
        }),
        specimen("deploy-modules-1000", BOUND, || component_of(&"(core module)".repeat(1_000))),
        specimen("deploy-aliases-100k", BOUND, || {
            let aliases = "(alias core export $i \"f\" (core func))".repeat(100_000);
            function(
                "",
                &format!("(core module $m (func (export \"f\"))) (core instance $i (instantiate $m)) {aliases}"),
            )
        }),
        specimen("deploy-canonicals-20k", BOUND, || component(&[section(8, &vector(20_000, &[0, 0, 0, 0, 0]))])),
        specimen("deploy-instances-multiply", BOUND, instances_multiply),
        specimen("deploy-instances-add-up", BOUND, || {
            let once = "(core module $m) ".to_owned() + &"(core instance (instantiate $m)) ".repeat(990);
            let inner = format!("(component $c {once}) {}", "(instance (instantiate $c)) ".repeat(2));
            function("", &inner)
        }),
        specimen("deploy-alias-outer-forged", INVALID, || component(&[section(6, &[1, 3, 2, 0xff, 0xff, 3, 0])])),
    ]
}

/// Fourteen components, each of which instantiates the one before it nine times: 9^14 instances out of a kilobyte.
fn instances_multiply() -> Vec<u8> {
    let level = |n: usize| {
        let inside = format!("(alias outer $top $c{} (component $c))", n - 1);
        format!("(component $c{n} {inside} {})", "(instance (instantiate $c)) ".repeat(9))
    };
    let levels = many(14, |n| level(n + 1));
    wat::parse_str(format!("(component $top (component $c0 (core module $m) (core instance (instantiate $m))) {levels} (instance (instantiate $c14)))"))
        .expect("valid WAT")
}

fn type_sizes() -> Vec<Specimen> {
    let doubling = |levels: usize, of: fn(usize) -> String| {
        move || {
            component_of(&format!("(type $t0 string) {}", many(levels, |n| format!("(type $t{} {})", n + 1, of(n)))))
        }
    };
    vec![
        specimen("deploy-types-double", INVALID, doubling(40, |n| format!("(tuple $t{n} $t{n})"))),
        specimen(
            "deploy-types-records-double",
            INVALID,
            doubling(40, |n| format!("(record (field \"a\" $t{n}) (field \"b\" $t{n}))")),
        ),
        specimen(
            "deploy-types-variants-double",
            INVALID,
            doubling(40, |n| format!("(variant (case \"a\" $t{n}) (case \"b\" $t{n}))")),
        ),
        specimen("deploy-types-compared", BOUND, types_compared),
        specimen("deploy-types-lists-deep", INVALID, doubling(5_000, |n| format!("(list $t{n})"))),
        specimen("deploy-types-nested-3m", BOUND, || {
            component(&[section(7, &[leb(1), [0x42, 1, 1].repeat(3_000_000)].concat())])
        }),
        specimen("deploy-types-100k", BOUND, || component(&[section(7, &vector(100_000, &[0x73]))])),
        specimen("deploy-core-types-100k", BOUND, || holding(&module(&[section(1, &vector(100_000, &[0x60, 0, 0]))]))),
        specimen("deploy-function-params-100k", INVALID, || {
            let params = [vec![1, 0x60], vector(100_000, &[0x7f]), vec![0]].concat();
            holding(&module(&[section(1, &params)]))
        }),
    ]
}

/// Two equal types of a hundred thousand leaves each, written differently, that every one of 900 instantiations compares.
fn types_compared() -> Vec<u8> {
    let family = |name: &str| {
        let level = |n: usize| format!("(type ${name}{} (tuple ${name}{n} ${name}{n}))", n + 1);
        format!("(type ${name}0 (tuple string string)) {}", many(16, level))
    };
    component_of(&format!(
        "{} {} (import \"f\" (func $f (param \"p\" $a16)))
         (component $c (import \"f\" (func (param \"p\" $b16)))) {}",
        family("a"),
        family("b"),
        "(instance (instantiate $c (with \"f\" (func $f)))) ".repeat(900)
    ))
}

/// A real artifact of the engine, as the compile child writes it.
fn precompiled() -> Vec<u8> {
    let mut child = Command::new(airlock_binary())
        .args(["compile-child", "--memory-bytes", "4294967296", "--cpu-s", "60"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the compile child");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(&WatGuest::returning("1").component()).expect("written");
    drop(stdin);
    let mut compiled = Vec::new();
    child.stdout.take().expect("piped").read_to_end(&mut compiled).expect("read");
    assert!(child.wait().expect("ended").success());
    compiled
}
