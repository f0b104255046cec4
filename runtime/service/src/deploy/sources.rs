//! What a revision says to its resources, as far as its sources or its component tell.

use std::collections::{BTreeMap, HashSet};

use airlock_analysis::{
    source::{Language as SourceLanguage, Project, Report, SourceFile, SourceStatement, check_project},
    statements,
};
use airlock_model::{
    DeclaredText, Digest, Finding, FunctionManifest, ManifestStatement, ResourceKind, ResourceName, STATEMENTS_FILE,
    Severity, StatementClass, StatementLanguage, StatementManifest, parse_statements,
};

use super::Judge;
use crate::gate::{access_of, analysed_as};

/// What was found out about the texts of a revision.
pub(super) struct Texts {
    pub(super) findings: Vec<Finding>,
    /// `None` when nothing tells.
    pub(super) manifest: Option<StatementManifest>,
}

impl Judge {
    /// Reads the sources, or the component's own section where there are none.
    pub(super) fn texts(
        &self,
        manifest: &FunctionManifest,
        sources: &BTreeMap<String, String>,
        component: &[u8],
    ) -> Texts {
        let mut findings = Vec::new();
        let mut found = Vec::new();
        let project = self.project(manifest, sources);
        let has_sources = project.files.iter().any(|file| file.language.is_some());
        if has_sources {
            let report = check_project(&project);
            findings.extend(report.findings.iter().map(Finding::from));
            findings.extend(report.statements.iter().filter(|statement| statement.varies).map(varies));
            found.extend(from_sources(&report));
        }
        let declared = statements::of_component(component);
        let named = sources.get(STATEMENTS_FILE).map(|text| parse_statements(text));
        let is_known = has_sources || declared.is_some() || named.is_some();
        if !has_sources {
            found.extend(declared.unwrap_or_default().into_iter().map(|text| (text, "component".to_owned())));
        }
        let place = |name: String| format!("{STATEMENTS_FILE} [{name}]");
        match named.transpose() {
            Ok(named) => {
                found.extend(named.unwrap_or_default().into_iter().map(|(name, text)| (text, place(name))));
            }
            Err(why) => findings.push(unreadable(&why)),
        }
        let mut admitted = Admitted::default();
        for (text, place) in &found {
            self.admit(manifest, (text, place), &mut admitted);
        }
        findings.truncate(FINDINGS_MAX);
        findings.extend(admitted.findings);
        if !self.policy().strict {
            findings.iter_mut().for_each(|finding| finding.severity = Severity::Warning);
        } else if !is_known && self.says_statements(manifest) {
            findings.push(unknown());
        }
        Texts { findings, manifest: is_known.then_some(StatementManifest(admitted.statements)) }
    }

    fn project(&self, manifest: &FunctionManifest, sources: &BTreeMap<String, String>) -> Project {
        let file = |(path, text): (&String, &String)| SourceFile {
            path: path.clone(),
            text: text.clone(),
            language: SourceLanguage::of_file(path),
        };
        let entry = manifest.entry.as_deref().or(manifest.language.usual_entry());
        let entry = entry.filter(|entry| sources.contains_key(*entry));
        let dialect_of = |name| self.settings.resources.dialect(name, &self.environment);
        let mut dialects = manifest.resources.keys().filter_map(dialect_of);
        // With several dialects each text is judged by that of its resource, below.
        let dialect = dialects.next().filter(|first| dialects.all(|other| other == *first)).map(analysed_as);
        let files = sources.iter().map(file).collect();
        Project { files, entry: entry.map(str::to_owned), dialect, is_function: true }
    }

    /// One text to every resource that it can be meant for.
    fn admit(&self, manifest: &FunctionManifest, (text, place): (&DeclaredText, &str), admitted: &mut Admitted) {
        let targets = targets(manifest, text, place);
        if targets.is_empty() {
            admitted.find(nowhere(text, place));
        }
        for resource in targets {
            match self.classified(&resource, text.language, &text.text) {
                Ok((class, tables, text_as_sent)) => {
                    let statement = ManifestStatement {
                        resource,
                        language: text.language,
                        text: text_as_sent,
                        class,
                        tables,
                        place: place.to_owned(),
                    };
                    admitted.take(statement);
                }
                Err(why) => admitted.find(refused(text, place, &why)),
            }
        }
    }

    /// Whether a function can say anything that stands in a manifest.
    fn says_statements(&self, manifest: &FunctionManifest) -> bool {
        manifest.resources.iter().any(|(name, used)| match used.kind {
            ResourceKind::Sql | ResourceKind::Graphql => true,
            ResourceKind::Http => self.settings.resources.has_soql(&self.environment, name),
            ResourceKind::Kv | ResourceKind::Blob | ResourceKind::Llm => false,
        })
    }

    fn classified(
        &self,
        resource: &ResourceName,
        language: StatementLanguage,
        text: &str,
    ) -> Result<(StatementClass, Vec<String>, String), String> {
        let settings = &self.settings;
        match language {
            StatementLanguage::Sql => {
                let dialect = settings.resources.dialect(resource, &self.environment).map(analysed_as);
                let dialect = dialect.ok_or_else(|| format!("`{resource}` is no database here"))?;
                let listed = settings.listed(resource, &self.environment);
                let report = self.backends.classes.classify(dialect, listed, text).map_err(|why| why.to_string())?;
                access_of(report.class, &report.because).map_err(|why| why.to_string())?;
                Ok((report.class, report.tables.clone(), text.to_owned()))
            }
            StatementLanguage::Graphql => {
                let documents = settings.documents(resource, &self.environment);
                let documents = documents.ok_or_else(|| format!("`{resource}` is no GraphQL API here"))?;
                let document = documents.read(text).map_err(|why| why.to_string())?;
                let class = document.report().class.into();
                Ok((class, document.report().root_fields.clone(), text.to_owned()))
            }
            StatementLanguage::Soql => {
                let report = airlock_analysis::soql(&with_binds(text)).map_err(|why| why.to_string())?;
                Ok((StatementClass::Read, report.objects.clone(), report.listed_shape()))
            }
        }
    }
}

/// What a manifest takes in, and what was found on the way. Bounded, because it is kept with the revision.
#[derive(Default)]
struct Admitted {
    statements: Vec<ManifestStatement>,
    fingerprints: HashSet<Digest>,
    bytes: usize,
    findings: Vec<Finding>,
}

impl Admitted {
    fn take(&mut self, statement: ManifestStatement) {
        if !self.fingerprints.insert(statement.fingerprint()) {
            return;
        }
        self.bytes += statement.text.len();
        if self.statements.len() < STATEMENTS_MAX && self.bytes <= STATEMENTS_BYTES_MAX {
            self.statements.push(statement);
        } else {
            self.find(too_many());
        }
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX && self.findings.last() != Some(&finding) {
            self.findings.push(finding);
        }
    }
}

/// Statements of one revision, their bytes, and findings about them.
const STATEMENTS_MAX: usize = 5_000;
const STATEMENTS_BYTES_MAX: usize = 2 << 20;
const FINDINGS_MAX: usize = 100;

/// SOQL of sources has `$1` where the SDK writes a value; analysis reads `:p1`.
fn with_binds(text: &str) -> String {
    let mut parts = text.split('$');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let mark = if part.starts_with(|c: char| c.is_ascii_digit()) { ":p" } else { "$" };
        text + mark + part
    })
}

fn from_sources(report: &Report) -> impl Iterator<Item = (DeclaredText, String)> {
    report.statements.iter().filter(|statement| !statement.varies).filter_map(|statement| {
        let place = format!("{}:{}:{}", statement.file, statement.line, statement.column);
        Some((statements::of_source(statement)?, place))
    })
}

/// The resources of the right kind; where the sources name one of them, that one.
fn targets(manifest: &FunctionManifest, text: &DeclaredText, place: &str) -> Vec<ResourceName> {
    let fits = |kind: ResourceKind| match text.language {
        StatementLanguage::Sql => kind == ResourceKind::Sql,
        StatementLanguage::Graphql => kind == ResourceKind::Graphql,
        StatementLanguage::Soql => kind == ResourceKind::Http,
    };
    let fitting = manifest.resources.iter().filter(|(_, used)| fits(used.kind)).map(|(name, _)| name);
    let named: Vec<_> = fitting.clone().filter(|name| is_client_of(&text.resource, name)).cloned().collect();
    // A file that people write names resources; sources name clients as they like.
    let is_exact = place.starts_with(STATEMENTS_FILE);
    if named.is_empty() && !is_exact { fitting.cloned().collect() } else { named }
}

/// `ordersDb`, `orders_db` and `orders-db` are clients of `orders-db`.
fn is_client_of(client: &str, resource: &ResourceName) -> bool {
    let letters = |text: &str| -> String {
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
    };
    letters(client) == letters(resource.as_str())
}

fn varies(statement: &SourceStatement) -> Finding {
    let message = "the number of placeholders depends on input, so the text is not one that can be listed";
    let place = format!("{}:{}:{}", statement.file, statement.line, statement.column);
    let fix = "write one text: on PostgreSQL `= any($1)` with an array, elsewhere a list of fixed length";
    Finding::error("statement-varies", message, place, fix)
}

fn nowhere(text: &DeclaredText, place: &str) -> Finding {
    let message = format!("function.toml names no resource that takes {}", text.language.as_str());
    Finding::error("statement-nowhere", message, place, "declare the resource in [resources] of function.toml")
}

fn refused(text: &DeclaredText, place: &str, why: &str) -> Finding {
    let shown: String = text.text.chars().take(120).collect();
    let fix = "write a statement that analysis understands: `airlock sql classify` and `airlock graphql classify` say";
    Finding::error("statement-refused", format!("`{shown}`: {why}"), place, fix)
}

fn too_many() -> Finding {
    let message =
        format!("a revision lists at most {STATEMENTS_MAX} statements of {STATEMENTS_BYTES_MAX} bytes in all");
    Finding::error("statements-too-many", message, "component", "list less, or split the function")
}

fn unreadable(why: &str) -> Finding {
    let fix =
        "give each statement a table with `resource`, `language` and `text`: `airlock bindings` prints such a file";
    Finding::error(
        "statements-unreadable",
        format!("the file is not a list of statements: {why}"),
        STATEMENTS_FILE,
        fix,
    )
}

fn unknown() -> Finding {
    let message = "the environment is strict, and nothing tells which statements the component sends";
    let fix = "deploy with sources, build with `airlock build`, which lists them in the component, or record them in a \
               relaxed environment: `airlock bindings --from-recording`";
    Finding::error("statements-unknown", message, "component", fix)
}
