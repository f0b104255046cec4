//! From what an API says about itself to a schema file.
//!
//! The answer to `introspection.graphql` is somebody else's text: names and descriptions are written as the language wants
//! them, and the whole is read again as a schema before anybody gets it.

use std::fmt::Write as _;

use serde::Deserialize;

use super::{DocumentRefusal, GraphqlSchema};

/// What every API knows without being told.
const BUILT_IN: [&str; 11] =
    ["Int", "Float", "String", "Boolean", "ID", "skip", "include", "deprecated", "specifiedBy", "oneOf", "defer"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Introspection {
    query_type: Named,
    mutation_type: Option<Named>,
    types: Vec<Type>,
    #[serde(default)]
    directives: Vec<Directive>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "__schema")]
    schema: Introspection,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Type {
    kind: Kind,
    name: String,
    description: Option<String>,
    fields: Option<Vec<Field>>,
    input_fields: Option<Vec<Value>>,
    interfaces: Option<Vec<Named>>,
    enum_values: Option<Vec<Field>>,
    possible_types: Option<Vec<Named>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Kind {
    Scalar,
    Object,
    Interface,
    Union,
    Enum,
    InputObject,
}

/// A field, or a value of an enum, which has neither type nor arguments.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Field {
    name: String,
    description: Option<String>,
    #[serde(default)]
    args: Vec<Value>,
    #[serde(rename = "type")]
    ty: Option<TypeRef>,
    #[serde(default)]
    is_deprecated: bool,
    deprecation_reason: Option<String>,
}

/// An argument or an input field.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Value {
    name: String,
    description: Option<String>,
    #[serde(rename = "type")]
    ty: TypeRef,
    default_value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypeRef {
    kind: String,
    name: Option<String>,
    of_type: Option<Box<Self>>,
}

#[derive(Deserialize)]
struct Directive {
    name: String,
    locations: Vec<String>,
    #[serde(default)]
    args: Vec<Value>,
}

/// The schema, in the schema definition language, that is in the `data` of an answer to [`QUERY`](super::QUERY).
///
/// Subscriptions are left out: no function can have them.
///
/// # Errors
/// When the text is no such answer, or what it describes is no valid schema.
pub fn sdl_of(data: &str) -> Result<String, DocumentRefusal> {
    let answer: Answer = serde_json::from_str(data).map_err(|why| DocumentRefusal::Invalid {
        place: super::refusal::Place::default(),
        message: format!("the API's answer to introspection is not one: {why}"),
    })?;
    let mut sdl = String::new();
    write(&mut sdl, &answer.schema);
    GraphqlSchema::parse(&sdl)?;
    Ok(sdl)
}

fn write(out: &mut String, schema: &Introspection) {
    let _ = write!(out, "schema {{\n  query: {}\n", schema.query_type.name);
    if let Some(mutation) = &schema.mutation_type {
        let _ = writeln!(out, "  mutation: {}", mutation.name);
    }
    out.push_str("}\n");
    for directive in schema.directives.iter().filter(|directive| is_own(&directive.name)) {
        let _ = write!(out, "\ndirective @{}", directive.name);
        arguments(out, &directive.args);
        let _ = writeln!(out, " on {}", directive.locations.join(" | "));
    }
    for ty in schema.types.iter().filter(|ty| is_own(&ty.name)) {
        out.push('\n');
        describe(out, "", ty.description.as_deref());
        one_type(out, ty);
    }
}

fn is_own(name: &str) -> bool {
    !name.starts_with("__") && !BUILT_IN.contains(&name)
}

fn one_type(out: &mut String, ty: &Type) {
    let name = &ty.name;
    let names = |named: &Option<Vec<Named>>, between: &str| {
        named.iter().flatten().map(|one| one.name.as_str()).collect::<Vec<_>>().join(between)
    };
    let _ = match ty.kind {
        Kind::Scalar => writeln!(out, "scalar {name}"),
        Kind::Union => writeln!(out, "union {name} = {}", names(&ty.possible_types, " | ")),
        Kind::Object => write!(out, "type {name}"),
        Kind::Interface => write!(out, "interface {name}"),
        Kind::Enum => write!(out, "enum {name}"),
        Kind::InputObject => write!(out, "input {name}"),
    };
    let implemented = names(&ty.interfaces, " & ");
    if !implemented.is_empty() {
        let _ = write!(out, " implements {implemented}");
    }
    match ty.kind {
        Kind::Scalar | Kind::Union => {}
        Kind::Object | Kind::Interface => block(out, ty.fields.iter().flatten(), field),
        Kind::Enum => block(out, ty.enum_values.iter().flatten(), field),
        Kind::InputObject => block(out, ty.input_fields.iter().flatten(), |out, one| {
            describe(out, "  ", one.description.as_deref());
            out.push_str("  ");
            value(out, one);
            out.push('\n');
        }),
    }
}

fn block<'a, T: 'a>(out: &mut String, parts: impl Iterator<Item = &'a T>, print: impl Fn(&mut String, &'a T)) {
    out.push_str(" {\n");
    parts.for_each(|part| print(out, part));
    out.push_str("}\n");
}

fn field(out: &mut String, field: &Field) {
    describe(out, "  ", field.description.as_deref());
    let _ = write!(out, "  {}", field.name);
    arguments(out, &field.args);
    if let Some(ty) = &field.ty {
        out.push_str(": ");
        reference(out, ty);
    }
    if field.is_deprecated {
        let reason = field.deprecation_reason.as_deref().map(|text| format!("(reason: {})", quoted(text)));
        let _ = write!(out, " @deprecated{}", reason.unwrap_or_default());
    }
    out.push('\n');
}

fn arguments(out: &mut String, arguments: &[Value]) {
    for (index, one) in arguments.iter().enumerate() {
        out.push_str(if index == 0 { "(" } else { ", " });
        value(out, one);
    }
    out.push_str(if arguments.is_empty() { "" } else { ")" });
}

fn value(out: &mut String, value: &Value) {
    let _ = write!(out, "{}: ", value.name);
    reference(out, &value.ty);
    if let Some(default) = &value.default_value {
        let _ = write!(out, " = {default}");
    }
}

fn reference(out: &mut String, ty: &TypeRef) {
    match (ty.kind.as_str(), &ty.of_type) {
        ("NON_NULL", Some(inner)) => {
            reference(out, inner);
            out.push('!');
        }
        ("LIST", Some(inner)) => {
            out.push('[');
            reference(out, inner);
            out.push(']');
        }
        _ => out.push_str(ty.name.as_deref().unwrap_or_default()),
    }
}

fn describe(out: &mut String, indent: &str, description: Option<&str>) {
    if let Some(text) = description.filter(|text| !text.trim().is_empty()) {
        let _ = writeln!(out, "{indent}{}", quoted(text));
    }
}

/// The language's strings are escaped as JSON's are.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
