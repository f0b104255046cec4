//! Compiles `airlock/v1/*.proto` without protoc and keeps the descriptors for reflection and JSON.

use std::{env, error::Error, fs, path::PathBuf};

const FILES: [&str; 10] = [
    "airlock/v1/options.proto",
    "airlock/v1/invocation.proto",
    "airlock/v1/function.proto",
    "airlock/v1/audit.proto",
    "airlock/v1/operator.proto",
    "airlock/v1/resource.proto",
    "airlock/v1/approval.proto",
    "airlock/v1/token.proto",
    "airlock/v1/usage.proto",
    "airlock/v1/log.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=airlock");
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_source_info(true).include_imports(true).open_files(FILES)?;

    // `compile_fds` ignores `file_descriptor_set_path`, and prost's own types would lose the field options: these are
    // the bytes as protox wrote them.
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR for build scripts")?);
    fs::write(out.join("airlock.v1.bin"), compiler.encode_file_descriptor_set())?;

    tonic_prost_build::configure().compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
