//! Binary WebAssembly by hand, for what no encoder writes.

/// The header of a component.
pub(super) const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// The header of a core module.
pub(super) const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A number in LEB128.
pub(super) fn leb(mut value: usize) -> Vec<u8> {
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

/// A section with its length.
pub(super) fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id], leb(body.len()).as_slice(), body].concat()
}

/// A vector of `count` times the same item.
pub(super) fn vector(count: usize, item: &[u8]) -> Vec<u8> {
    [leb(count), item.repeat(count)].concat()
}

/// A core module of these sections.
pub(super) fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    [MODULE, &sections.concat()].concat()
}

/// A component of these sections.
pub(super) fn component(sections: &[Vec<u8>]) -> Vec<u8> {
    [COMPONENT, &sections.concat()].concat()
}

/// A component that holds one core module.
pub(super) fn holding(module: &[u8]) -> Vec<u8> {
    component(&[section(1, module)])
}

/// A component that holds a module with one function, `() -> ()`, of this body.
pub(super) fn with_body(body: &[u8]) -> Vec<u8> {
    let code = [leb(1), leb(body.len()), body.to_vec()].concat();
    let function_type = vec![1, 0x60, 0, 0];
    holding(&module(&[section(1, &function_type), section(3, &[1, 0]), section(10, &code)]))
}
