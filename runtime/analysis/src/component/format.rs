//! Tells a component from everything else that gets uploaded by mistake or on purpose.

use airlock_model::Finding;

use super::bounds::{Bounds, Sizes};

const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";
const CORE_MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
/// Wasmtime marks its own artifacts in the operating-system byte of the ELF header.
const ELF_OS_WASMTIME: u8 = 200;

/// Refuses what is too large to look at, and what is not a component by its first bytes.
pub(super) fn check(bytes: &[u8], bounds: &Bounds) -> Result<(), Finding> {
    let sizes = Sizes { bytes: bytes.len() as u64, ..Sizes::default() };
    if let Some(finding) = bounds.exceeded_by(&sizes).into_iter().next() {
        return Err(finding);
    }
    if bytes.starts_with(&COMPONENT) {
        return Ok(());
    }
    let (what, fix) = describe(bytes);
    Err(Finding::error("not-a-component", format!("this is {what}, not a WebAssembly component"), "byte 0", fix))
}

fn describe(bytes: &[u8]) -> (&'static str, &'static str) {
    const BUILD: &str = "upload the component that `airlock build` writes";
    const ENCODE: &str = "encode it as a component: `airlock build`";
    match bytes {
        [] => ("an empty file", BUILD),
        [0x7f, b'E', b'L', b'F', _, _, _, ELF_OS_WASMTIME, ..] => {
            ("a precompiled Wasmtime artifact (cwasm), which Airlock only takes from itself", BUILD)
        }
        [0x7f, b'E', b'L', b'F', ..] => ("a native ELF binary", BUILD),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => ("a zip archive", BUILD),
        [0x1f, 0x8b, ..] => ("a gzip archive", BUILD),
        _ if bytes.starts_with(&CORE_MODULE) => ("a core WebAssembly module", ENCODE),
        _ if COMPONENT.starts_with(bytes) || CORE_MODULE.starts_with(bytes) => ("a truncated file", BUILD),
        _ if bytes.starts_with(b"\0asm") => ("WebAssembly of an unknown version", ENCODE),
        _ if is_wat(bytes) => ("WebAssembly text (wat)", ENCODE),
        _ => ("an unknown format", BUILD),
    }
}

/// Text whose first character that is neither blank nor comment opens an S-expression.
fn is_wat(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    loop {
        rest = rest.trim_ascii_start();
        match rest {
            [b';', b';', tail @ ..] => {
                let Some(end) = tail.iter().position(|byte| *byte == b'\n') else { return false };
                rest = tail.get(end..).unwrap_or_default();
            }
            [b'(', b';', ..] | [b'(', ..] => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_foreign_format_is_named() {
        let mut cwasm = b"\x7fELF\x02\x01\x01\xc8".to_vec();
        cwasm.resize(64, 0);
        for (bytes, word) in [
            (&b""[..], "empty"),
            (b"\x7fELF\x02\x01\x01\0", "native ELF"),
            (&cwasm, "cwasm"),
            (b"PK\x03\x04rest", "zip"),
            (b"\0asm\x01\0\0\0", "core WebAssembly module"),
            (b"\0asm\x0d", "truncated"),
            (b"\0asm\x0e\0\x01\0", "unknown version"),
            (b" ;; hello\n (component)", "wat"),
            (b"export default 1", "unknown format"),
        ] {
            let finding = check(bytes, &Bounds::BUILT_IN).expect_err("refused");
            assert!(finding.message.contains(word), "{word}: {}", finding.message);
            assert_eq!(finding.rule, "not-a-component");
        }
        assert!(check(b"\0asm\x0d\0\x01\0", &Bounds::BUILT_IN).is_ok());
    }

    #[test]
    fn a_core_module_is_told_to_become_a_component() {
        let finding = check(b"\0asm\x01\0\0\0", &Bounds::BUILT_IN).expect_err("refused");
        assert_eq!(finding.fix, "encode it as a component: `airlock build`");
    }
}
