//! Sources to findings: whether every statement text that reaches a client is constant.
//!
//! Values belong into parameters. A text is constant when it is made of literals only, however it is put together; a name that
//! comes from a constant map is constant too. Everything else is a finding with its place and, where one can be written, a fix
//! that changes the file in one try. Whether a statement may run is decided later, by its class and by the environment.

mod braces;
mod engine;
mod fix;
mod ir;
mod place;
mod project;
mod python;
mod report;
mod rules;
mod rust;
mod sink;
mod typescript;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

pub use report::{Edit, Fix, Report, SourceFinding, SourceStatement};
pub use rules::{RULES, Rule, RuleInfo};

use crate::Dialect;
use engine::Unit;
use sink::Watch;

/// Longest file, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// Deepest nesting of brackets in a file. Parsers and the engine go down once per level.
pub const NESTING_MAX: usize = 120;
/// Most operators in a row within one expression, as far as that can be seen without parsing.
pub const OPERATORS_MAX: usize = 4_000;
/// What parsing and judging may take of the stack, in bytes: they run on a thread of their own. Only what is used is taken.
const STACK_BYTES: usize = 512 << 20;

/// The language of a source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// TypeScript and JavaScript.
    Typescript,
    /// Python 3.
    Python,
    /// Rust.
    Rust,
}

impl Language {
    /// The language of a file by the end of its name.
    #[must_use]
    pub fn of_file(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            "ts" | "mts" | "cts" | "tsx" | "js" | "mjs" | "cjs" | "jsx" => Some(Self::Typescript),
            "py" | "pyi" => Some(Self::Python),
            "rs" => Some(Self::Rust),
            _ => None,
        }
    }
}

impl FromStr for Language {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "ts" | "typescript" | "tsx" | "js" | "javascript" | "jsx" => Ok(Self::Typescript),
            "py" | "python" => Ok(Self::Python),
            "rs" | "rust" => Ok(Self::Rust),
            _ => Err(()),
        }
    }
}

/// A file of a project.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Relative to the project, with `/`.
    pub path: String,
    /// All of it.
    pub text: String,
    /// `None` for what sources include as text.
    pub language: Option<Language>,
}

/// Sources that belong together.
#[derive(Debug, Clone)]
pub struct Project {
    /// Every file.
    pub files: Vec<SourceFile>,
    /// Path of the file whose exports are called from outside; `None` for loose files, whose exports anyone may call.
    pub entry: Option<String>,
    /// What the databases speak, where it is known.
    pub dialect: Option<Dialect>,
    /// Whether the clients are those of Airlock, which refuses several statements in a text and some classes altogether.
    pub is_function: bool,
}

impl Project {
    /// One file without a project.
    #[must_use]
    pub fn loose(path: &str, text: &str, language: Language, dialect: Option<Dialect>) -> Self {
        let file = SourceFile { path: path.to_owned(), text: text.to_owned(), language: Some(language) };
        Self { files: vec![file], entry: None, dialect, is_function: false }
    }
}

/// A file that does not parse.
#[derive(Debug)]
struct SyntaxError {
    offset: usize,
    message: String,
}

/// Judges the sources of a project.
///
/// Never panics and ends in bounded time, whatever the bytes: what cannot be judged is a finding.
#[must_use]
pub fn check_project(project: &Project) -> Report {
    // A thread, because only there the depth of the stack is ours to choose.
    std::thread::scope(|scope| {
        let judged = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || guarded(project));
        judged.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(|| report::unjudged(project))
    })
}

fn guarded(project: &Project) -> Report {
    // The parsers are not ours and may panic on odd input.
    catch_unwind(AssertUnwindSafe(|| judge(project))).unwrap_or_else(|_| report::unjudged(project))
}

fn judge(project: &Project) -> Report {
    let mut report = report::Builder::new(project);
    let mut units = Vec::with_capacity(project.files.len());
    for (index, file) in project.files.iter().enumerate() {
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        let module = match read(number, file) {
            Ok(module) => module,
            Err(error) => {
                report.unreadable(number, &error);
                ir::Module::default()
            }
        };
        let is_entry = project.entry.as_ref().is_none_or(|entry| *entry == file.path);
        units.push(Unit { language: file.language.unwrap_or(Language::Typescript), module, is_entry });
    }
    let mut watch = Watch::default();
    let all = engine::run(&units, &project::Files::new(project), &mut watch);
    report.finish(&watch, all)
}

/// Why a file has no tree.
enum Unreadable {
    Syntax(SyntaxError),
    Limit,
}

fn read(number: u32, file: &SourceFile) -> Result<ir::Module, Unreadable> {
    let Some(language) = file.language else { return Ok(ir::Module::default()) };
    let (depth, operators) = place::nesting(&file.text);
    if file.text.len() > FILE_BYTES_MAX || depth > NESTING_MAX || operators > OPERATORS_MAX {
        return Err(Unreadable::Limit);
    }
    let module = match language {
        Language::Typescript => typescript::read(number, &file.path, &file.text),
        Language::Python => python::read(number, &file.text),
        Language::Rust => rust::read(number, &file.text),
    };
    module.map_err(Unreadable::Syntax)
}
