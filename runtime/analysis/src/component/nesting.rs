//! Counts component types without recursion.
//!
//! The readers of wasmparser follow nested type declarations by calling themselves, without a limit: a few megabytes
//! of `0x41 0x01 0x01` would overflow the stack. So the depth is bounded here, before any of those readers runs.

use wasmparser::{BinaryReader, ComponentImport, ComponentType, InstanceTypeDeclaration, Result};

const COMPONENT: u8 = 0x41;
const INSTANCE: u8 = 0x42;
const DECLARES_TYPE: u8 = 0x01;
const DECLARES_IMPORT: u8 = 0x03;

/// What one section of component types holds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct TypeCount {
    /// Types, nested ones included.
    pub(super) types: u64,
    /// Deepest level reached; the walk stops one above the bound.
    pub(super) depth: u64,
}

struct Level {
    declarations_left: u32,
    is_component: bool,
}

/// Walks a section whose `reader` stands before its count. Stops as soon as `depth_max` is exceeded.
pub(super) fn count(mut reader: BinaryReader<'_>, depth_max: u64) -> Result<TypeCount> {
    let mut found = TypeCount::default();
    for _ in 0..reader.read_var_u32()? {
        one_type(&mut reader, depth_max, &mut found)?;
        if found.depth > depth_max {
            break;
        }
    }
    Ok(found)
}

fn one_type(reader: &mut BinaryReader<'_>, depth_max: u64, found: &mut TypeCount) -> Result<()> {
    let mut levels: Vec<Level> = Vec::new();
    open(reader, &mut levels, found)?;
    loop {
        found.depth = found.depth.max(levels.len() as u64);
        if found.depth > depth_max {
            return Ok(());
        }
        let Some(level) = levels.last_mut() else { return Ok(()) };
        if level.declarations_left == 0 {
            levels.pop();
            continue;
        }
        level.declarations_left -= 1;
        match (peek(reader)?, level.is_component) {
            (DECLARES_TYPE, _) => {
                reader.read_u8()?;
                open(reader, &mut levels, found)?;
            }
            (DECLARES_IMPORT, true) => {
                reader.read_u8()?;
                reader.read::<ComponentImport<'_>>()?;
            }
            _ => {
                found.types += 1;
                reader.read::<InstanceTypeDeclaration<'_>>()?;
            }
        }
    }
}

/// Reads a type that holds no types of its own, or enters one that does.
fn open(reader: &mut BinaryReader<'_>, levels: &mut Vec<Level>, found: &mut TypeCount) -> Result<()> {
    found.types += 1;
    let form = peek(reader)?;
    if form == COMPONENT || form == INSTANCE {
        reader.read_u8()?;
        levels.push(Level { declarations_left: reader.read_var_u32()?, is_component: form == COMPONENT });
    } else {
        reader.read::<ComponentType<'_>>()?;
    }
    Ok(())
}

fn peek(reader: &BinaryReader<'_>) -> Result<u8> {
    reader.clone().read_u8()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_nested_types_stop_at_the_bound() {
        let mut bytes = vec![1];
        bytes.extend([COMPONENT, 1, DECLARES_TYPE].repeat(1_000_000));
        let found = count(BinaryReader::new(&bytes, 0), 16).expect("stops before the end");
        assert_eq!(found.depth, 17);
    }

    #[test]
    fn nested_and_flat_types_are_all_counted() {
        // Two types: a string, and an instance that declares a boolean and a component without declarations.
        let bytes = [2, 0x73, INSTANCE, 2, DECLARES_TYPE, 0x7f, DECLARES_TYPE, COMPONENT, 0];
        let found = count(BinaryReader::new(&bytes, 0), 16).expect("valid");
        assert_eq!(found, TypeCount { types: 4, depth: 2 });
    }

    #[test]
    fn a_cut_section_is_an_error() {
        assert!(count(BinaryReader::new(&[1, INSTANCE, 2, DECLARES_TYPE], 0), 16).is_err());
    }
}
