//! One scope for all modules: every top-level name of the program, chosen so that none hides another.

use std::collections::{HashMap, HashSet};

use oxc::semantic::{Scoping, SymbolId};

use super::graph::{Graph, Module, ModuleId, Target};
use super::module::{Export, Wanted};
use super::source;
use crate::error::Problem;

/// What an import of one module means in the whole program.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Meaning {
    /// A top-level declaration.
    Symbol(ModuleId, SymbolId),
    /// `export default` of something without a name.
    Unnamed(ModuleId),
    /// An object with all exports of a module.
    Namespace(ModuleId),
    /// An interface of the world.
    World(String),
}

/// The name of everything that has one in the bundle.
pub(super) struct Names {
    pub(super) chosen: HashMap<Meaning, String>,
    /// Imports of the world, in the order in which they were met.
    pub(super) world: Vec<String>,
    /// Modules of which somebody takes the namespace, likewise.
    pub(super) namespaces: Vec<ModuleId>,
}

/// Resolves every import and chooses all names.
///
/// # Errors
/// Imports of names that their module does not export.
pub(super) fn choose(graph: &Graph<'_>) -> Result<(Names, Vec<Vec<Meaning>>), Vec<Problem>> {
    let mut problems = Vec::new();
    let meanings: Vec<Vec<Meaning>> =
        graph.modules.iter().map(|module| imports(graph, module, &mut problems)).collect();
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut chooser = Chooser::new(graph, &meanings);
    for (id, module) in graph.modules.iter().enumerate() {
        chooser.name_declarations(id, module);
    }
    for meaning in meanings.iter().flatten() {
        chooser.name_import(meaning);
    }
    // A namespace may hold further ones, which get their names, and their turn, here.
    let mut next = 0;
    while let Some(&id) = chooser.names.namespaces.get(next) {
        exports(graph, id).iter().for_each(|(_, meaning)| chooser.name_import(meaning));
        next += 1;
    }
    Ok((chooser.names, meanings))
}

/// What `wanted` of a module is, following `export .. from` as far as it goes.
pub(super) fn find(graph: &Graph<'_>, target: &Target, wanted: &Wanted) -> Option<Meaning> {
    find_in(graph, target, wanted, &mut HashSet::new())
}

fn find_in(
    graph: &Graph<'_>,
    target: &Target,
    wanted: &Wanted,
    seen: &mut HashSet<(ModuleId, String)>,
) -> Option<Meaning> {
    let id = match target {
        Target::World(interface) => return Some(Meaning::World(interface.clone())),
        Target::Module(id) => *id,
    };
    let Wanted::Export(name) = wanted else { return Some(Meaning::Namespace(id)) };
    let module = graph.modules.get(id)?;
    // A circle of re-exports exports nothing.
    if !seen.insert((id, name.clone())) {
        return None;
    }
    match module.interface.exports.get(name) {
        Some(Export::Symbol(symbol)) => {
            let import = module.interface.imports.iter().find(|import| import.symbol == *symbol);
            match import {
                Some(import) => find_in(graph, module.targets.get(import.request)?, &import.wanted, seen),
                None => Some(Meaning::Symbol(id, *symbol)),
            }
        }
        Some(Export::Unnamed) => Some(Meaning::Unnamed(id)),
        Some(Export::From(request, wanted, _)) => find_in(graph, module.targets.get(*request)?, wanted, seen),
        // `export *` leaves out the default export.
        None if name == "default" => None,
        None => {
            let stars = module.interface.stars.iter().filter_map(|request| module.targets.get(*request));
            stars.into_iter().find_map(|target| find_in(graph, target, wanted, seen))
        }
    }
}

/// Every exported name of a module, sorted, with what it means.
pub(super) fn exports(graph: &Graph<'_>, id: ModuleId) -> Vec<(String, Meaning)> {
    let mut names = HashSet::new();
    collect_names(graph, id, &mut names, &mut HashSet::new());
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort();
    let meaning =
        |name: String| find(graph, &Target::Module(id), &Wanted::Export(name.clone())).map(|meaning| (name, meaning));
    names.into_iter().filter_map(meaning).collect()
}

fn collect_names(graph: &Graph<'_>, id: ModuleId, names: &mut HashSet<String>, seen: &mut HashSet<ModuleId>) {
    let Some(module) = graph.modules.get(id).filter(|_| seen.insert(id)) else { return };
    names.extend(module.interface.exports.keys().cloned());
    for request in &module.interface.stars {
        if let Some(Target::Module(id)) = module.targets.get(*request) {
            collect_names(graph, *id, names, seen);
        }
    }
}

fn imports(graph: &Graph<'_>, module: &Module<'_>, problems: &mut Vec<Problem>) -> Vec<Meaning> {
    let mut meanings = Vec::with_capacity(module.interface.imports.len());
    for import in &module.interface.imports {
        let target = module.targets.get(import.request);
        match target.and_then(|target| find(graph, target, &import.wanted)) {
            Some(meaning) => meanings.push(meaning),
            None => problems.push(missing(graph, module, import)),
        }
    }
    for export in module.interface.exports.values() {
        if let Export::From(request, wanted, span) = export
            && let Some(target) = module.targets.get(*request)
            && find(graph, target, wanted).is_none()
        {
            let fix = "correct the name, or write `export type` when it is a type".to_owned();
            let message = format!("{} is not exported there", show(wanted));
            problems.push(source::problem(&module.name, module.text, *span, message, fix));
        }
    }
    meanings
}

fn missing(graph: &Graph<'_>, module: &Module<'_>, import: &super::module::Import) -> Problem {
    let from = match module.targets.get(import.request) {
        Some(Target::Module(id)) => graph.modules.get(*id),
        Some(Target::World(_)) | None => None,
    };
    let Some(from) = from else {
        return source::problem(
            &module.name,
            module.text,
            import.span,
            "nothing is imported".into(),
            "remove it".into(),
        );
    };
    // `entry.js` imports the project's entry file: the place to fix is there.
    if !module.of_project {
        let fix = "write `export default async function handle(input) { .. }`".to_owned();
        let message = "the entry file has no default export".to_owned();
        return Problem { file: from.name.clone(), line: 0, column: 0, message, fix };
    }
    let available: Vec<String> = from.interface.exports.keys().map(|name| format!("`{name}`")).collect();
    let fix = if from.name == super::sdk::RESOURCES {
        format!("declare the resource in function.toml; declared are: {}", listed(&available))
    } else {
        format!("it exports {}; write `import type` for a type", listed(&available))
    };
    let message = format!("`{}` does not export {}", from.name, show(&import.wanted));
    source::problem(&module.name, module.text, import.span, message, fix)
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn show(wanted: &Wanted) -> String {
    match wanted {
        Wanted::Export(name) if name == "default" => "a default export".to_owned(),
        Wanted::Export(name) => format!("`{name}`"),
        Wanted::Namespace => "a namespace".to_owned(),
    }
}

/// Chooses names one after the other; earlier modules keep theirs.
struct Chooser<'g> {
    names: Names,
    taken: HashSet<String>,
    /// Names of inner scopes, by module: a top-level name must not be hidden where it is used.
    inner: Vec<HashSet<&'g str>>,
    /// Which modules use names of a module.
    users: Vec<HashSet<ModuleId>>,
}

impl<'g> Chooser<'g> {
    fn new(graph: &'g Graph<'_>, meanings: &[Vec<Meaning>]) -> Self {
        let names = Names { chosen: HashMap::new(), world: Vec::new(), namespaces: Vec::new() };
        let mut taken = HashSet::new();
        let mut users: Vec<HashSet<ModuleId>> = (0..graph.modules.len()).map(|id| HashSet::from([id])).collect();
        for module in &graph.modules {
            // Globals: a top-level declaration of another module must not take their place.
            let globals = module.parsed.scoping.root_unresolved_references().keys();
            taken.extend(globals.map(|name| name.as_str().to_owned()));
        }
        for (user, meanings) in meanings.iter().enumerate() {
            for meaning in meanings {
                if let Meaning::Symbol(id, _) | Meaning::Unnamed(id) | Meaning::Namespace(id) = meaning
                    && let Some(users) = users.get_mut(*id)
                {
                    users.insert(user);
                }
            }
        }
        let inner = graph.modules.iter().map(|module| inner_names(&module.parsed.scoping)).collect();
        Self { names, taken, inner, users }
    }

    fn name_declarations(&mut self, id: ModuleId, module: &Module<'_>) {
        let scoping = &module.parsed.scoping;
        let imported: HashSet<SymbolId> = module.interface.imports.iter().map(|import| import.symbol).collect();
        let mut symbols: Vec<SymbolId> =
            scoping.iter_bindings_in(scoping.root_scope_id()).filter(|symbol| !imported.contains(symbol)).collect();
        symbols.sort();
        for symbol in symbols {
            let name = self.free(id, scoping.symbol_name(symbol));
            self.names.chosen.insert(Meaning::Symbol(id, symbol), name);
        }
        if module.interface.exports.values().any(|export| matches!(export, Export::Unnamed)) {
            let name = self.free(id, &format!("{}_default", identifier(&module.name)));
            self.names.chosen.insert(Meaning::Unnamed(id), name);
        }
    }

    fn name_import(&mut self, meaning: &Meaning) {
        if self.names.chosen.contains_key(meaning) {
            return;
        }
        let name = match meaning {
            Meaning::World(interface) => {
                self.names.world.push(interface.clone());
                self.free_everywhere(&format!("{}_host", identifier(interface)))
            }
            Meaning::Namespace(id) => {
                self.names.namespaces.push(*id);
                self.free_everywhere("namespace")
            }
            // Declarations have their names already.
            Meaning::Symbol(..) | Meaning::Unnamed(_) => return,
        };
        self.names.chosen.insert(meaning.clone(), name);
    }

    /// `wanted`, or `wanted$1`, `wanted$2`.. where it is taken or would be hidden from a user of module `id`.
    fn free(&mut self, id: ModuleId, wanted: &str) -> String {
        let users: Vec<ModuleId> = self.users.get(id).into_iter().flatten().copied().collect();
        let hidden = |name: &str, unchanged: bool| {
            // Unchanged in its own module, a name is where its author put it.
            let others = users.iter().filter(|user| !(unchanged && **user == id));
            others.filter_map(|user| self.inner.get(*user)).any(|names| names.contains(name))
        };
        let name = candidates(wanted).find(|name| !self.taken.contains(name) && !hidden(name, name == wanted));
        let name = name.unwrap_or_else(|| wanted.to_owned());
        self.taken.insert(name.clone());
        name
    }

    fn free_everywhere(&mut self, wanted: &str) -> String {
        let hidden = |name: &str| self.inner.iter().any(|names| names.contains(name));
        let name = candidates(wanted).find(|name| !self.taken.contains(name) && !hidden(name));
        let name = name.unwrap_or_else(|| wanted.to_owned());
        self.taken.insert(name.clone());
        name
    }
}

fn candidates(wanted: &str) -> impl Iterator<Item = String> {
    std::iter::once(wanted.to_owned()).chain((1_u32..).map(move |number| format!("{wanted}${number}")))
}

fn inner_names(scoping: &Scoping) -> HashSet<&str> {
    let root = scoping.root_scope_id();
    let inner = scoping.symbol_ids().filter(|symbol| scoping.symbol_scope_id(*symbol) != root);
    inner.map(|symbol| scoping.symbol_name(symbol)).collect()
}

/// The last part of a path or specifier, as an identifier.
fn identifier(name: &str) -> String {
    let stem = name.split('@').next().filter(|stem| !stem.is_empty()).unwrap_or(name);
    let stem = stem.rsplit('/').find(|part| !part.is_empty()).unwrap_or(stem);
    let stem = stem.split('.').next().unwrap_or(stem);
    let text: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if text.starts_with(|c: char| c.is_ascii_digit()) { format!("_{text}") } else { text }
}
