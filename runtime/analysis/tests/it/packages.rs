//! Lockfiles as package managers wrote them, as hostile builders write them, and what a policy says of them.

mod addresses;
mod files;
mod hostile;
mod policy;
mod versions;

use std::path::PathBuf;

use airlock_analysis::packages::{Format, LockedPackage, PackageFile};

/// A file of the corpus.
fn corpus(name: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpora/packages");
    std::fs::read_to_string(root.join(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

fn format_of(name: &str) -> Format {
    let file = name.rsplit('/').next().expect("a name");
    match PackageFile::of_path(file) {
        Some(PackageFile::Lock(_, format)) => format,
        other => panic!("{name}: {other:?}"),
    }
}

fn read(name: &str, text: &str) -> Vec<LockedPackage> {
    airlock_analysis::packages::packages(format_of(name), text)
        .unwrap_or_else(|why| panic!("{name}:{:?}: {why}", why.line))
}
