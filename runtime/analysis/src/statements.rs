//! The section of a component that lists the texts it sends: how a component without sources has a statement manifest.
//!
//! A custom section `airlock:statements` at the top of the component, holding `{"version": 1, "statements": [{"resource",
//! "language", "text"}]}` as JSON. `airlock build` writes it from the sources. It is a claim, and needs no trust: what it lists
//! is judged like every other text, and what it does not list does not run where the environment is strict.

use airlock_model::DeclaredText;
use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload};

use crate::source::{Report, SourceStatement};

/// The section's name.
pub const SECTION: &str = "airlock:statements";
/// Bytes of the section.
const SECTION_BYTES_MAX: usize = 1 << 20;
/// Texts in it.
const TEXTS_MAX: usize = 10_000;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    version: u32,
    statements: Vec<DeclaredText>,
}

/// The text of a statement in sources; `None` for languages that a manifest does not list.
#[must_use]
pub fn of_source(statement: &SourceStatement) -> Option<DeclaredText> {
    let language = statement.kind.parse().ok()?;
    Some(DeclaredText { resource: statement.resource.clone(), language, text: statement.text.clone() })
}

/// What a component says of itself; `None` without the section, or with one that is damaged or too large.
#[must_use]
pub fn of_component(component: &[u8]) -> Option<Vec<DeclaredText>> {
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(component) {
        match payload.ok()? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::CustomSection(section) if depth == 0 && section.name() == SECTION => {
                return read(section.data());
            }
            _ => {}
        }
    }
    None
}

fn read(data: &[u8]) -> Option<Vec<DeclaredText>> {
    if data.len() > SECTION_BYTES_MAX {
        return None;
    }
    let section: Section = serde_json::from_slice(data).ok()?;
    (section.version == 1 && section.statements.len() <= TEXTS_MAX).then_some(section.statements)
}

/// The component with the section for what its sources say; as it is when they were refused or a text varies, because then
/// the list would not be all.
#[must_use]
pub fn listed_in(mut component: Vec<u8>, report: &Report) -> Vec<u8> {
    let is_all = !report.is_refused() && report.statements.iter().all(|statement| !statement.varies);
    let mut statements: Vec<_> = report.statements.iter().filter_map(of_source).collect();
    statements.sort();
    statements.dedup();
    let Ok(data) = serde_json::to_vec(&Section { version: 1, statements }) else { return component };
    if is_all && data.len() <= SECTION_BYTES_MAX {
        append(&mut component, &data);
    }
    component
}

/// A custom section: id 0, size, name, data (component model binary format, "custom sections").
fn append(component: &mut Vec<u8>, data: &[u8]) {
    let name = leb128(SECTION.len());
    component.push(0);
    component.extend(leb128(name.len() + SECTION.len() + data.len()));
    component.extend(name);
    component.extend(SECTION.as_bytes());
    component.extend(data);
}

fn leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty component.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn report(varies: bool) -> Report {
        let statement = SourceStatement {
            text: "select 1".repeat(40),
            kind: "sql".to_owned(),
            varies,
            class: None,
            dialect: None,
            resource: "ordersDb".to_owned(),
            file: "src/main.ts".to_owned(),
            line: 1,
            column: 1,
            end_line: 1,
            end_column: 1,
        };
        Report { findings: Vec::new(), statements: vec![statement.clone(), statement] }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let component = listed_in(EMPTY.to_vec(), &report(false));
        let texts = of_component(&component).expect("a section");
        assert_eq!(texts.len(), 1, "each text once");
        assert_eq!((texts[0].resource.as_str(), texts[0].text.len()), ("ordersDb", 320));
        for cut in EMPTY.len() + 1..component.len() {
            assert_eq!(of_component(&component[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn a_list_that_would_not_be_all_is_not_written() {
        assert_eq!(listed_in(EMPTY.to_vec(), &report(true)), EMPTY);
        assert_eq!(of_component(EMPTY), None);
    }

    #[test]
    fn sections_of_inner_modules_do_not_count() {
        let mut module = b"\0asm\x01\0\0\0".to_vec();
        append(&mut module, b"{\"version\":1,\"statements\":[]}");
        let mut component = EMPTY.to_vec();
        component.push(1);
        component.extend(leb128(module.len()));
        component.extend(&module);
        assert_eq!(of_component(&component), None);
        append(&mut component, b"{\"version\":1,\"statements\":[]}");
        assert_eq!(of_component(&component), Some(Vec::new()));
        let mut newer = EMPTY.to_vec();
        append(&mut newer, b"{\"version\":2,\"statements\":[]}");
        assert_eq!(of_component(&newer), None);
    }
}
