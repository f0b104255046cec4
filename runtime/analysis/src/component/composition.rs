//! One function is one component: those inside it may rename, but hold no code.
//!
//! Between two components that both have code, Wasmtime generates adapters. These copy and transcode strings in the
//! host, which no fuel pays for and nothing can interrupt, and each task inside them takes a stack of the pool. `airlock
//! build` makes no such component; linking modules into one before encoding has the same effect.

use airlock_model::Finding;
use wasmparser::{Parser, Payload};

use super::validate::{features, invalid};

/// Refuses modules, core instances and lifted or lowered functions below the outermost component.
pub(super) fn check(bytes: &[u8]) -> Result<(), Finding> {
    let mut parser = Parser::new(0);
    parser.set_features(features());
    // One entry for each open module or component: whether it is a component.
    let mut open = Vec::new();
    for payload in parser.parse_all(bytes) {
        let inside = open.contains(&true);
        let code = match payload.map_err(|error| invalid(&error))? {
            Payload::ComponentSection { .. } => {
                open.push(true);
                None
            }
            Payload::ModuleSection { unchecked_range, .. } => {
                open.push(false);
                Some(unchecked_range)
            }
            Payload::InstanceSection(section) => Some(section.range()),
            Payload::ComponentCanonicalSection(section) => Some(section.range()),
            Payload::End(_) => {
                open.pop();
                None
            }
            _ => None,
        };
        if let (true, Some(range)) = (inside, code) {
            return Err(composed(range.start));
        }
    }
    Ok(())
}

fn composed(offset: u64) -> Finding {
    let message = "a component inside this one has code of its own; a function is one component";
    let fix = "link the modules into one before encoding the component, instead of composing components";
    Finding::error("component-composed", message, format!("byte {offset}"), fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Option<String> {
        check(&wat::parse_str(text).expect("valid WAT")).err().map(|finding| finding.rule)
    }

    #[test]
    fn what_only_renames_passes() {
        let shim = r#"(component $shim (import "f" (func $f)) (export "g" (func $f)))"#;
        let own = r#"(core module $m (func (export "f"))) (core instance $i (instantiate $m))
            (func $f (canon lift (core func $i "f"))) (instance (instantiate $s (with "f" (func $f))))"#;
        assert_eq!(judged(&format!("(component {} {own})", shim.replace("$shim", "$s"))), None);
    }

    #[test]
    fn code_inside_is_refused_in_each_form() {
        for inner in [
            "(core module)",
            r#"(import "m" (core module $m)) (core instance (instantiate $m))"#,
            "(type $r (resource (rep i32))) (core func (canon resource.new $r))",
            "(component (core module))",
        ] {
            let found = judged(&format!("(component (component {inner}))"));
            assert_eq!(found.as_deref(), Some("component-composed"), "{inner}");
        }
    }
}
