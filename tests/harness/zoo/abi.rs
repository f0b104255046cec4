//! Guests that break the canonical ABI: what they return, what they pass, what their `realloc` says.

use super::{
    Group, Specimen,
    wat::{ANY, Maker, Template},
};
use crate::guests::WatGuest;

const ABI: Maker = Maker(Group::Abi);
const SMALL_OUTPUT: &str = "[limits]\noutput_bytes = 1_000\nfuel = 2_000_000_000\nwall_time_ms = 8000\n";

pub(super) fn specimens() -> Vec<Specimen> {
    let mut all = results();
    all.extend(encodings());
    all.extend(reallocs());
    all.extend(arguments());
    all.extend(inside());
    all
}

/// Returns `ok` with a string at `pointer` of `length` bytes.
fn string(pointer: &str, length: &str) -> WatGuest {
    WatGuest::new(&format!(
        "(i32.store8 (i32.const 16) (i32.const 0)) (i32.store (i32.const 20) (i32.const {pointer}))
         (i32.store (i32.const 24) (i32.const {length})) (i32.const 16)"
    ))
}

/// Returns these bytes as its string.
fn bytes(escaped: &str, length: u32) -> WatGuest {
    string("1024", &length.to_string()).fields(&format!("(data (i32.const 1024) \"{escaped}\")"))
}

/// Returns a function error whose three strings all have this place.
fn error(pointer: &str, length: &str) -> WatGuest {
    let field = |at: u32| {
        format!(
            "(i32.store (i32.const {at}) (i32.const {pointer})) (i32.store (i32.const {}) (i32.const {length}))",
            at + 4
        )
    };
    let fields = field(20) + &field(28) + &field(36);
    WatGuest::new(&format!("(i32.store8 (i32.const 16) (i32.const 1)) {fields} (i32.const 16)"))
        .fields("(data (i32.const 1024) \"null\")")
}

fn results() -> Vec<Specimen> {
    let trap = |name, guest| ABI.core(name, guest, ANY, "guest_trap");
    let discriminant = "(i32.store8 (i32.const 16) (i32.const 2)) (i32.const 16)";
    vec![
        trap("abi-string-of-2gib", string("1024", "0x7fffffff")),
        trap("abi-string-of-4gib", string("0", "0xffffffff")),
        trap("abi-string-that-wraps", string("0xffffffff", "0xffffffff")),
        trap("abi-string-out-of-bounds", string("0x20000", "1")),
        trap("abi-result-out-of-bounds", WatGuest::new("(i32.const 0x1fffc)")),
        trap("abi-result-at-minus-eight", WatGuest::new("(i32.const -8)")),
        trap("abi-result-unaligned", WatGuest::new("(i32.const 17)")),
        trap("abi-result-discriminant", WatGuest::new(discriminant)),
        trap("abi-error-of-2gib", error("1024", "0x7fffffff")),
        ABI.core("abi-error-allowed", error("1024", "4"), ANY, "function_error"),
        ABI.core("abi-error-too-large", error("1024", "0x10000"), SMALL_OUTPUT, "output_too_large"),
        ABI.core("abi-empty-string", string("0xffffffff", "0"), ANY, "guest_trap"),
        ABI.core("abi-string-of-nothing", string("0", "0"), ANY, "output_malformed"),
        ABI.core("abi-string-too-large", string("1024", "0x1f000"), SMALL_OUTPUT, "output_too_large"),
    ]
}

fn encodings() -> Vec<Specimen> {
    let encoded = |encoding: &str, length: &str, data: &str| {
        let text = include_str!("../../guests/zoo/encoded.wat").to_owned();
        Template::from(text).fill("encoding", encoding).fill("length", length).fill("data", data)
    };
    let trap = |name, guest: Template| ABI.text(name, guest, ANY, "guest_trap");
    vec![
        ABI.core("abi-utf8-invalid", bytes("\\22\\ff\\fe\\22", 4), ANY, "guest_trap"),
        ABI.core("abi-utf8-surrogate", bytes("\\22\\ed\\a0\\80\\22", 5), ANY, "guest_trap"),
        ABI.core("abi-utf8-overlong", bytes("\\22\\c0\\af\\22", 4), ANY, "guest_trap"),
        ABI.core("abi-utf8-cut", bytes("\\22\\e2\\82", 3), ANY, "guest_trap"),
        ABI.core("abi-json-half-a-pair", bytes("\\22\\5cud83d\\22", 8), ANY, "output_malformed"),
        ABI.core("abi-json-nul", bytes("\\22\\00\\22", 3), ANY, "output_malformed"),
        ABI.text("abi-utf16", encoded("utf16", "1", "1\\00"), ANY, "returned"),
        trap("abi-utf16-lone-surrogate", encoded("utf16", "3", "\\22\\00\\3d\\d8\\22\\00")),
        trap("abi-utf16-length", encoded("utf16", "0x7fffffff", "1\\00")),
        trap("abi-utf16-wrapping-length", encoded("utf16", "0x80000001", "1\\00")),
        trap("abi-utf16-unaligned", encoded("utf16", "1", "1\\00").fill("offset", "1")),
        ABI.text("abi-latin1", encoded("latin1+utf16", "3", "\\22\\ff\\22"), ANY, "returned"),
        trap("abi-latin1-tagged-surrogate", encoded("latin1+utf16", "0x80000003", "\\22\\00\\3d\\d8\\22\\00")),
        trap("abi-latin1-tagged-length", encoded("latin1+utf16", "0xffffffff", "1\\00")),
    ]
}

fn reallocs() -> Vec<Specimen> {
    let realloc = |body: &str| Template::host("").fill("realloc", &format!("(return {body})"));
    vec![
        ABI.text("abi-realloc-traps", realloc("(unreachable)"), ANY, "guest_trap"),
        ABI.text("abi-realloc-out-of-bounds", realloc("(i32.const -1)"), ANY, "guest_trap"),
        ABI.text("abi-realloc-at-the-end", realloc("(i32.const 0x1fffe)"), ANY, "guest_trap"),
        ABI.text("abi-realloc-null", realloc("(i32.const 0)"), ANY, "returned"),
        ABI.text("abi-realloc-unaligned", unaligned(), ANY, "guest_trap"),
        ABI.text("abi-realloc-over-the-result", overlapping(), ANY, "returned"),
    ]
}

/// `realloc` gives an odd address for text of two-byte units.
fn unaligned() -> Template {
    let text = include_str!("../../guests/zoo/encoded.wat").to_owned();
    Template::from(text)
        .fill("encoding", "utf16")
        .fill("length", "1")
        .fill("data", "1\\00")
        .fill("allocated", "(i32.const 2049)")
}

/// Every string of a host call's result lands on the result itself.
fn overlapping() -> Template {
    Template::host("(call $current (i32.const 512))").fill("realloc", "(return (i32.const 512))")
}

fn arguments() -> Vec<Specimen> {
    let log = |level: &str, message: &str, fields: &str| {
        Template::host(&format!("(call $log (i32.const {level}) {message} {fields})"))
    };
    let empty = "(i32.const 0) (i32.const 0)";
    let trap = |name, guest: Template| ABI.text(name, guest, ANY, "guest_trap");
    vec![
        ABI.text("abi-argument-enum-allowed", log("4", empty, empty), ANY, "returned"),
        trap("abi-argument-enum", log("5", empty, empty)),
        trap("abi-argument-enum-negative", log("-1", empty, empty)),
        trap("abi-argument-string-of-2gib", log("1", "(i32.const 1) (i32.const 0x7fffffff)", empty)),
        trap("abi-argument-invalid-utf8", log("1", "(i32.const 40) (i32.const 1)", empty).fill("core", HIGH_BYTE)),
        trap("abi-result-pointer-unaligned", Template::host("(call $current (i32.const 513))")),
        trap("abi-result-pointer-at-the-end", Template::host("(call $current (i32.const 0x1fff8))")),
        trap("abi-list-length-wraps", http(20, "(i32.const 70000) (i32.const 0x10000001)", PLAIN_BODY)),
        trap("abi-list-of-100-million", http(20, "(i32.const 70000) (i32.const 100000000)", PLAIN_BODY)),
        trap("abi-list-unaligned", http(20, "(i32.const 70001) (i32.const 1)", PLAIN_BODY)),
        trap("abi-option-discriminant", http(20, empty, "(i32.const 2) (i32.const 0) (i32.const 0)")),
        trap("abi-list-of-bytes-of-2gib", http(20, empty, "(i32.const 1) (i32.const 0) (i32.const 0x7fffffff)")),
        ABI.text("abi-list-of-4-million-empty-strings", many_strings("0", "0"), WITH_API, "host_bytes_exhausted"),
        ABI.text("abi-list-of-the-same-megabyte", many_strings("1", "1000000"), WITH_API, "host_bytes_exhausted"),
    ]
    .into_iter()
    .map(|specimen| match specimen.name {
        name if name.starts_with("abi-list") || name.starts_with("abi-option") => {
            Specimen { manifest: WITH_API, ..specimen }
        }
        _ => specimen,
    })
    .collect()
}

const HIGH_BYTE: &str = "(data (i32.const 40) \"\\ff\")";
const PLAIN_BODY: &str = "(i32.const 0) (i32.const 0) (i32.const 0)";
const WITH_API: &str = "[resources.crm]\nkind = \"http\"\noperations = [\"GET\"]\n
    [limits]\nfuel = 2_000_000_000\nwall_time_ms = 8000\n";

/// One request with these headers and this body.
fn http(pages: u32, headers: &str, body: &str) -> Template {
    let send = format!(
        "(call $send (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
         {headers} {body} (i32.const 512))"
    );
    Template::host(&send)
        .fill("pages", &pages.to_string())
        .fill("imports", HTTP_IMPORT)
        .fill("lowered", "(core func $send (canon lower (func $http \"send\") (memory $memory) (realloc $realloc)))")
        .fill("core", r#"(import "host" "send" (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#)
        .fill("exports", r#"(export "send" (func $send))"#)
}

/// As many headers as memory has room for, all names and values in one place.
fn many_strings(pointer: &str, length: &str) -> Template {
    http(1000, "(i32.const 2000000) (i32.const 3900000)", PLAIN_BODY).fill(
        "handle-first",
        &format!(
            "(local.set $a (i32.const 2000000))
             (loop $again
               (i32.store (local.get $a) (i32.const {pointer}))
               (i32.store (i32.add (local.get $a) (i32.const 4)) (i32.const {length}))
               (br_if $again
                 (i32.lt_u (local.tee $a (i32.add (local.get $a) (i32.const 8))) (i32.const 64400000))))"
        ),
    )
}

const HTTP_IMPORT: &str = r#"(import "resources:crm/http@1.0.0" (instance $http
    (alias outer 1 $host-error (type $inner))
    (export "host-error" (type $host-error (eq $inner)))
    (type $pairs (list (tuple string string)))
    (type $request' (record (field "method" string) (field "path" string) (field "query" $pairs)
      (field "headers" $pairs) (field "body" (option (list u8)))))
    (export "request" (type $request (eq $request')))
    (type $response' (record (field "status" u16) (field "headers" $pairs) (field "body" (list u8))))
    (export "response" (type $response (eq $response')))
    (type $answer (result $response (error $host-error)))
    (export "send" (func async (param "request" $request) (result $answer)))))"#;

/// Values of types that our own interface never takes, wrong between two components of one guest: deploy takes no two
/// components with code.
fn inside() -> Vec<Specimen> {
    let one = |signature: &str, definition: &str, value: &str| {
        let (types, imported) = match definition {
            "" => (String::new(), String::new()),
            _ => (
                format!("(type $t' {definition}) (export $t \"t\" (type $t'))"),
                format!("(type $t' {definition}) (export \"t\" (type $t (eq $t')))"),
            ),
        };
        Template::nested(&format!("(call $f (i32.const {value}))"))
            .fill("inner", r#"(func (export "f") (param i32))"#)
            .fill("types", &types)
            .fill("imported-types", &imported)
            .fill("signature", &format!(r#"(param "x" {signature})"#))
            .fill("core", "(param i32)")
    };
    let flags = r#"(flags "a" "b")"#;
    let choice = r#"(enum "a" "b")"#;
    let variant = r#"(variant (case "a") (case "b"))"#;
    let composed = |name, guest: Template| ABI.text(name, guest, ANY, "rejected:component-composed");
    vec![
        composed("abi-bool-of-2", one("bool", "", "2")),
        composed("abi-flags-of-all", one("$t", flags, "-1")),
        composed("abi-char-too-large", one("char", "", "0x110000")),
        composed("abi-char-surrogate", one("char", "", "0xd800")),
        composed("abi-enum-inside", one("$t", choice, "2")),
        composed("abi-variant-inside", one("$t", variant, "7")),
    ]
}
