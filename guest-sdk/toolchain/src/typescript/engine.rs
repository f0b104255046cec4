//! The QuickJS runtime, cut down to what a function may have.
//!
//! The runtime was compiled for WASI 0.2 with filesystem, terminal and environment imports, none of which a function gets.
//! Each of those imports is redirected to a small library of our own that answers like an empty system: no files, no
//! variables, output that goes nowhere. What stays is two clocks, so a component imports only those, its world and nothing
//! that the sandbox would have to refuse.

use std::collections::HashMap;

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection, MemArg, MemoryType,
    Module, RawSection, TypeSection, ValType,
};
use wasmparser::{CompositeInnerType, FuncType, Parser, Payload, TypeRef};

use super::EncodeError;

/// Verified against its digest by `build.rs`.
const RUNTIME: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/quickjs-runtime.wasm"));
/// Names the runtime bytes in cache keys.
pub(super) const DIGEST: &str = include_str!(concat!(env!("OUT_DIR"), "/quickjs-runtime.sha256"));
/// Imports the runtime keeps. `$root` and `[export]$root` are intrinsics of the component model, not the outside world.
const KEPT_MODULES: &[&str] = &[
    "env",
    "GOT.mem",
    "GOT.func",
    "$root",
    "[export]$root",
    "wasi:clocks/monotonic-clock@0.2.0",
    "wasi:clocks/wall-clock@0.2.0",
];
const KEPT_NAMES: &[&str] = &["now"];
/// Any address that is not null: Rust forbids a null pointer even for an empty list.
const EMPTY_LIST_ADDRESS: i32 = 8;

/// The runtime and the library that replaces the imports it lost.
pub(super) struct RuntimeLibraries {
    pub(super) runtime: Vec<u8>,
    pub(super) replacements: Vec<u8>,
}

/// One import that the replacement library answers.
struct Replaced {
    symbol: String,
    answer: Answer,
    ty: FuncType,
}

/// What a replaced import does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Traps: nothing that a function does leads here.
    Trap,
    /// Returns at once, with zero where a result is due.
    Nothing,
    /// Writes an empty list.
    EmptyList,
    /// Writes `none`, or `ok` without a payload.
    Zero,
    /// Writes `ok` with a number of bytes that may be written.
    WriteBudget,
    /// Writes `err("")`: the module loader of the runtime, which a bundled program does not need.
    EmptyError,
}

/// Splits the runtime from the imports that a function must not have.
pub(super) fn libraries() -> Result<RuntimeLibraries, EncodeError> {
    let mut types = Vec::new();
    let mut replaced = Vec::new();
    let mut runtime = Module::new();
    for payload in Parser::new(0).parse_all(RUNTIME) {
        let payload = payload.map_err(EncodeError::runtime)?;
        if let Payload::TypeSection(section) = &payload {
            types = function_types(section.clone())?;
        }
        if let Payload::ImportSection(section) = payload {
            runtime.section(&redirect(section, &types, &mut replaced)?);
        } else if let Some((id, range)) = payload.as_section()
            && let Some(data) = slice(&range)
        {
            runtime.section(&RawSection { id, data });
        }
    }
    Ok(RuntimeLibraries { runtime: runtime.finish(), replacements: replacement_library(&replaced) })
}

fn slice(range: &std::ops::Range<u64>) -> Option<&'static [u8]> {
    RUNTIME.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}

fn function_types(section: wasmparser::TypeSectionReader<'_>) -> Result<Vec<FuncType>, EncodeError> {
    let mut types = Vec::new();
    for group in section {
        for ty in group.map_err(EncodeError::runtime)?.into_types() {
            let CompositeInnerType::Func(function) = ty.composite_type.inner else {
                return Err(EncodeError::Runtime("a type that is not a function".into()));
            };
            types.push(function);
        }
    }
    Ok(types)
}

fn redirect(
    section: wasmparser::ImportSectionReader<'_>,
    types: &[FuncType],
    replaced: &mut Vec<Replaced>,
) -> Result<ImportSection, EncodeError> {
    let mut imports = ImportSection::new();
    for import in section.into_imports() {
        let mut import = import.map_err(EncodeError::runtime)?;
        let symbol = format!("airlock:{}#{}", import.module, import.name);
        if let TypeRef::Func(index) = import.ty
            && is_replaced(&import)
        {
            let ty = usize::try_from(index).ok().and_then(|index| types.get(index));
            let ty = ty.ok_or_else(|| EncodeError::Runtime("an import without a type".into()))?.clone();
            replaced.push(Replaced { symbol: symbol.clone(), answer: answer(import.module, import.name), ty });
            (import.module, import.name) = ("env", &symbol);
        }
        RoundtripReencoder.parse_import(&mut imports, import).map_err(EncodeError::runtime)?;
    }
    Ok(imports)
}

fn is_replaced(import: &wasmparser::Import<'_>) -> bool {
    let clock = import.module.starts_with("wasi:clocks/");
    !KEPT_MODULES.contains(&import.module) || (clock && !KEPT_NAMES.contains(&import.name))
}

fn answer(module: &str, name: &str) -> Answer {
    match (module, name) {
        ("local:init/module-loader", _) => Answer::EmptyError,
        ("wasi:cli/environment@0.2.0", "get-environment") | ("wasi:filesystem/preopens@0.2.0", "get-directories") => {
            Answer::EmptyList
        }
        (_, "[method]output-stream.check-write") => Answer::WriteBudget,
        (_, "[method]output-stream.write" | "[method]output-stream.blocking-flush") => Answer::Zero,
        (_, "get-terminal-stdin" | "get-terminal-stdout" | "get-terminal-stderr") => Answer::Zero,
        // Hash seeds of the runtime itself: whatever the memory holds. They end up in the snapshot in any case.
        (_, "insecure-seed" | "reset_adapter_state") => Answer::Nothing,
        (_, "get-stdin" | "get-stdout" | "get-stderr") => Answer::Nothing,
        (_, "[method]output-stream.subscribe" | "[method]pollable.block") => Answer::Nothing,
        (_, drop) if drop.starts_with("[resource-drop]") => Answer::Nothing,
        _ => Answer::Trap,
    }
}

/// A library without memory of its own that exports one function per replaced import.
fn replacement_library(replaced: &[Replaced]) -> Vec<u8> {
    let (mut types, mut functions) = (TypeSection::new(), FunctionSection::new());
    let (mut exports, mut code) = (ExportSection::new(), CodeSection::new());
    let mut indices: HashMap<&FuncType, u32> = HashMap::new();
    for (position, import) in (0_u32..).zip(replaced) {
        let index = *indices.entry(&import.ty).or_insert_with(|| {
            types.ty().function(import.ty.params().iter().map(value_type), import.ty.results().iter().map(value_type));
            types.len() - 1
        });
        functions.function(index);
        exports.export(&import.symbol, ExportKind::Func, position);
        code.function(&body(import));
    }
    let mut imports = ImportSection::new();
    let memory = MemoryType { minimum: 0, maximum: None, memory64: false, shared: false, page_size_log2: None };
    imports.import("env", "memory", EntityType::Memory(memory));
    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports).section(&code);
    module.finish()
}

/// The runtime was built for a 32-bit target, so its imports use numbers only.
fn value_type(ty: &wasmparser::ValType) -> ValType {
    match ty {
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        wasmparser::ValType::I32 | wasmparser::ValType::V128 | wasmparser::ValType::Ref(_) => ValType::I32,
    }
}

fn body(import: &Replaced) -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    // The canonical ABI passes the address of a large result last.
    let result = u32::try_from(import.ty.params().len()).unwrap_or(u32::MAX).wrapping_sub(1);
    let at = |offset| MemArg { offset, align: 2, memory_index: 0 };
    match import.answer {
        Answer::Trap => {
            code.unreachable();
        }
        Answer::Nothing => {}
        Answer::Zero => {
            code.local_get(result).i32_const(0).i32_store(at(0));
        }
        Answer::EmptyList => {
            code.local_get(result).i32_const(EMPTY_LIST_ADDRESS).i32_store(at(0));
            code.local_get(result).i32_const(0).i32_store(at(4));
        }
        Answer::WriteBudget => {
            code.local_get(result).i32_const(0).i32_store(at(0));
            code.local_get(result).i64_const(4096).i64_store(at(8));
        }
        Answer::EmptyError => {
            code.local_get(result).i32_const(1).i32_store(at(0));
            code.local_get(result).i32_const(EMPTY_LIST_ADDRESS).i32_store(at(4));
            code.local_get(result).i32_const(0).i32_store(at(8));
        }
    }
    if import.answer != Answer::Trap {
        for ty in import.ty.results() {
            match value_type(ty) {
                ValType::I64 => code.i64_const(0),
                ValType::F32 => code.f32_const(0.0.into()),
                ValType::F64 => code.f64_const(0.0.into()),
                ValType::I32 | ValType::V128 | ValType::Ref(_) => code.i32_const(0),
            };
        }
    }
    code.end();
    function
}
