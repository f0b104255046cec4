//! `airlock new`.

use std::{path::Path, process::ExitCode};

use airlock_model::FunctionName;
use anyhow::{Context, bail};
use serde::Serialize;

use crate::{args::NewOptions, output, output::Style};

const TYPESCRIPT: &[(&str, &str)] = &[
    ("function.toml", include_str!("../../templates/typescript/function.toml")),
    ("src/main.ts", include_str!("../../templates/typescript/main.ts")),
    ("README.md", include_str!("../../templates/README.md")),
];
const RUST: &[(&str, &str)] = &[
    ("function.toml", include_str!("../../templates/rust/function.toml")),
    ("Cargo.toml", include_str!("../../templates/rust/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("../../templates/rust/lib.rs.txt")),
    ("README.md", include_str!("../../templates/README.md")),
];

#[derive(Serialize)]
struct Made {
    name: String,
    files: Vec<String>,
}

/// Makes a project that builds and runs as it is. Touches no existing directory.
pub fn run(options: &NewOptions, style: Style) -> anyhow::Result<ExitCode> {
    let name = options.dir.file_name().and_then(|name| name.to_str()).context("the directory has no name")?;
    let name: FunctionName = name.parse()?;
    let (files, sdk) = match (options.language.as_str(), &options.sdk) {
        ("typescript", _) => (TYPESCRIPT, String::new()),
        ("rust", Some(sdk)) => (RUST, sdk_path(sdk)?),
        ("rust", None) => bail!("say where the Rust SDK is: --sdk <Airlock checkout>/guest-sdk/rust"),
        (other, _) => bail!("no template for `{other}`: choose `typescript` or `rust`"),
    };
    if options.dir.exists() {
        bail!("`{}` exists already: choose another name, or remove it", options.dir.display());
    }
    std::fs::create_dir(&options.dir).with_context(|| format!("cannot make `{}`", options.dir.display()))?;
    for (path, text) in files {
        write(&options.dir.join(path), &text.replace("{{name}}", name.as_str()).replace("{{sdk}}", &sdk))?;
    }
    output::progress(
        "Created",
        format!("{name}; try: airlock run {} --input '{{\"name\": \"Ada\"}}'", options.dir.display()),
    );
    let made = Made { name: name.to_string(), files: files.iter().map(|(path, _)| (*path).to_owned()).collect() };
    if style.json {
        style.print(&made, |_| Ok(()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn sdk_path(sdk: &Path) -> anyhow::Result<String> {
    let absolute = std::path::absolute(sdk)?;
    if !absolute.join("Cargo.toml").exists() {
        bail!("`{}` is not the Rust SDK: there is no Cargo.toml", absolute.display());
    }
    absolute.to_str().map(str::to_owned).context("the path of the SDK is not UTF-8")
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}
