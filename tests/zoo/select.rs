//! Which guests run, each with all that a run needs.

use std::{
    any::Any,
    collections::BTreeSet,
    fs,
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::Duration,
};

use airlock_model::{FunctionManifest, Limits};
use airlock_tests::zoo::{Group, Specimen};
use anyhow::Context as _;
use tempfile::TempDir;

/// The command line asks for something that there is not.
#[derive(Debug)]
pub(crate) struct UsageError(String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

impl UsageError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// One hostile guest, ready to run.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    /// The function's name.
    pub(crate) name: String,
    /// For the report.
    pub(crate) group: &'static str,
    /// The whole `function.toml`.
    pub(crate) manifest: String,
    /// JSON text.
    pub(crate) payload: String,
    /// How it must end; empty when any end will do that Airlock has a name for.
    pub(crate) expected: String,
    /// Where its bytes are.
    pub(crate) component: PathBuf,
}

impl Guest {
    /// The limits that its manifest leaves it: wall time and bytes of memory.
    pub(crate) fn limits(&self) -> (Duration, u64) {
        let caps = FunctionManifest::parse(&self.manifest).map(|manifest| manifest.limits).unwrap_or_default();
        let limits = Limits::BUILT_IN.replaced_by(&caps);
        (Duration::from_millis(limits.wall_time_ms.get()), limits.memory_bytes.get())
    }
}

/// The guests, and the folder that keeps their bytes out of memory.
pub(crate) struct Keeper {
    pub(crate) guests: Vec<Guest>,
    _folder: Option<TempDir>,
}

impl Keeper {
    /// A guest whose component is a file already.
    pub(crate) fn of_one(guest: Guest) -> Self {
        Self { guests: vec![guest], _folder: None }
    }

    /// Makes every component and writes it down.
    pub(crate) fn of_specimens(specimens: &[Specimen]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("zoo-").tempdir().context("no temporary directory")?;
        let keep = |specimen: &Specimen| {
            let component = folder.path().join(specimen.name);
            let bytes = catch_unwind(AssertUnwindSafe(|| (specimen.component)())).map_err(|panic| {
                anyhow::anyhow!("the specimen `{}` cannot be made: {}", specimen.name, said(panic.as_ref()))
            })?;
            fs::write(&component, bytes).with_context(|| format!("cannot write `{}`", component.display()))?;
            Ok(guest(specimen, component))
        };
        let guests = specimens.iter().map(keep).collect::<anyhow::Result<_>>()?;
        Ok(Self { guests, _folder: Some(folder) })
    }
}

fn guest(specimen: &Specimen, component: PathBuf) -> Guest {
    Guest {
        name: specimen.name.to_owned(),
        group: name(specimen.group),
        manifest: format!("name = \"{}\"\nlanguage = \"component\"\n{}", specimen.name, specimen.manifest),
        payload: specimen.payload.to_owned(),
        expected: specimen.expected.to_owned(),
        component,
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// A group as people write it.
fn name(group: Group) -> &'static str {
    match group {
        Group::Cpu => "cpu",
        Group::Stack => "stack",
        Group::Memory => "memory",
        Group::Abi => "abi",
        Group::Handles => "handles",
        Group::HostCalls => "host-calls",
        Group::Deploy => "deploy",
        Group::Tenants => "tenants",
    }
}

/// The specimens that `only` names, by name or group; all when it names none.
///
/// # Errors
/// A name that no specimen and no group has.
pub(crate) fn chosen(specimens: Vec<Specimen>, only: &[String]) -> anyhow::Result<Vec<Specimen>> {
    let known: BTreeSet<_> = specimens.iter().flat_map(|specimen| [specimen.name, name(specimen.group)]).collect();
    if let Some(stray) = only.iter().find(|asked| !known.contains(asked.as_str())) {
        return Err(unknown(stray, &known).into());
    }
    let is_chosen = |specimen: &Specimen| {
        only.is_empty() || only.iter().any(|asked| asked == specimen.name || asked == name(specimen.group))
    };
    Ok(specimens.into_iter().filter(is_chosen).collect())
}

fn unknown(stray: &str, known: &BTreeSet<&str>) -> UsageError {
    let mut near: Vec<_> = known
        .iter()
        .map(|name| (if name.contains(stray) { 0 } else { distance(stray, name) }, *name))
        .filter(|(distance, _)| *distance <= stray.len().max(6) / 2)
        .collect();
    near.sort_unstable();
    let names: Vec<_> = near.iter().take(8).map(|(_, name)| format!("`{name}`")).collect();
    let near = if names.is_empty() { "nothing is like it".to_owned() } else { format!("near: {}", names.join(", ")) };
    UsageError::new(format!("no specimen and no group is called `{stray}`; {near}; `--list` names them all"))
}

/// Insertions, deletions and replacements between two texts.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let replaced = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

/// Prints name, group and expected outcome of each.
pub(crate) fn list(specimens: &[Specimen]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for specimen in specimens {
        writeln!(out, "{:<28} {:<11} {}", specimen.name, name(specimen.group), specimen.expected)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specimen(name: &'static str) -> Specimen {
        Specimen {
            name,
            group: Group::HostCalls,
            component: Box::new(Vec::new),
            manifest: "",
            payload: "",
            expected: "",
        }
    }

    #[test]
    fn names_and_groups_choose_and_others_are_refused_with_what_is_near() {
        let all = || vec![specimen("log-flood"), specimen("http-flood")];
        assert_eq!(chosen(all(), &[]).unwrap().len(), 2);
        assert_eq!(chosen(all(), &["log-flood".to_owned()]).unwrap().len(), 1);
        assert_eq!(chosen(all(), &["host-calls".to_owned()]).unwrap().len(), 2);
        let refused = chosen(all(), &["log-flod".to_owned()]).err().unwrap();
        assert!(refused.is::<UsageError>() && refused.to_string().contains("near: `log-flood`"), "{refused}");
        assert!(chosen(all(), &["xyzzy".to_owned()]).err().unwrap().to_string().contains("nothing is like it"));
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!((distance("", "abc"), distance("kitten", "sitting"), distance("same", "same")), (3, 3, 0));
    }
}
