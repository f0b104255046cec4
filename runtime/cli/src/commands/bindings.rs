//! `airlock bindings`: what a function says, for the list of what it may say.

use std::{io::Write as _, path::Path, process::ExitCode};

use airlock_model::{ManifestStatement, StatementClass, print_statements};
use airlock_proto::v1::{self, ListCandidatesRequest};
use anyhow::Context as _;

use crate::{
    args::BindingsOptions,
    client::{Client, Rejected},
    output::{self, Style},
};

/// Prints what a server recorded of a function as the text of a `statements.toml`.
pub async fn run(options: &BindingsOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(&options.control).await?;
    let environment = client.environment();
    let request = client.request(ListCandidatesRequest { environment, function: options.from_recording.clone() });
    let found = client.functions().list_candidates(request).await.map_err(Rejected::from)?.into_inner().statements;
    let statements = found.into_iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
    if statements.is_empty() {
        output::progress("Nothing", "was recorded: the function has said nothing that its manifest does not list");
    }
    let text = print_statements(&statements).context("cannot be written as TOML")?;
    match &options.output {
        Some(path) => write(path, &text, statements.len())?,
        None => style.print(&statements, |out| out.write_all(text.as_bytes()))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str, count: usize) -> anyhow::Result<()> {
    // What was listed before is no candidate, so writing over it would lose it.
    let file = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let wrote = file.and_then(|mut file| file.write_all(text.as_bytes()));
    wrote.with_context(|| {
        format!("cannot write `{}`: print without --output and add what is missing", path.display())
    })?;
    output::progress("Wrote", format!("{count} statement(s) to {}: read them before you deploy", path.display()));
    Ok(())
}

fn read(sent: v1::ManifestStatement) -> anyhow::Result<ManifestStatement> {
    let unknown = |()| anyhow::anyhow!("the server names a language this program does not know: `{}`", sent.language);
    let language = sent.language.parse().map_err(unknown)?;
    let class = match sent.class.as_str() {
        "read" => StatementClass::Read,
        "ddl" => StatementClass::Ddl,
        _ => StatementClass::Write,
    };
    let resource = sent.resource.parse().context("the server names a resource that is none")?;
    Ok(ManifestStatement { resource, language, text: sent.text, class, tables: sent.tables, place: sent.place })
}
