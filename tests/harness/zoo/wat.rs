//! The texts that specimens are made of: `tests/guests/zoo/*.wat` with their holes filled.

use super::{Group, Specimen};
use crate::guests::WatGuest;

/// A deadline that fuel always beats, and fuel for about 20 ms.
pub(super) const LITTLE_FUEL: &str = "[limits]\nfuel = 20_000_000\nwall_time_ms = 8000\n";
/// A deadline that beats all the fuel there is.
pub(super) const LITTLE_TIME: &str = "[limits]\nwall_time_ms = 300\n";
/// For guests that end by themselves.
pub(super) const ANY: &str = "[limits]\nfuel = 2_000_000_000\nwall_time_ms = 8000\n";

/// `1` as the result of a [`WatGuest`], with the text at 1024.
pub(super) const ONE: &str = "(i32.store8 (i32.const 1024) (i32.const 49)) (i32.store8 (i32.const 16) (i32.const 0))
    (i32.store (i32.const 20) (i32.const 1024)) (i32.store (i32.const 24) (i32.const 1)) (i32.const 16)";

/// A text with named holes: `{{name}}`. What is not filled is left out.
#[derive(Clone)]
pub(super) struct Template {
    text: String,
}

impl Template {
    /// A function lifted with a callback; holes `fields`, `handle`, `callback`.
    pub(super) fn task(handle: &str) -> Self {
        Self { text: include_str!("../../guests/zoo/task.wat").to_owned() }.fill("handle", handle)
    }

    /// A component inside another; holes `pages`, `inner`, `types`, `signature`, `options`, `core`, `handle`.
    pub(super) fn nested(handle: &str) -> Self {
        Self { text: include_str!("../../guests/zoo/nested.wat").to_owned() }.fill("handle", handle)
    }

    /// A function with host calls; holes `imports`, `pages`, `realloc`, `lowered`, `core`, `exports`, `handle`.
    pub(super) fn host(handle: &str) -> Self {
        Self { text: include_str!("../../guests/zoo/host.wat").to_owned() }.fill("handle", handle)
    }

    pub(super) fn fill(mut self, hole: &str, text: &str) -> Self {
        self.text = self.text.replace(&format!("{{{{{hole}}}}}"), text);
        self
    }

    /// The component's bytes.
    pub(super) fn component(self) -> Vec<u8> {
        let usual = [("pages", "2"), ("callback", "unreachable"), ("offset", "0"), ("allocated", "(i32.const 2048)")];
        let mut text = usual.into_iter().fold(self, |text, (hole, usual)| text.fill(hole, usual)).text;
        while let (Some(start), Some(end)) = (text.find("{{"), text.find("}}")) {
            text.replace_range(start..end + 2, "");
        }
        component(&text)
    }
}

impl From<String> for Template {
    fn from(text: String) -> Self {
        Self { text }
    }
}

/// A component from its text.
pub(super) fn component(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|why| panic!("{why}"))
}

/// Makes the specimens of one group.
pub(super) struct Maker(pub(super) Group);

impl Maker {
    /// Bytes of any kind.
    pub(super) fn bytes(
        &self,
        name: &'static str,
        component: impl Fn() -> Vec<u8> + Send + Sync + 'static,
        manifest: &'static str,
        expected: &'static str,
    ) -> Specimen {
        Specimen { name, group: self.0, component: Box::new(component), manifest, payload: "null", expected }
    }

    /// A guest that is one core function.
    pub(super) fn core(
        &self,
        name: &'static str,
        guest: WatGuest,
        manifest: &'static str,
        expected: &'static str,
    ) -> Specimen {
        self.bytes(name, move || guest.component(), manifest, expected)
    }

    /// A guest that is a filled template.
    pub(super) fn text(
        &self,
        name: &'static str,
        guest: Template,
        manifest: &'static str,
        expected: &'static str,
    ) -> Specimen {
        self.bytes(name, move || guest.clone().component(), manifest, expected)
    }
}
