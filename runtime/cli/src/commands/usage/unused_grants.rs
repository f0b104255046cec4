//! `airlock usage unused-grants`: what the configuration grants and nobody has used, and the change that takes it back.

use std::{io::Write, path::Path, process::ExitCode};

use airlock_proto::v1::UnusedGrantsRequest;
use airlock_service::{Config, UnusedGrant, UnusedGrants, grant_uses_since};
use airlock_store::Store;
use anyhow::Context as _;
use serde_json::json;
use similar::TextDiff;
use toml_edit::{DocumentMut, Item};

use super::span::{DAY_MS, now_unix_ms};
use crate::{
    args::{ServerOptions, UnusedGrantsOptions},
    client::{Client, Rejected},
    output::{self, Style},
};

/// Reads the trail back to the first of the days, or has a server do so, and prints what none of its records needed.
pub async fn run(options: &UnusedGrantsOptions, style: Style) -> anyhow::Result<ExitCode> {
    output::progress("Reading", format!("the trail of the last {} days", options.days));
    let (found, diff) = match &options.server {
        Some(server) => (served(server, options).await?, None),
        None => {
            let (found, diff) = offline(options).await?;
            (found, Some(diff))
        }
    };
    if !found.reaches_back {
        output::warning("the trail is younger than that: what is new here may only not have been used yet");
    }
    let printed = json!({
        "days": options.days,
        "host_calls": found.host_calls,
        "reaches_back": found.reaches_back,
        "unused": found.unused,
        "diff": diff,
    });
    style.print(&printed, |out| text(out, &found, diff.as_deref().unwrap_or_default()))?;
    Ok(ExitCode::SUCCESS)
}

async fn offline(options: &UnusedGrantsOptions) -> anyhow::Result<(UnusedGrants, String)> {
    let config = Config::load(&options.config)?;
    let reader = Store::open_read_only(&config.state.dir)?;
    let since = now_unix_ms().saturating_sub(u64::from(options.days).saturating_mul(DAY_MS));
    let (uses, reaches_back) = grant_uses_since(&reader, since).await?;
    let unused = uses.unused(&config)?;
    let diff = difference(&options.config, &unused)?;
    Ok((UnusedGrants { unused, host_calls: uses.seen(), reaches_back }, diff))
}

/// Whoever runs the server has the file; others learn what it grants them for nothing.
async fn served(server: &str, options: &UnusedGrantsOptions) -> anyhow::Result<UnusedGrants> {
    let token = options.token.clone().context("`--server` needs `--token`")?;
    let access = ServerOptions { token, environment: None, tls: options.tls.clone() };
    let client = Client::with_access(server, &access).await?;
    let request = UnusedGrantsRequest { environment: client.environment(), days: options.days };
    let told = client.usage().unused_grants(client.request(request)).await.map_err(Rejected::from)?.into_inner();
    let grant = |one: airlock_proto::v1::UnusedGrant| UnusedGrant {
        key: one.key,
        place: one.place,
        value: one.value,
        member: (!one.member.is_empty()).then_some(one.member),
    };
    Ok(UnusedGrants {
        unused: told.unused.into_iter().map(grant).collect(),
        host_calls: told.host_calls,
        reaches_back: told.reaches_back,
    })
}

/// The change of the configuration file, as a unified diff; empty when there is none.
fn difference(path: &Path, unused: &[UnusedGrant]) -> anyhow::Result<String> {
    let before = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let mut document: DocumentMut = before.parse().with_context(|| format!("cannot read `{}`", path.display()))?;
    for grant in unused {
        // What a variable sets is no part of the file.
        if let Some(list) = list_of(document.as_item_mut(), &grant.key).and_then(Item::as_array_mut) {
            // A list of operations that is empty is no binding: whether that goes is for people to say.
            let is_last = grant.member.is_none() && list.len() == 1;
            if !is_last {
                let begins = list.get(0).and_then(|first| first.decor().prefix().cloned());
                list.retain(|value| value.as_str() != Some(&grant.value));
                // Whatever is the first now begins as the first did.
                if let (Some(first), Some(begins)) = (list.get_mut(0), begins) {
                    first.decor_mut().set_prefix(begins);
                }
            }
        }
    }
    let after = document.to_string();
    let name = path.display().to_string();
    Ok(TextDiff::from_lines(&before, &after).unified_diff().header(&name, &name).to_string())
}

/// The item of a dotted key such as `identity.access[0].use`.
fn list_of<'a>(root: &'a mut Item, key: &str) -> Option<&'a mut Item> {
    let mut item = root;
    for part in key.split('.') {
        let (name, index) = match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
            Some((name, index)) => (name, Some(index.parse::<usize>().ok()?)),
            None => (part, None),
        };
        // By way of the table: an index by name would put in what is not there.
        item = item.as_table_like_mut()?.get_mut(name)?;
        if let Some(index) = index {
            item = item.get_mut(index)?;
        }
    }
    Some(item)
}

fn text(out: &mut dyn Write, found: &UnusedGrants, diff: &str) -> std::io::Result<()> {
    writeln!(out, "{} grants were not used by any of {} host calls", found.unused.len(), found.host_calls)?;
    for UnusedGrant { key, place, value, member } in &found.unused {
        let member = member.as_ref().map(|member| format!("  ({member})")).unwrap_or_default();
        writeln!(out, "  {value:<32} {key}  {place}{member}")?;
    }
    if diff.is_empty() { Ok(()) } else { write!(out, "\n{diff}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_change_takes_out_what_is_unused_and_leaves_the_rest_as_it_is() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let text = "# who\n[[identity.access]]\ngroup = \"a\"\nuse = [\"db:read\", \"db:write\"] # all of it\n\n\
                    [resources.db]\nkind = \"sql\"\n[resources.db.prod]\noperations = [\"read\", \"write\"]\n";
        std::fs::write(file.path(), text).expect("written");
        let grant = |key: &str, value: &str| UnusedGrant {
            key: key.to_owned(),
            place: String::new(),
            value: value.to_owned(),
            member: None,
        };
        let unused = [
            grant("identity.access[0].use", "db:write"),
            grant("resources.db.prod.operations", "write"),
            grant("resources.db.dev.operations", "read"),
        ];
        let diff = difference(file.path(), &unused).expect("a diff");
        let changed: Vec<_> = diff.lines().skip(2).filter(|line| line.starts_with(['+', '-'])).collect();
        assert_eq!(
            changed,
            [
                "-use = [\"db:read\", \"db:write\"] # all of it",
                "+use = [\"db:read\"] # all of it",
                "-operations = [\"read\", \"write\"]",
                "+operations = [\"read\"]",
            ]
        );
        assert_eq!(difference(file.path(), &[]).expect("none"), "");
        // Nobody uses the binding at all: the file has to stay one that is read.
        let both = [grant("resources.db.prod.operations", "read"), grant("resources.db.prod.operations", "write")];
        let diff = difference(file.path(), &both).expect("a diff");
        assert!(diff.contains("+operations = [\"write\"]"), "{diff}");
    }
}
