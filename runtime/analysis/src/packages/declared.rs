//! What a project asks for itself: `package.json`, `pyproject.toml`, `Pipfile`, `Cargo.toml`.

use super::{Ecosystem, Unreadable, check_size, tree, tree::Node};

/// What a package manifest says.
pub(super) struct Declared {
    /// The name of the project itself, normalised.
    pub(super) own_name: Option<String>,
    /// The first dependency and its line; one is enough to need a lockfile.
    pub(super) first: Option<(String, usize)>,
}

pub(super) fn declared(ecosystem: Ecosystem, text: &str) -> Result<Declared, Unreadable> {
    check_size(text)?;
    let root = match ecosystem {
        Ecosystem::Npm => tree::json(text),
        Ecosystem::Pypi | Ecosystem::Crates => tree::toml(text),
    }?;
    let own = match ecosystem {
        Ecosystem::Npm => root.text("name"),
        Ecosystem::Crates => root.get("package").and_then(|package| package.text("name")),
        Ecosystem::Pypi => root.get("project").and_then(|project| project.text("name")),
    };
    let tables = match ecosystem {
        Ecosystem::Npm => of_npm(&root),
        Ecosystem::Crates => of_cargo(&root),
        Ecosystem::Pypi => of_python(&root),
    };
    let first = tables.into_iter().find_map(first);
    Ok(Declared { own_name: own.map(|name| ecosystem.normalised(name)), first })
}

/// Of a table `name = version` or a list of `name>=version`.
fn first(node: &Node) -> Option<(String, usize)> {
    let of_table = node.entries().iter().map(|(name, value)| (name.as_str(), value.line));
    let of_list = node.items().iter().map(|item| (item.as_text().unwrap_or("a table"), item.line));
    let shown = |text: &str| text.chars().filter(char::is_ascii_graphic).take(80).collect();
    // Poetry lists the interpreter among the dependencies.
    of_table.chain(of_list).find(|(name, _)| *name != "python").map(|(name, line)| (shown(name), line))
}

fn of_npm(root: &Node) -> Vec<&Node> {
    ["dependencies", "devDependencies", "optionalDependencies"].iter().filter_map(|key| root.get(key)).collect()
}

const OF_CARGO: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

fn of_cargo(root: &Node) -> Vec<&Node> {
    let targets = root.get("target").map_or(&[][..], Node::entries).iter().map(|(_, target)| target);
    let places = std::iter::once(root).chain(root.get("workspace")).chain(targets);
    places.flat_map(|place| OF_CARGO.iter().filter_map(|key| place.get(key))).collect()
}

fn of_python(root: &Node) -> Vec<&Node> {
    let at = |path: &[&str]| path.iter().try_fold(root, |node, key| node.get(key));
    let groups = |path: &[&str]| at(path).map_or(&[][..], Node::entries).iter().map(|(_, group)| group);
    let single: [&[&str]; 5] = [
        &["project", "dependencies"],
        &["tool", "poetry", "dependencies"],
        &["tool", "poetry", "dev-dependencies"],
        // Of a Pipfile.
        &["packages"],
        &["dev-packages"],
    ];
    let poetry = groups(&["tool", "poetry", "group"]).filter_map(|group| group.get("dependencies"));
    single
        .into_iter()
        .filter_map(at)
        .chain(groups(&["project", "optional-dependencies"]))
        .chain(groups(&["dependency-groups"]))
        .chain(poetry)
        .collect()
}
