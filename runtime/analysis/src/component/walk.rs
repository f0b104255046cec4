//! One pass over all sections that measures everything [`Bounds`] limits, without recursion and without validating.

use airlock_model::Finding;
use wasmparser::{
    BinaryReader, ComponentTypeRef, ElementItems, ElementSectionReader, FunctionBody, Parser, Payload, Result,
};

use super::{
    bounds::{Bounds, Sizes},
    nesting,
    validate::{features, invalid},
};

/// What the walk learned.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Everything that has a bound.
    pub(super) sizes: Sizes,
    /// Imports of the outermost component, in order.
    pub(super) imports: Vec<RawImport>,
}

/// An import of the outermost component before it is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawImport {
    pub(super) name: String,
    /// Whether it is an instance, which every interface is; anything else has no place in a function's world.
    pub(super) is_instance: bool,
}

/// Measures the component. Stops early where going on would itself cost too much: at the nesting bound.
pub(super) fn walk(bytes: &[u8], bounds: &Bounds) -> std::result::Result<Walked, Finding> {
    let mut walk = Walk { bytes, bounds, instances: Instances::default(), depth: 0, walked: Walked::default() };
    walk.walked.sizes.bytes = bytes.len() as u64;
    walk.all().map_err(|error| invalid(&error))?;
    Ok(walk.walked)
}

struct Walk<'a> {
    bytes: &'a [u8],
    bounds: &'a Bounds,
    depth: u64,
    instances: Instances,
    walked: Walked,
}

/// Counts the instances of a component and of all that it instantiates, without an index space: each instantiation of a
/// component counts as that of the largest component before it. Never too few; each level multiplies.
#[derive(Default)]
struct Instances {
    open: Vec<u64>,
    largest_closed: u64,
}

impl Instances {
    fn add(&mut self, count: u32, each: u64) {
        let here = self.open.last_mut();
        if let Some(here) = here {
            *here = here.saturating_add(u64::from(count).saturating_mul(each));
        }
    }

    fn close(&mut self) {
        self.largest_closed = self.largest_closed.max(self.open.pop().unwrap_or_default());
    }
}

impl<'a> Walk<'a> {
    fn all(&mut self) -> Result<()> {
        let mut parser = Parser::new(0);
        parser.set_features(features());
        let bytes = self.bytes;
        for payload in parser.parse_all(bytes) {
            self.payload(payload?)?;
            if self.walked.sizes.nesting > self.bounds.nesting {
                break;
            }
        }
        Ok(())
    }

    fn payload(&mut self, payload: Payload<'a>) -> Result<()> {
        let sizes = &mut self.walked.sizes;
        match payload {
            Payload::TypeSection(section) => sizes.types += u64::from(section.count()),
            Payload::CoreTypeSection(section) => sizes.types += u64::from(section.count()),
            Payload::FunctionSection(section) => sizes.functions += u64::from(section.count()),
            Payload::TableSection(section) => sizes.tables += u64::from(section.count()),
            Payload::MemorySection(section) => sizes.memories += u64::from(section.count()),
            Payload::GlobalSection(section) => sizes.globals += u64::from(section.count()),
            Payload::ElementSection(section) => return self.elements(section),
            Payload::InstanceSection(section) => self.instances.add(section.count(), 1),
            Payload::ComponentInstanceSection(section) => {
                sizes.component_instances += u64::from(section.count());
                self.instances.add(section.count(), self.instances.largest_closed.saturating_add(1));
            }
            Payload::ComponentCanonicalSection(section) => sizes.canonicals += u64::from(section.count()),
            Payload::ComponentAliasSection(section) => sizes.aliases += u64::from(section.count()),
            Payload::DataSection(section) => sizes.data_segments += u64::from(section.count()),
            Payload::CodeSectionEntry(body) => return self.body(&body),
            Payload::CustomSection(section) => {
                sizes.custom_section_bytes += (section.name().len() + section.data().len()) as u64;
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                sizes.modules += 1;
                self.depth += 1;
                self.nested_to(self.depth);
            }
            Payload::Version { .. } => self.instances.open.push(0),
            Payload::End(_) => {
                self.depth = self.depth.saturating_sub(1);
                self.instances.close();
                sizes.instances = self.instances.largest_closed;
            }
            other => return self.names(other),
        }
        Ok(())
    }

    /// The sections whose items carry names or nested types.
    fn names(&mut self, payload: Payload<'a>) -> Result<()> {
        match payload {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import?;
                    self.walked.sizes.imports += 1;
                    self.name(import.module);
                    self.name(import.name);
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    self.walked.sizes.exports += 1;
                    self.name(export?.name);
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    self.import(import.name.name, import.ty);
                }
            }
            Payload::ComponentExportSection(section) => {
                self.walked.sizes.component_exports += u64::from(section.count());
                for export in section {
                    self.walked.sizes.exports += 1;
                    self.name(export?.name.name);
                }
            }
            Payload::ComponentTypeSection(section) => return self.types(section.range().start),
            // Start sections and unknown sections hold nothing that has a bound of its own; the validator judges them.
            _ => {}
        }
        Ok(())
    }

    fn types(&mut self, start: u64) -> Result<()> {
        let rest = usize::try_from(start).ok().and_then(|start| self.bytes.get(start..)).unwrap_or_default();
        let left = self.bounds.nesting.saturating_sub(self.depth);
        let found = nesting::count(BinaryReader::new_features(rest, start, features()), left)?;
        self.walked.sizes.types += found.types;
        self.nested_to(self.depth + found.depth);
        Ok(())
    }

    fn import(&mut self, name: &str, ty: ComponentTypeRef) {
        self.walked.sizes.imports += 1;
        self.name(name);
        // The list itself stays within the bound; the count above goes on and becomes the finding.
        if self.depth == 0 && self.walked.sizes.imports <= self.bounds.imports {
            let is_instance = matches!(ty, ComponentTypeRef::Instance(_));
            self.walked.imports.push(RawImport { name: name.to_owned(), is_instance });
        }
    }

    fn elements(&mut self, section: ElementSectionReader<'a>) -> Result<()> {
        let sizes = &mut self.walked.sizes;
        sizes.element_segments += u64::from(section.count());
        for element in section {
            sizes.element_items += match element?.items {
                ElementItems::Functions(items) => u64::from(items.count()),
                ElementItems::Expressions(_, items) => u64::from(items.count()),
            };
        }
        Ok(())
    }

    fn body(&mut self, body: &FunctionBody<'a>) -> Result<()> {
        let sizes = &mut self.walked.sizes;
        sizes.body_bytes = sizes.body_bytes.max(body.as_bytes().len() as u64);
        let mut locals: u64 = 0;
        for group in body.get_locals_reader()? {
            locals = locals.saturating_add(u64::from(group?.0));
        }
        sizes.locals = sizes.locals.max(locals);
        Ok(())
    }

    fn name(&mut self, name: &str) {
        let sizes = &mut self.walked.sizes;
        sizes.name_bytes = sizes.name_bytes.max(name.len() as u64);
    }

    fn nested_to(&mut self, depth: u64) {
        let sizes = &mut self.walked.sizes;
        sizes.nesting = sizes.nesting.max(depth);
    }
}
