//! The parts of a document, and the limits that its text alone is held to.

use std::collections::{BTreeMap, BTreeSet};

use airlock_model::OperationClass;
use apollo_compiler::{
    Node,
    ast::{self, Definition, DirectiveList, FragmentDefinition, OperationDefinition, OperationType, Selection},
    parser::SourceMap,
};

use super::{DocumentLimits, DocumentRefusal, refusal::Place};

/// Directives that have an answer come in parts.
const INCREMENTAL: [&str; 2] = ["defer", "stream"];
const INTROSPECTION: [&str; 2] = ["__schema", "__type"];

/// One operation and its fragments.
#[derive(Debug)]
pub(super) struct Shape<'a> {
    pub(super) class: OperationClass,
    pub(super) operation: &'a Node<OperationDefinition>,
    pub(super) fragments: BTreeMap<&'a str, &'a Node<FragmentDefinition>>,
    pub(super) sources: &'a SourceMap,
}

impl<'a> Shape<'a> {
    /// Takes a document apart and counts what stands in it.
    pub(super) fn of(document: &'a ast::Document, limits: &DocumentLimits) -> Result<Self, DocumentRefusal> {
        let (mut operations, mut fragments) = (Vec::new(), BTreeMap::new());
        let mut count = Count { sources: &document.sources, limits, aliases: 0, directives: 0 };
        for definition in &document.definitions {
            match definition {
                Definition::OperationDefinition(operation) => operations.push(operation),
                Definition::FragmentDefinition(fragment) => drop(fragments.insert(fragment.name.as_str(), fragment)),
                other => {
                    let place = Place::of_definition(other, &document.sources);
                    return Err(DocumentRefusal::TypeDefinition { place });
                }
            }
        }
        let [operation] = operations.as_slice() else {
            return Err(DocumentRefusal::NotOneOperation { count: operations.len() });
        };
        let class = class_of(operation, &document.sources)?;
        count.fragments(&fragments)?;
        count.operation(operation)?;
        fragments.values().try_for_each(|fragment| count.fragment(fragment))?;
        Ok(Self { class, operation, fragments, sources: &document.sources })
    }

    /// The fields asked of the root; those of fragments too, however they are reached.
    pub(super) fn root_fields(&self) -> Vec<String> {
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut sets = vec![self.operation.selection_set.as_slice()];
        while let Some(set) = sets.pop() {
            for selection in set {
                match selection {
                    Selection::Field(field) => drop(found.insert(field.name.to_string())),
                    Selection::InlineFragment(inline) => sets.push(&inline.selection_set),
                    Selection::FragmentSpread(spread) if seen.insert(spread.fragment_name.as_str()) => {
                        let fragment = self.fragments.get(spread.fragment_name.as_str());
                        sets.extend(fragment.map(|fragment| fragment.selection_set.as_slice()));
                    }
                    Selection::FragmentSpread(_) => {}
                }
            }
        }
        found.into_iter().collect()
    }
}

fn class_of(operation: &Node<OperationDefinition>, sources: &SourceMap) -> Result<OperationClass, DocumentRefusal> {
    match operation.operation_type {
        OperationType::Query => Ok(OperationClass::Query),
        OperationType::Mutation => Ok(OperationClass::Mutation),
        OperationType::Subscription => Err(DocumentRefusal::Subscription { place: Place::of(operation, sources) }),
    }
}

/// What has been counted so far. Sets of selections nest no deeper than the parser reads them.
struct Count<'a> {
    sources: &'a SourceMap,
    limits: &'a DocumentLimits,
    aliases: u64,
    directives: u64,
}

impl Count<'_> {
    fn fragments<T>(&self, fragments: &BTreeMap<&str, T>) -> Result<(), DocumentRefusal> {
        let (configured, found) = (self.limits.fragments_max, fragments.len() as u64);
        let fix = "put fields where they are used";
        let over = DocumentRefusal::Over { limit: "fragments_max", configured, found, place: Place::default(), fix };
        if found > configured { Err(over) } else { Ok(()) }
    }

    fn operation(&mut self, operation: &Node<OperationDefinition>) -> Result<(), DocumentRefusal> {
        self.directives(&operation.directives)?;
        operation.variables.iter().try_for_each(|variable| self.directives(&variable.directives))?;
        self.selections(&operation.selection_set)
    }

    fn fragment(&mut self, fragment: &Node<FragmentDefinition>) -> Result<(), DocumentRefusal> {
        self.directives(&fragment.directives)?;
        self.selections(&fragment.selection_set)
    }

    fn selections(&mut self, set: &[Selection]) -> Result<(), DocumentRefusal> {
        set.iter().try_for_each(|selection| match selection {
            Selection::Field(field) => self.field(field),
            Selection::InlineFragment(inline) => {
                self.directives(&inline.directives)?;
                self.selections(&inline.selection_set)
            }
            Selection::FragmentSpread(spread) => self.directives(&spread.directives),
        })
    }

    fn field(&mut self, field: &Node<ast::Field>) -> Result<(), DocumentRefusal> {
        let place = Place::of(field, self.sources);
        if INTROSPECTION.contains(&field.name.as_str()) && !self.limits.allows_introspection {
            return Err(DocumentRefusal::Introspection { place, field: field.name.to_string() });
        }
        self.aliases += u64::from(field.alias.is_some());
        let (configured, found) = (self.limits.aliases_max, self.aliases);
        if found > configured {
            let fix = "ask for a list instead of the same field again and again";
            return Err(DocumentRefusal::Over { limit: "aliases_max", configured, found, place, fix });
        }
        self.directives(&field.directives)?;
        self.selections(&field.selection_set)
    }

    fn directives(&mut self, list: &DirectiveList) -> Result<(), DocumentRefusal> {
        list.0.iter().try_for_each(|directive| {
            let place = Place::of(directive, self.sources);
            if INCREMENTAL.contains(&directive.name.as_str()) {
                return Err(DocumentRefusal::Incremental { place, name: directive.name.to_string() });
            }
            self.directives += 1;
            let (configured, found) = (self.limits.directives_max, self.directives);
            let fix = "leave fields out of the text instead of skipping them";
            let over = DocumentRefusal::Over { limit: "directives_max", configured, found, place, fix };
            if found > configured { Err(over) } else { Ok(()) }
        })
    }
}
