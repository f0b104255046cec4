//! How deep a document goes, and how many fields its answer can have.

use std::collections::BTreeMap;

use apollo_compiler::{
    Node,
    ast::{Field, OperationType, Selection, Value},
};

use super::{DocumentRefusal, DocumentRules, GraphqlSchema, Variables, refusal::Place, shape::Shape};

/// Arguments that say how long a list is.
const LENGTHS: [&str; 4] = ["first", "last", "limit", "take"];
/// Selections and fragments that are entered inside each other. Each fragment is entered once, so this is what bounds the
/// stack, whatever the text.
const LEVELS_MAX: u32 = 200;

/// What stands below one point of a document.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Measured {
    /// Levels of fields.
    pub(super) depth: u32,
    /// Fields of the largest answer.
    pub(super) cost: u64,
}

/// Measures a document. Without variables a length that is one counts as its default, or as 1: what is left is the least.
pub(super) fn measure(
    shape: &Shape<'_>,
    rules: &DocumentRules,
    variables: Option<&Variables>,
) -> Result<Measured, DocumentRefusal> {
    let schema = rules.schema.as_deref();
    let mut walk = Walk { shape, rules, variables, fragments: BTreeMap::new() };
    let root = schema.and_then(|schema| schema.root(shape.operation.operation_type));
    walk.selections(&shape.operation.selection_set, root, Level::default())
}

/// Where the walk is.
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    /// Fields above.
    fields: u32,
    /// Everything above that was entered to come here.
    entered: u32,
}

struct Walk<'a> {
    shape: &'a Shape<'a>,
    rules: &'a DocumentRules,
    variables: Option<&'a Variables>,
    /// `None` while a fragment is being measured.
    fragments: BTreeMap<&'a str, Option<Measured>>,
}

impl<'a> Walk<'a> {
    fn selections(
        &mut self,
        set: &'a [Selection],
        parent: Option<&'a str>,
        level: Level,
    ) -> Result<Measured, DocumentRefusal> {
        let mut all = Measured::default();
        for selection in set {
            let one = match selection {
                Selection::Field(field) => self.field(field, parent, level)?,
                Selection::InlineFragment(inline) => {
                    let level = self.enter(level, || Place::of(inline, self.shape.sources))?;
                    let parent = inline.type_condition.as_ref().map_or(parent, |name| Some(name.as_str()));
                    self.selections(&inline.selection_set, parent, level)?
                }
                Selection::FragmentSpread(spread) => {
                    let place = Place::of(spread, self.shape.sources);
                    self.fragment(&spread.fragment_name, place, level)?
                }
            };
            all.depth = all.depth.max(one.depth);
            all.cost = all.cost.saturating_add(one.cost);
        }
        Ok(all)
    }

    fn field(
        &mut self,
        field: &'a Node<Field>,
        parent: Option<&'a str>,
        level: Level,
    ) -> Result<Measured, DocumentRefusal> {
        let place = || Place::of(field, self.shape.sources);
        let level = self.enter(Level { fields: level.fields + 1, ..level }, place)?;
        self.check_depth(u64::from(level.fields), place)?;
        let schema = self.rules.schema.as_deref();
        let ty = schema.zip(parent).and_then(|(schema, parent)| schema.field_type(parent, &field.name));
        let items = self.items(field, ty.is_some_and(apollo_compiler::ast::Type::is_list));
        let inside = self.selections(&field.selection_set, ty.map(|ty| ty.inner_named_type().as_str()), level)?;
        Ok(Measured { depth: inside.depth + 1, cost: inside.cost.saturating_add(1).saturating_mul(items) })
    }

    /// Each is measured once: how often it is spread does not matter, and one that contains itself is found out.
    fn fragment(&mut self, name: &'a str, place: Place, level: Level) -> Result<Measured, DocumentRefusal> {
        let measured = match self.fragments.get(name) {
            Some(Some(known)) => *known,
            Some(None) => return Err(DocumentRefusal::Cycle { place, name: name.to_owned() }),
            None => {
                let Some(fragment) = self.shape.fragments.get(name) else {
                    let message = format!("there is no fragment `{name}`");
                    return Err(DocumentRefusal::Invalid { place, message });
                };
                let level = self.enter(level, || place)?;
                self.fragments.insert(name, None);
                let measured =
                    self.selections(&fragment.selection_set, Some(fragment.type_condition.as_str()), level)?;
                self.fragments.insert(name, Some(measured));
                measured
            }
        };
        self.check_depth(u64::from(level.fields) + u64::from(measured.depth), || place)?;
        Ok(measured)
    }

    /// How many of a field there can be.
    fn items(&self, field: &Node<Field>, is_list: bool) -> u64 {
        let given = field.arguments.iter().filter(|argument| LENGTHS.contains(&argument.name.as_str()));
        let lengths = given.filter_map(|argument| self.length(&argument.value));
        let unsaid = if is_list { self.rules.limits.list_items } else { 1 };
        lengths.max().unwrap_or(unsaid).max(1)
    }

    /// `None` where the API decides: then it is as if nothing were said.
    fn length(&self, value: &Node<Value>) -> Option<u64> {
        match &**value {
            Value::Int(written) => written.as_str().parse().ok(),
            Value::Variable(name) => {
                let said = self.variables.and_then(|variables| variables.length(name));
                said.or_else(|| self.default_of(name))
            }
            _ => None,
        }
    }

    fn default_of(&self, name: &str) -> Option<u64> {
        let variable = self.shape.operation.variables.iter().find(|variable| variable.name == *name)?;
        match variable.default_value.as_deref()? {
            Value::Int(written) => written.as_str().parse().ok(),
            _ => None,
        }
    }

    fn enter(&self, level: Level, place: impl Fn() -> Place) -> Result<Level, DocumentRefusal> {
        if level.entered < LEVELS_MAX {
            return Ok(Level { entered: level.entered + 1, ..level });
        }
        Err(self.too_deep(u64::from(LEVELS_MAX) + 1, place()))
    }

    fn check_depth(&self, found: u64, place: impl Fn() -> Place) -> Result<(), DocumentRefusal> {
        if found <= self.rules.limits.depth_max { Ok(()) } else { Err(self.too_deep(found, place())) }
    }

    fn too_deep(&self, found: u64, place: Place) -> DocumentRefusal {
        let configured = self.rules.limits.depth_max;
        let fix = "ask for what lies deeper in a second call";
        DocumentRefusal::Over { limit: "depth_max", configured, found, place, fix }
    }
}

impl GraphqlSchema {
    fn root(&self, operation: OperationType) -> Option<&str> {
        self.valid().root_operation(operation).map(apollo_compiler::Name::as_str)
    }

    fn field_type(&self, parent: &str, field: &str) -> Option<&apollo_compiler::ast::Type> {
        self.valid().type_field(parent, field).ok().map(|definition| &definition.ty)
    }
}
