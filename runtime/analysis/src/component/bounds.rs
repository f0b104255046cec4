//! How large a component may be.

use airlock_model::Finding;
use serde::Deserialize;

macro_rules! bounds {
    ($($(#[$doc:meta])* $field:ident $label:literal $default:literal $fix:literal;)*) => {
        /// The most of everything that a component may have. [`Bounds::BUILT_IN`] is where an operator starts from.
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Bounds { $($(#[$doc])* pub $field: u64,)* }

        /// What one component has, in the units of [`Bounds`].
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Sizes { $($(#[$doc])* pub $field: u64,)* }

        impl Default for Bounds {
            fn default() -> Self {
                Self::BUILT_IN
            }
        }

        impl Bounds {
            /// The defaults. Fitted to a QuickJS function (1.7 MB, 1,604 functions, largest body 54 KB) with room to grow.
            pub const BUILT_IN: Self = Self { $($field: $default,)* };

            /// One `bound-exceeded` finding for every size above its bound, naming both values.
            #[must_use]
            pub fn exceeded_by(&self, sizes: &Sizes) -> Vec<Finding> {
                let mut findings = Vec::new();
                $(if sizes.$field > self.$field {
                    findings.push(exceeded(stringify!($field), $label, (self.$field, sizes.$field), $fix));
                })*
                findings
            }
        }
    };
}

bounds! {
    /// Bytes of the whole component. Default 32 MiB.
    bytes "component bytes" 33_554_432 "strip debug information and leave out what the function does not use";
    /// Functions of all core modules together. Default 100,000.
    functions "core functions" 100_000 "leave out dependencies that the function does not use";
    /// Bytes of the largest function body. Default 512 KiB; QuickJS needs 54 KB.
    body_bytes "bytes in one function body" 524_288 "split the largest function, or move its tables into data";
    /// Locals of the function that declares the most. Default 5,000.
    locals "locals in one function" 5_000 "build with optimisation, or split the largest function";
    /// Core and component types, nested declarations included. Default 20,000.
    types "types" 20_000 "leave out interfaces that the function does not use";
    /// Depth of components in components, or of types in types. Default 16.
    nesting "levels of nesting" 16 "flatten nested components and types";
    /// Core modules and nested components together. Default 64.
    modules "modules and nested components" 64 "link the modules into one before encoding the component";
    /// Imports of the component and of everything inside it. Default 10,000.
    imports "imports" 10_000 "leave out interfaces that the function does not use";
    /// Exports of the component and of everything inside it. Default 10,000.
    exports "exports" 10_000 "do not export symbols (no `-rdynamic`, no `--export-all`)";
    /// Bytes of the longest import or export name. Default 1,024.
    name_bytes "bytes in one name" 1_024 "shorten the longest import or export name";
    /// Linear memories that core modules define. Default 8.
    memories "memories" 8 "link the modules so that they share one memory";
    /// Tables that core modules define. Default 8.
    tables "tables" 8 "link the modules so that they share one table";
    /// Globals that core modules define. Default 10,000.
    globals "globals" 10_000 "keep values in memory instead of globals";
    /// Data segments of all core modules. Default 20,000; the snapshot of a small TypeScript function has 6,668.
    data_segments "data segments" 20_000 "let the linker merge data segments";
    /// Element segments of all core modules. Default 10,000.
    element_segments "element segments" 10_000 "let the linker merge element segments";
    /// Items of all element segments together: each stays in the server's memory. Default 200,000.
    element_items "items in element segments" 200_000 "take fewer function addresses: fewer vtables and callbacks";
    /// Instances that instantiating the component makes, nested components multiplied out. Default 250; QuickJS has 21.
    instances "instances" 250 "instantiate each module and nested component once";
    /// Component instances, as written. Each compares whole types, whose size is exponential. Default 32.
    component_instances "component instances" 32 "export interfaces from the outermost component";
    /// Exports of components, as written. Each can compare whole types. Default 200.
    component_exports "exports of components" 200 "export nothing but the handler";
    /// Canonical functions: lifts, lowers and built-ins. Default 10,000.
    canonicals "canonical functions" 10_000 "lower each imported function once";
    /// Aliases of the component and of everything inside it. Default 50,000.
    aliases "aliases" 50_000 "alias each item once";
    /// Bytes in custom sections, names and debug information among them. Default 8 MiB.
    custom_section_bytes "bytes in custom sections" 8_388_608 "strip debug information: `strip = true` in the release profile";
}

fn exceeded(bound: &str, label: &str, (configured, found): (u64, u64), fix: &str) -> Finding {
    let message = format!("the component has {found} {label}, the bound `{bound}` is {configured}");
    Finding::error("bound-exceeded", message, "the component", fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_at_the_bound_pass_and_one_more_is_named_with_both_values() {
        let bounds = Bounds::BUILT_IN;
        let at = Sizes { functions: bounds.functions, tables: bounds.tables, ..Sizes::default() };
        assert_eq!(bounds.exceeded_by(&at), []);
        let above = Sizes { functions: 100_001, tables: 9, ..Sizes::default() };
        let messages: Vec<_> = bounds.exceeded_by(&above).into_iter().map(|finding| finding.message).collect();
        assert_eq!(
            messages,
            [
                "the component has 100001 core functions, the bound `functions` is 100000",
                "the component has 9 tables, the bound `tables` is 8",
            ]
        );
    }
}
