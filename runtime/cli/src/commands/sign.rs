//! `airlock sign`: signatures over components.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use airlock_access::{SIGNATURE_BYTES, sign_component};
use airlock_model::Digest;
use airlock_toolchain::Project;
use anyhow::{Context, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{args::SignOptions, keys, output::Style};

/// Signs a component and writes the signature, base64 on one line.
pub fn run(options: &SignOptions, style: Style) -> anyhow::Result<ExitCode> {
    let path = component_of(&options.component)?;
    let component = std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let digest = Digest::of(&component);
    let signature = BASE64_STANDARD.encode(of_component(&options.key, &component)?);
    std::fs::write(&options.output, format!("{signature}\n"))
        .with_context(|| format!("cannot write `{}`", options.output.display()))?;
    let signed = json!({ "component": path, "digest": digest, "signature": options.output });
    style.print(&signed, |out| writeln!(out, "{digest} {}", options.output.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// A file is the component; a project's is what `airlock build` left beside its `function.toml`.
fn component_of(path: &Path) -> anyhow::Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let built = path.join(format!("{}.wasm", Project::load(path)?.name));
    if !built.is_file() {
        bail!("`{}` is not there: run `airlock build {}` first", built.display(), path.display());
    }
    Ok(built)
}

/// The signature of a key over a component.
pub fn of_component(key: &Path, component: &[u8]) -> anyhow::Result<Vec<u8>> {
    let pair = keys::read(key)?;
    sign_component(&pair, &Digest::of(component)).with_context(|| {
        format!("`{}` cannot sign components; make a key with `airlock keys new-signer`", key.display())
    })
}

/// Reads a signature: 64 bytes, or their base64.
pub fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    if bytes.len() == SIGNATURE_BYTES {
        return Ok(bytes);
    }
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    BASE64_STANDARD.decode(text).with_context(|| format!("`{}` is no signature of `airlock sign`", path.display()))
}
