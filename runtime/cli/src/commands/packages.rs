//! The files beside `function.toml` that say which packages a project brings along.

use std::{fs::File, io::Read as _, path::Path};

use airlock_analysis::packages::{FILE_BYTES_MAX, PackageFile};
use airlock_model::Finding;
use airlock_service::{Config, check_packages};
use airlock_toolchain::{Built, Project};
use anyhow::{Context, bail};

/// Name and text of every lockfile and package manifest in the directory of a project, not below it.
pub fn files(project: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let cannot = || format!("cannot read `{}`", project.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(project).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if PackageFile::of_path(&name).is_some() && entry.path().is_file() {
            found.push((name, text(&entry.path())?));
        }
    }
    found.sort();
    Ok(found)
}

fn text(path: &Path) -> anyhow::Result<String> {
    let cannot = || format!("cannot read `{}`", path.display());
    let mut text = String::new();
    let most = u64::try_from(FILE_BYTES_MAX)?;
    File::open(path).and_then(|file| file.take(most + 1).read_to_string(&mut text)).with_context(cannot)?;
    if text.len() > FILE_BYTES_MAX {
        bail!("`{}` is larger than {FILE_BYTES_MAX} bytes, which is the most that is read", path.display());
    }
    Ok(text)
}

/// A build with the package files among its sources, as a server takes it.
pub fn with_files(project: &Project, mut built: Built) -> anyhow::Result<Built> {
    for (name, text) in files(&project.dir)? {
        // A program can import its own package.json: then the build has it.
        if built.sources.iter().all(|(path, _)| *path != name) {
            built.sources.push((name, text));
        }
    }
    Ok(built)
}

/// What an environment of a configuration says of the packages of a project.
pub fn check(project: &Project, config: &Path, environment: &str) -> anyhow::Result<Vec<Finding>> {
    let config = Config::load(config)?;
    let sources = files(&project.dir)?.into_iter().collect();
    Ok(check_packages(&config, &environment.parse()?, project.language, &sources)?)
}
