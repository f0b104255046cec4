//! Removes one exported function from a component.

use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent};
use wasm_encoder::{
    CanonicalFunctionSection, Component, ComponentAliasSection, ComponentExportSection, ComponentInstanceSection,
    RawSection,
};
use wasmparser::{CanonicalFunction, ComponentAlias, ComponentExternalKind, Parser, Payload};

use super::EncodeError;

/// Drops the function export `name` from the outermost component.
///
/// An export takes a place of its own among the component's functions, so every later function moves down by one.
pub(super) fn without_export(component: &[u8], name: &str) -> Result<Vec<u8>, EncodeError> {
    let mut out = Component::new();
    let mut stripper = Stripper { name, functions: 0, removed: None };
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component) {
        let payload = payload.map_err(EncodeError::runtime)?;
        // A module or nested component is copied whole by its own section, which comes before its contents.
        if depth == 1 {
            stripper.copy(&mut out, component, &payload)?;
        }
        match payload {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    let missing = || EncodeError::Runtime(format!("no export `{name}`"));
    stripper.removed.map(|_| out.finish()).ok_or_else(missing)
}

struct Stripper<'n> {
    name: &'n str,
    /// Component functions defined so far, in the numbering of the input.
    functions: u32,
    removed: Option<u32>,
}

impl Stripper<'_> {
    fn copy(&mut self, out: &mut Component, component: &[u8], payload: &Payload<'_>) -> Result<(), EncodeError> {
        match payload {
            Payload::ComponentExportSection(section) => {
                out.section(&self.exports(section.clone()).map_err(EncodeError::runtime)?);
            }
            Payload::ComponentAliasSection(section) => {
                self.functions +=
                    section.clone().into_iter().flatten().map(|alias| u32::from(is_function(&alias))).sum::<u32>();
                let mut aliases = ComponentAliasSection::new();
                self.parse_component_alias_section(&mut aliases, section.clone()).map_err(EncodeError::runtime)?;
                out.section(&aliases);
            }
            Payload::ComponentCanonicalSection(section) => {
                let lifts = |one: &CanonicalFunction| matches!(one, CanonicalFunction::Lift { .. });
                self.functions += section.clone().into_iter().flatten().map(|one| u32::from(lifts(&one))).sum::<u32>();
                let mut functions = CanonicalFunctionSection::new();
                self.parse_component_canonical_section(&mut functions, section.clone())
                    .map_err(EncodeError::runtime)?;
                out.section(&functions);
            }
            Payload::ComponentInstanceSection(section) => {
                let mut instances = ComponentInstanceSection::new();
                self.parse_component_instance_section(&mut instances, section.clone()).map_err(EncodeError::runtime)?;
                out.section(&instances);
            }
            other => {
                if let Some((id, range)) = other.as_section()
                    && let Some(data) = bytes(component, &range)
                {
                    out.section(&RawSection { id, data });
                }
            }
        }
        Ok(())
    }

    fn exports(
        &mut self,
        section: wasmparser::ComponentExportSectionReader<'_>,
    ) -> Result<ComponentExportSection, Error<std::convert::Infallible>> {
        let mut exports = ComponentExportSection::new();
        for export in section {
            let export = export?;
            let function = export.kind == ComponentExternalKind::Func;
            if function && export.name.name == self.name {
                self.removed = Some(self.functions);
            } else {
                self.parse_component_export(&mut exports, export)?;
            }
            self.functions += u32::from(function);
        }
        Ok(exports)
    }
}

impl Reencode for Stripper<'_> {
    type Error = std::convert::Infallible;
}

impl ReencodeComponent for Stripper<'_> {
    fn component_func_index(&mut self, index: u32) -> u32 {
        if self.removed.is_some_and(|removed| index > removed) { index - 1 } else { index }
    }
}

fn is_function(alias: &ComponentAlias<'_>) -> bool {
    matches!(alias, ComponentAlias::InstanceExport { kind: ComponentExternalKind::Func, .. })
}

fn bytes<'b>(component: &'b [u8], range: &std::ops::Range<u64>) -> Option<&'b [u8]> {
    component.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?)
}
