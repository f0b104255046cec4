//! The component before any user code: QuickJS, the bindings of one world, and nothing initialised.
//!
//! It depends on the resources alone, so it is the same for every function with the same imports.

use wit_component::StringEncoding;

use super::{EncodeError, engine};
use crate::artifacts::Artifacts;
use crate::wit::{self, ResourceImport};

/// The one WASI interface the SDK itself asks for: seeds for `Math.random`.
const RANDOM: &str = "wasi:random/random@0.2.0";
const RANDOM_PACKAGE: &str = "
package wasi:random@0.2.0 {
    interface random {
        get-random-bytes: func(len: u64) -> list<u8>;
    }
}
";

/// Links the runtime with bindings for a world that imports `resources`, or returns what an earlier build linked.
pub(super) fn link(resources: &[ResourceImport], artifacts: &Artifacts) -> Result<Vec<u8>, EncodeError> {
    let world = wit::world_wit_with(resources, RANDOM_PACKAGE, &[RANDOM])?;
    let version = env!("CARGO_PKG_VERSION");
    artifacts.get_or(&[b"linked", version.as_bytes(), engine::DIGEST.as_bytes(), world.as_bytes()], || link_new(&world))
}

fn link_new(world: &str) -> Result<Vec<u8>, EncodeError> {
    let (resolve, world) = wit::parse(world)?;
    let mut bindings = wit_dylib::create(&resolve, world, None);
    wit_component::embed_component_metadata(&mut bindings, &resolve, world, StringEncoding::UTF8)
        .map_err(EncodeError::Link)?;
    let libraries = engine::libraries()?;
    let mut linker = wit_component::Linker::default();
    linker.encoder().validate(cfg!(debug_assertions));
    for (name, module) in [
        ("quickjs.wasm", &libraries.runtime),
        ("replacements.wasm", &libraries.replacements),
        ("bindings.wasm", &bindings),
    ] {
        linker.library(name, module, false).map_err(EncodeError::Link)?;
    }
    linker.encode().map_err(EncodeError::Link)
}
