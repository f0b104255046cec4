//! What was found, with places in lines and columns.

use airlock_model::{Finding, Severity, StatementClass};
use serde::{Deserialize, Serialize};

use super::{
    Project, Rule, Unreadable, fix,
    ir::Span,
    place::Lines,
    sink::{Constant, Found, TextKind, Watch},
};
use crate::{Dialect, SqlRefusal, classify};

/// What a project's sources do with statements.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// In the order of files and lines.
    pub findings: Vec<SourceFinding>,
    /// Every constant statement that reaches a client.
    pub statements: Vec<SourceStatement>,
}

impl Report {
    /// Whether a deploy would be refused: any finding that is an error.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// One finding. Lines and columns count from 1, columns in characters; the end is exclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFinding {
    /// Id of the rule: `docs/check.md`.
    pub rule: String,
    /// Errors refuse a deploy.
    pub severity: Severity,
    /// The path as given.
    pub file: String,
    /// Where it begins.
    pub line: u32,
    /// Where it begins.
    pub column: u32,
    /// Where it ends.
    pub end_line: u32,
    /// Where it ends.
    pub end_column: u32,
    /// What is wrong, and why it matters.
    pub message: String,
    /// What to do: advice, and below it a unified diff where one can be written.
    pub fix: String,
    /// The fix in parts, for programs.
    #[serde(skip)]
    pub edits: Fix,
    /// Bytes of the finding and of what is put in.
    #[serde(skip)]
    pub spans: [(usize, usize); 2],
}

/// A change of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fix {
    /// What to do, in one sentence.
    pub advice: String,
    /// All to be made, in no particular order; empty where only a person can decide.
    pub edits: Vec<Edit>,
}

/// Bytes to replace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit {
    /// First byte.
    pub start: usize,
    /// Byte behind the last.
    pub end: usize,
    /// What stands there instead.
    pub text: String,
}

impl From<&SourceFinding> for Finding {
    fn from(found: &SourceFinding) -> Self {
        Self {
            rule: found.rule.clone(),
            severity: found.severity,
            message: found.message.clone(),
            location: format!("{}:{}:{}", found.file, found.line, found.column),
            fix: found.edits.advice.clone(),
        }
    }
}

impl Fix {
    /// The file with the fix made.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let mut edits = self.edits.clone();
        edits.sort();
        let mut fixed = String::with_capacity(text.len());
        let mut at = 0;
        for edit in &edits {
            fixed.push_str(text.get(at..edit.start).unwrap_or_default());
            fixed.push_str(&edit.text);
            at = edit.end.max(at);
        }
        fixed.push_str(text.get(at..).unwrap_or_default());
        fixed
    }
}

/// A constant statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatement {
    /// The text; where it varies in its number of placeholders, one example.
    pub text: String,
    /// `sql`, `graphql` or `soql`.
    pub kind: String,
    /// Whether the number of placeholders or of constant parts depends on input. Values never do.
    pub varies: bool,
    /// The class, where the text is understood.
    pub class: Option<StatementClass>,
    /// The dialect that it was understood in.
    pub dialect: Option<Dialect>,
    /// What it is sent to, as far as the sources name it.
    pub resource: String,
    /// The path as given.
    pub file: String,
    /// Where the text begins.
    pub line: u32,
    /// Where the text begins.
    pub column: u32,
    /// Where it ends.
    pub end_line: u32,
    /// Where it ends.
    pub end_column: u32,
}

/// For sources that nothing could be said of.
pub(super) fn unjudged(project: &Project) -> Report {
    let mut builder = Builder::new(project);
    builder.limit(0);
    builder.report
}

pub(super) struct Builder<'p> {
    project: &'p Project,
    lines: Vec<Lines<'p>>,
    report: Report,
}

impl<'p> Builder<'p> {
    pub(super) fn new(project: &'p Project) -> Self {
        Self {
            project,
            lines: project.files.iter().map(|file| Lines::of(&file.text)).collect(),
            report: Report::default(),
        }
    }

    pub(super) fn unreadable(&mut self, file: u32, error: &Unreadable) {
        match error {
            Unreadable::Limit => self.limit(file),
            Unreadable::Syntax(error) => {
                let at = u32::try_from(error.offset).unwrap_or(u32::MAX);
                let span = Span { file, start: at, end: at.saturating_add(1) };
                let message = format!("the file cannot be read: {}", error.message);
                self.add(
                    Rule::SyntaxError,
                    [span, span],
                    message,
                    Fix { advice: Rule::SyntaxError.info().help.to_owned(), edits: Vec::new() },
                );
            }
        }
    }

    pub(super) fn limit(&mut self, file: u32) {
        let span = Span { file, start: 0, end: 0 };
        let message =
            String::from("the sources are too large, too deep or too odd to judge, and what is not judged is refused");
        let advice = String::from("split large functions and files, and flatten deep nesting");
        self.add(Rule::AnalysisLimit, [span, span], message, Fix { advice, edits: Vec::new() });
    }

    pub(super) fn finish(mut self, watch: &Watch, all: bool) -> Report {
        if !all {
            self.limit(0);
        }
        watch.found.iter().for_each(|found| self.found(found));
        watch.constants.iter().for_each(|constant| self.constant(constant));
        self.report
            .findings
            .sort_by(|a, b| (&a.file, a.line, a.column, &a.rule).cmp(&(&b.file, b.line, b.column, &b.rule)));
        self.report
            .statements
            .sort_by(|a, b| (&a.file, a.line, a.column, &a.text).cmp(&(&b.file, b.line, b.column, &b.text)));
        self.report
    }

    fn found(&mut self, found: &Found) {
        let Some(file) = self.project.files.get(found.span.file as usize) else { return };
        let fix = fix::fix(found, file, self.project.dialect);
        self.add(found.rule, [found.span, found.related], fix::message(found, file), fix);
    }

    fn positions(&self, span: Span) -> [(u32, u32); 2] {
        let position = |at: u32| self.lines.get(span.file as usize).map_or((1, 1), |lines| lines.position(at as usize));
        [position(span.start), position(span.end)]
    }

    fn add(&mut self, rule: Rule, spans: [Span; 2], message: String, fix: Fix) {
        let info = rule.info();
        let [span, related] = spans;
        let Some(file) = self.project.files.get(span.file as usize) else { return };
        let [(line, column), (end_line, end_column)] = self.positions(span);
        let bytes = |span: Span| (span.start as usize, (span.end as usize).min(file.text.len()));
        let related = if related.file == span.file { related } else { span };
        let fix_text = fix::rendered(&fix, &file.path, &file.text);
        self.report.findings.push(SourceFinding {
            rule: info.id.to_owned(),
            severity: info.severity,
            file: file.path.clone(),
            line,
            column,
            end_line,
            end_column,
            message,
            fix: fix_text,
            edits: fix,
            spans: [bytes(span), bytes(related)],
        });
    }

    fn constant(&mut self, constant: &Constant) {
        let Some(file) = self.project.files.get(constant.span.file as usize) else { return };
        let [(line, column), (end_line, end_column)] = self.positions(constant.span);
        let judged = if constant.kind == TextKind::Sql {
            class_of(self.project.dialect, &constant.text)
        } else {
            Err(SqlRefusal::Empty)
        };
        let (class, dialect) = judged.as_ref().map_or((None, None), |(class, dialect)| (Some(*class), Some(*dialect)));
        self.report.statements.push(SourceStatement {
            text: constant.text.clone(),
            kind: String::from(match constant.kind {
                TextKind::Sql => "sql",
                TextKind::GraphQl => "graphql",
                TextKind::Soql => "soql",
            }),
            varies: constant.varies,
            class,
            dialect,
            resource: constant
                .path
                .rsplit_once('.')
                .map_or("", |(resource, _)| resource)
                .trim_start_matches("@airlock/resources.")
                .to_owned(),
            file: file.path.clone(),
            line,
            column,
            end_line,
            end_column,
        });
        if constant.kind == TextKind::Sql && !constant.varies {
            self.refusals(constant, judged);
        }
    }

    /// What Airlock's clients would refuse. Of loose files only what is a mistake or destroys data with any client.
    fn refusals(&mut self, constant: &Constant, judged: Result<(StatementClass, Dialect), SqlRefusal>) {
        let spans = [constant.span, constant.span];
        let advice = |rule: Rule| Fix { advice: rule.info().help.to_owned(), edits: Vec::new() };
        match judged {
            Err(SqlRefusal::NotOneStatement { count }) if self.project.is_function || !constant.many => {
                let message = format!("the text has {count} statements, and a call takes one");
                self.add(Rule::SqlMultiple, spans, message, advice(Rule::SqlMultiple));
            }
            Err(error @ (SqlRefusal::Unparsed { .. } | SqlRefusal::TooDeep { .. })) if self.project.is_function => {
                self.add(Rule::SqlUnparsed, spans, error.to_string(), advice(Rule::SqlUnparsed));
            }
            Ok((class @ (StatementClass::Admin | StatementClass::Session | StatementClass::Forbidden), _))
                if self.project.is_function =>
            {
                let message = format!("a statement of class `{}` is refused when it runs", class.as_str());
                self.add(Rule::SqlDestructive, spans, message, advice(Rule::SqlDestructive));
            }
            _ => {}
        }
    }
}

/// The class of a text in the dialect given, or in the first that understands it.
fn class_of(dialect: Option<Dialect>, text: &str) -> Result<(StatementClass, Dialect), SqlRefusal> {
    let dialects = dialect.map_or_else(|| vec![Dialect::Postgres, Dialect::Sqlite, Dialect::Mysql], |one| vec![one]);
    let text = fix::plain_placeholders(text);
    let mut first = None;
    for dialect in dialects {
        match classify(dialect, &text) {
            Ok(report) => return Ok((report.class, dialect)),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    Err(first.unwrap_or(SqlRefusal::Empty))
}
