//! What deploy must survive: bytes that are no component, components that ask for too much, and components that are
//! made to cost the analysis or the compiler more than they are worth.

mod bytes;
mod compile;
mod shapes;

use super::{Group, Specimen};
use crate::guests::WatGuest;

/// Every specimen of this group.
pub(super) fn specimens() -> Vec<Specimen> {
    [shapes::foreign(), shapes::damaged(), shapes::imports(), shapes::features(), shapes::sizes(), compile::bombs()]
        .into_iter()
        .flatten()
        .collect()
}

/// A specimen without limits or resources of its own, called with `null`.
fn specimen(
    name: &'static str,
    expected: &'static str,
    component: impl Fn() -> Vec<u8> + Send + Sync + 'static,
) -> Specimen {
    let component = Box::new(component);
    Specimen { name, group: Group::Deploy, component, manifest: "", payload: "null", expected }
}

/// A function that would return 1 if it were deployed, with more in its core module and component.
fn function(fields: &str, definitions: &str) -> Vec<u8> {
    let plain = WatGuest::returning("1");
    let fields = format!("{fields} {}", plain.fields);
    WatGuest { fields, definitions: definitions.to_owned(), ..plain }.component()
}

/// Text to a component.
fn component_of(text: &str) -> Vec<u8> {
    wat::parse_str(format!("(component {text})")).expect("valid WAT")
}

/// `count` copies of what `item` makes of their numbers.
fn many(count: usize, item: impl Fn(usize) -> String) -> String {
    (0..count).map(item).collect()
}
