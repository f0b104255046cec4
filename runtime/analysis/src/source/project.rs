//! Which file an import means.

use super::{Language, Project, engine::Resolve};

/// The files of a project by their paths.
pub(super) struct Files<'p> {
    project: &'p Project,
}

impl<'p> Files<'p> {
    pub(super) fn new(project: &'p Project) -> Self {
        Self { project }
    }

    fn find(&self, path: &str) -> Option<u32> {
        let at = self.project.files.iter().position(|file| file.path == path)?;
        u32::try_from(at).ok()
    }

    fn first(&self, paths: impl IntoIterator<Item = String>) -> Option<u32> {
        paths.into_iter().find_map(|path| self.find(&path))
    }

    fn typescript(&self, directory: &str, from: &str) -> Option<(u32, Option<String>)> {
        if !from.starts_with("./") && !from.starts_with("../") {
            return None;
        }
        let path = joined(directory, from)?;
        let stem = path.strip_suffix(".js").or(path.strip_suffix(".mjs")).unwrap_or(&path).to_owned();
        let endings = ["", ".ts", ".mts", ".js", ".mjs", ".tsx", "/index.ts", "/index.js"];
        let exact = endings.iter().map(|ending| format!("{path}{ending}"));
        let replaced = [format!("{stem}.ts"), format!("{stem}.mts"), format!("{stem}.tsx")];
        self.first(exact.chain(replaced)).map(|file| (file, None))
    }

    /// `.queries`, `..db.texts`, `app.queries`: the module, or the package that it is in.
    fn python(&self, directory: &str, from: &str) -> Option<(u32, Option<String>)> {
        let dots = from.chars().take_while(|c| *c == '.').count();
        let name = from.get(dots..)?.replace('.', "/");
        let bases: Vec<String> = match dots {
            0 => vec![directory.to_owned(), String::new(), String::from("src")],
            _ => vec![joined(directory, &"../".repeat(dots - 1))?],
        };
        let under = |base: &String| {
            if base.is_empty() {
                name.clone()
            } else if name.is_empty() {
                base.clone()
            } else {
                format!("{base}/{name}")
            }
        };
        let paths = bases.iter().map(under).flat_map(|path| [format!("{path}.py"), format!("{path}/__init__.py")]);
        self.first(paths).map(|file| (file, None))
    }

    /// `crate::a::b`, `mod:a`: the file of the longest part of the path, and the name in it.
    fn rust(&self, file: &str, directory: &str, from: &str) -> Option<(u32, Option<String>)> {
        if let Some(name) = from.strip_prefix("mod:") {
            let stem = file.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
            let own = if matches!(stem, "mod" | "lib" | "main") {
                directory.to_owned()
            } else {
                format!("{directory}/{stem}")
            };
            let path = if own.is_empty() { name.to_owned() } else { format!("{own}/{name}") };
            return self.first([format!("{path}.rs"), format!("{path}/mod.rs")]).map(|file| (file, None));
        }
        let (base, rest) = match from.split_once("::") {
            Some(("crate", rest)) => (String::from("src"), rest),
            Some(("super", rest)) => (directory.to_owned(), rest),
            Some(("self", rest)) => (directory.to_owned(), rest),
            _ => return None,
        };
        let steps: Vec<&str> = rest.split("::").collect();
        for taken in (1..=steps.len()).rev() {
            let path = format!("{base}/{}", steps.get(..taken)?.join("/"));
            if let Some(found) = self.first([format!("{path}.rs"), format!("{path}/mod.rs")]) {
                let left = steps.get(taken..)?.join(".");
                return Some((found, (!left.is_empty()).then_some(left)));
            }
        }
        let root = self.first([
            format!("{base}/lib.rs"),
            format!("{base}/main.rs"),
            format!("{base}/mod.rs"),
            format!("{base}.rs"),
        ])?;
        Some((root, Some(rest.replace("::", "."))))
    }
}

impl Resolve for Files<'_> {
    fn module(&self, file: u32, from: &str) -> Option<(u32, Option<String>)> {
        let importer = self.project.files.get(file as usize)?;
        let directory = importer.path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let found = match importer.language? {
            Language::Typescript => self.typescript(directory, from),
            Language::Python => self.python(directory, from),
            Language::Rust => self.rust(&importer.path, directory, from),
        };
        found.filter(|(found, _)| *found != file)
    }

    fn text(&self, file: u32, path: &str) -> Option<String> {
        let importer = self.project.files.get(file as usize)?;
        let directory = importer.path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let found = self.find(&joined(directory, path)?)?;
        self.project.files.get(found as usize).map(|file| file.text.clone())
    }
}

/// A relative path without `.` and `..`; `None` where it leaves the project.
fn joined(directory: &str, path: &str) -> Option<String> {
    let mut steps: Vec<&str> = directory.split('/').filter(|step| !step.is_empty()).collect();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(steps.pop()?),
            step => steps.push(step),
        }
    }
    Some(steps.join("/"))
}
