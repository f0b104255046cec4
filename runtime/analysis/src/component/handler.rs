//! The one export that makes a component a function.

use airlock_model::Finding;
use wasmparser::{
    component_types::{ComponentDefinedType, ComponentEntityType, ComponentFuncType, ComponentValType, RecordType},
    types::TypesRef,
};

/// Name of the export that callers reach.
pub const HANDLER: &str = "airlock:guest/handler@1.0.0";
const FUNCTION: &str = "handle";
const ERROR_FIELDS: [&str; 3] = ["code", "message", "details"];
const WANTED: &str = "`handle: [async] func(input: string) -> result<string, function-error>`, where \
                      `function-error` is a record of the strings `code`, `message` and `details`";

/// The handler export as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerExport {
    /// Always [`HANDLER`].
    pub name: String,
    /// Whether the function's type is async. Both are accepted.
    pub is_async: bool,
}

/// Looks the export up in a validated component.
pub(super) fn find(types: TypesRef<'_>) -> Result<HandlerExport, Finding> {
    let Some(item) = types.component_item_for_export(HANDLER) else {
        let fix = "export the `handler` interface of package `airlock:guest@1.0.0`, as `airlock build` does";
        let message = format!("the component does not export `{HANDLER}`");
        return Err(Finding::error("handler-missing", message, "exports", fix));
    };
    let ComponentEntityType::Instance(instance) = item.ty else {
        return Err(wrong_type("it is not an interface"));
    };
    let function = types.get(instance).and_then(|instance| instance.exports.get(FUNCTION)).map(|item| item.ty);
    let Some(ComponentEntityType::Func(function)) = function else {
        return Err(wrong_type("it has no function `handle`"));
    };
    let Some(function) = types.get(function) else { return Err(wrong_type("its type is unknown")) };
    match mismatch(types, function) {
        None => Ok(HandlerExport { name: HANDLER.to_owned(), is_async: function.async_ }),
        Some(what) => Err(wrong_type(what)),
    }
}

fn mismatch(types: TypesRef<'_>, function: &ComponentFuncType) -> Option<&'static str> {
    let [(_, input)] = function.params.as_ref() else { return Some("it does not take exactly one parameter") };
    if !is_string(types, *input) {
        return Some("its parameter is not a string");
    }
    let result = function.result.and_then(|ty| defined(types, ty));
    let Some(ComponentDefinedType::Result { ok: Some(ok), err: Some(err), .. }) = result else {
        return Some("it does not return a result with both a value and an error");
    };
    if !is_string(types, *ok) {
        return Some("its value is not a string");
    }
    match defined(types, *err) {
        Some(ComponentDefinedType::Record(record)) if is_function_error(types, record) => None,
        _ => Some("its error is not the record `function-error`"),
    }
}

fn is_function_error(types: TypesRef<'_>, record: &RecordType) -> bool {
    let names = record.fields.iter().map(|(name, _)| name.as_str());
    names.eq(ERROR_FIELDS) && record.fields.iter().all(|(_, ty)| is_string(types, *ty))
}

fn is_string(types: TypesRef<'_>, ty: ComponentValType) -> bool {
    use wasmparser::PrimitiveValType::String;
    match ty {
        ComponentValType::Primitive(primitive) => primitive == String,
        ComponentValType::Type(_) => {
            matches!(defined(types, ty), Some(ComponentDefinedType::Primitive(primitive)) if *primitive == String)
        }
    }
}

fn defined(types: TypesRef<'_>, ty: ComponentValType) -> Option<&ComponentDefinedType> {
    match ty {
        ComponentValType::Primitive(_) => None,
        ComponentValType::Type(id) => types.get(id),
    }
}

fn wrong_type(what: &str) -> Finding {
    let message = format!("the export `{HANDLER}` has the wrong type: {what}");
    Finding::error("handler-type", message, format!("export `{HANDLER}`"), format!("export {WANTED}"))
}
