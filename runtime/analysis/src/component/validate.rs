//! Full validation with the WebAssembly features that the sandbox runs, and no others.

use airlock_model::Finding;
use wasmparser::{FuncValidatorAllocations, Parser, ValidPayload, Validator, WasmFeatures, types::Types};

/// The WebAssembly features a function may use: what compilers emit by default for Rust, C and QuickJS.
///
/// Off on purpose: gc, exceptions, threads and shared memory, memory64, multiple memories in a module, stack
/// switching, tail calls, custom page sizes, wide arithmetic, relaxed SIMD (its results differ between hosts), and every
/// component-model extension except async.
#[must_use]
pub fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::SIMD
        | WasmFeatures::FLOATS
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::COMPONENT_MODEL
        | WasmFeatures::CM_ASYNC
}

/// Validates every section and every function body.
pub(super) fn validate(bytes: &[u8]) -> Result<Types, Finding> {
    run(bytes).map_err(|error| invalid(&error))?.ok_or_else(|| {
        Finding::error("component-invalid", "the component has no end", "the component", "upload the whole file")
    })
}

fn run(bytes: &[u8]) -> Result<Option<Types>, wasmparser::Error> {
    let mut parser = Parser::new(0);
    parser.set_features(features());
    let mut validator = Validator::new_with_features(features());
    let mut bodies = Vec::new();
    let mut outermost = None;
    for payload in parser.parse_all(bytes) {
        match validator.payload(&payload?)? {
            ValidPayload::Func(function, body) => bodies.push((function, body)),
            // The last module or component to end is the outermost.
            ValidPayload::End(types) => outermost = Some(types),
            ValidPayload::Ok | ValidPayload::Parser(_) => {}
        }
    }
    let mut allocations = FuncValidatorAllocations::default();
    for (function, body) in bodies {
        let mut body_validator = function.into_validator(allocations);
        body_validator.validate(&body)?;
        allocations = body_validator.into_allocations();
    }
    Ok(outermost)
}

/// The finding for bytes that do not parse or validate.
pub(super) fn invalid(error: &wasmparser::Error) -> Finding {
    const FIX: &str = "build again with `airlock build`; only MVP, SIMD, bulk memory, reference types, multi-value, \
                       sign extension and component async are accepted";
    // The message may quote a name out of the component: no control character of its reaches a terminal or a log.
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    let message: String = error.message().chars().take(300).map(printable).collect();
    Finding::error("component-invalid", message, format!("byte {}", error.offset()), FIX)
}
