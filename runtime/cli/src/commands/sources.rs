//! The sources of a project, as analysis takes them.

use std::path::Path;

use airlock_analysis::{
    Dialect,
    source::{Language, Project as Sources, SourceFile},
};
use airlock_toolchain::{Built, Project};
use anyhow::Context;

/// Files of a project beyond this many are not its own.
const FILES_MAX: usize = 2_000;

/// For TypeScript what the build has put together, for other languages what stands in `src`.
pub fn project(project: &Project, built: &Built, dialect: Option<Dialect>) -> anyhow::Result<Sources> {
    let file = |(path, text): &(String, String)| source(path.clone(), text.clone());
    let mut files: Vec<SourceFile> = built.sources.iter().map(file).collect();
    if files.is_empty() {
        gather(&project.dir, &project.dir.join("src"), &mut files)?;
    }
    let entry = project.entry.to_string_lossy().replace('\\', "/");
    Ok(Sources { files, entry: Some(entry), dialect, is_function: true })
}

fn source(path: String, text: String) -> SourceFile {
    let language = Language::of_file(&path);
    SourceFile { path, text, language }
}

/// Every text file below a directory; `.sql` because sources include it.
fn gather(root: &Path, directory: &Path, files: &mut Vec<SourceFile>) -> anyhow::Result<()> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Ok(()) };
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read `{}`", directory.display()))?;
        let path = entry.path();
        // Links could lead out of the project, or round in circles.
        let kind = entry.file_type().with_context(|| format!("cannot read `{}`", path.display()))?;
        if kind.is_dir() {
            gather(root, &path, files)?;
        } else if kind.is_file() && files.len() < FILES_MAX {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            if Language::of_file(&name).is_some() || name.ends_with(".sql") {
                let text =
                    std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
                files.push(source(name, text));
            }
        }
    }
    Ok(())
}
