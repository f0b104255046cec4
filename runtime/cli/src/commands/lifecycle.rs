//! `airlock functions`, `revisions`, `promote`, `rollback`, `alias`, `disable`, `enable` and `delete`.

use std::{io::Write, process::ExitCode};

use airlock_proto::v1::{
    Alias, AliasShare, DisableRequest, EnableRequest, Function, FunctionServiceDeleteRequest,
    FunctionServiceGetRequest, FunctionServiceListRequest, ListRevisionsRequest, ManifestStatement, PromoteRequest,
    Revision, RollbackRequest, SetAliasRequest,
};
use anyhow::Context as _;
use serde::Serialize;

use crate::{
    args::{AliasOptions, DisableOptions, FunctionOptions, FunctionsOptions, PromoteOptions, RollbackOptions},
    client::{Client, Rejected},
    output::{self, Style},
};

/// Rows of one page.
const PAGE: i32 = 500;
/// Characters of a digest that people read.
const SHORT: usize = 12;

/// A revision as printed.
#[derive(Serialize)]
struct Printed {
    function: String,
    digest: String,
    number: u64,
    author: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    promoted_from: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    disabled: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<PrintedAlias>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statements: Vec<PrintedStatement>,
}

#[derive(Serialize)]
struct PrintedAlias {
    name: String,
    shares: Vec<PrintedShare>,
}

#[derive(Serialize)]
struct PrintedShare {
    revision: String,
    percent: u32,
}

#[derive(Serialize)]
struct PrintedStatement {
    resource: String,
    language: String,
    class: String,
    text: String,
    place: String,
}

impl From<Revision> for Printed {
    fn from(revision: Revision) -> Self {
        let statement = |one: ManifestStatement| PrintedStatement {
            resource: one.resource,
            language: one.language,
            class: one.class,
            text: one.text,
            place: one.place,
        };
        Self {
            function: revision.function,
            digest: revision.digest,
            number: revision.number,
            author: revision.created_by,
            promoted_from: revision.promoted_from,
            disabled: String::new(),
            aliases: Vec::new(),
            statements: revision.statements.into_iter().map(statement).collect(),
        }
    }
}

impl From<Function> for Printed {
    fn from(function: Function) -> Self {
        let share = |one: AliasShare| PrintedShare { revision: one.revision, percent: one.percent };
        let alias = |one: Alias| PrintedAlias { name: one.name, shares: one.shares.into_iter().map(share).collect() };
        Self {
            disabled: function.disabled,
            aliases: function.aliases.into_iter().map(alias).collect(),
            ..function.live_revision.unwrap_or_default().into()
        }
    }
}

impl Printed {
    fn line(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let Self { function, number, author, .. } = self;
        let from = if self.promoted_from.is_empty() { String::new() } else { format!("  from {}", self.promoted_from) };
        let disabled = if self.disabled.is_empty() { String::new() } else { format!("  disabled: {}", self.disabled) };
        writeln!(out, "{function:<24} {number:>5}  {}  {author}{from}{disabled}", short(&self.digest))
    }

    fn whole(&self, out: &mut dyn Write) -> std::io::Result<()> {
        self.line(out)?;
        for alias in &self.aliases {
            for share in &alias.shares {
                writeln!(out, "  {:>3} % of `{}`  {}", share.percent, alias.name, short(&share.revision))?;
            }
        }
        self.statements
            .iter()
            .try_for_each(|one| writeln!(out, "  {} {} {}  ({})", one.resource, one.class, one.text, one.place))
    }
}

fn short(digest: &str) -> &str {
    digest.get(..SHORT).unwrap_or(digest)
}

/// Lists what is live, or shows one function.
pub async fn functions(options: &FunctionsOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(&options.control).await?;
    let environment = client.environment();
    if let Some(function) = options.function.clone() {
        let request = client.request(FunctionServiceGetRequest { environment, function });
        let found = client.functions().get(request).await.map_err(Rejected::from)?.into_inner();
        return show(found.function, style);
    }
    let mut listed: Vec<Printed> = Vec::new();
    let mut page_token = String::new();
    loop {
        let asked = FunctionServiceListRequest { environment: environment.clone(), page_size: PAGE, page_token };
        let page = client.functions().list(client.request(asked)).await.map_err(Rejected::from)?.into_inner();
        listed.extend(page.functions.into_iter().map(Printed::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    print_all(&listed, style)
}

/// Lists the revisions of a function.
pub async fn revisions(options: &FunctionOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(&options.control).await?;
    let environment = client.environment();
    let function = options.function.clone();
    let asked = ListRevisionsRequest { environment, function, page_size: PAGE, page_token: String::new() };
    let page = client.functions().list_revisions(client.request(asked)).await.map_err(Rejected::from)?.into_inner();
    if !page.next_page_token.is_empty() {
        output::warning(format!("only the newest {PAGE} are shown"));
    }
    print_all(&page.revisions.into_iter().map(Printed::from).collect::<Vec<_>>(), style)
}

fn print_all(listed: &[Printed], style: Style) -> anyhow::Result<ExitCode> {
    style.print(&listed, |out| listed.iter().try_for_each(|one| one.line(out)))?;
    Ok(ExitCode::SUCCESS)
}

/// Takes a revision over from another environment.
pub async fn promote(options: &PromoteOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(&options.control).await?;
    let environment = client.environment();
    output::progress("Promoting", format!("{} from {} to {environment}", options.function, options.from));
    let request = client.request(PromoteRequest {
        environment,
        function: options.function.clone(),
        from_environment: options.from.clone(),
        revision: options.revision.clone().unwrap_or_default(),
        percent: options.percent,
    });
    let answer = client.functions().promote(request).await.map_err(Rejected::from)?.into_inner();
    for finding in &answer.findings {
        output::warning(format!("{}: {}", finding.rule, finding.message));
    }
    let printed = Printed::from(answer.revision.unwrap_or_default());
    let share = if options.percent == 100 { String::new() } else { format!(" for {} % of the calls", options.percent) };
    output::progress("Promoted", format!("{} revision {}{share}", printed.function, printed.number));
    style.print(&printed, |out| printed.line(out))?;
    Ok(ExitCode::SUCCESS)
}

/// Goes back to an earlier revision.
pub async fn rollback(options: &RollbackOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(&options.control).await?;
    let request = client.request(RollbackRequest {
        environment: client.environment(),
        function: options.function.clone(),
        revision: options.to.clone().unwrap_or_default(),
    });
    let answer = client.functions().rollback(request).await.map_err(Rejected::from)?.into_inner();
    output::progress("Live", format!("again: an earlier revision of {}", options.function));
    show(answer.function, style)
}

/// Says what an alias means.
pub async fn alias(options: &AliasOptions, style: Style) -> anyhow::Result<ExitCode> {
    let shares = options.shares.iter().map(|text| share(text)).collect::<anyhow::Result<_>>()?;
    let client = Client::to_control(&options.control).await?;
    let request = client.request(SetAliasRequest {
        environment: client.environment(),
        function: options.function.clone(),
        alias: options.alias.clone(),
        shares,
    });
    let answer = client.functions().set_alias(request).await.map_err(Rejected::from)?.into_inner();
    show(answer.function, style)
}

fn share(text: &str) -> anyhow::Result<AliasShare> {
    let shape = || format!("`{text}` is no share: write DIGEST=PERCENT, with a digest from `airlock revisions`");
    let (revision, percent) = text.split_once('=').with_context(shape)?;
    let percent = percent.trim_end_matches('%').parse().with_context(shape)?;
    Ok(AliasShare { revision: revision.to_owned(), percent })
}

/// Takes a function out of service.
pub async fn disable(options: &DisableOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(&options.control).await?;
    let request = client.request(DisableRequest {
        environment: client.environment(),
        function: options.function.clone(),
        reason: options.reason.clone(),
    });
    let answer = client.functions().disable(request).await.map_err(Rejected::from)?.into_inner();
    show(answer.function, style)
}

/// Takes a function back into service.
pub async fn enable(options: &FunctionOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(&options.control).await?;
    let environment = client.environment();
    let request = client.request(EnableRequest { environment, function: options.function.clone() });
    let answer = client.functions().enable(request).await.map_err(Rejected::from)?.into_inner();
    show(answer.function, style)
}

/// Ends a function.
pub async fn delete(options: &FunctionOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(&options.control).await?;
    let environment = client.environment();
    let request = client.request(FunctionServiceDeleteRequest { environment, function: options.function.clone() });
    client.functions().delete(request).await.map_err(Rejected::from)?;
    output::progress("Deleted", format!("{}; its revisions stay on record", options.function));
    style.print(&serde_json::json!({ "deleted": options.function }), |_| Ok(()))?;
    Ok(ExitCode::SUCCESS)
}

fn show(function: Option<Function>, style: Style) -> anyhow::Result<ExitCode> {
    let printed = Printed::from(function.unwrap_or_default());
    style.print(&printed, |out| printed.whole(out))?;
    Ok(ExitCode::SUCCESS)
}
