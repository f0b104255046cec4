//! Messages of the function service.

use std::collections::{BTreeMap, btree_map::Entry};

use airlock_model::{AliasName, Finding, FunctionManifest, ManifestStatement, Severity};
use airlock_proto::v1;
use airlock_service::{CheckReport, Deployment, LiveFunction, Page, Revision, Upload};

use super::{name, timestamp};
use crate::status::Refusal;

const SOURCES_MAX: usize = 2000;
const PATH_BYTES_MAX: usize = 512;

/// For Check and Deploy, whose messages have the same fields.
pub(crate) fn upload(asked: v1::DeployRequest) -> Result<Upload, Refusal> {
    let environment = name("environment", &asked.environment)?;
    if asked.manifest_toml.is_empty() {
        let hint = "send the text of `function.toml`";
        return Err(Refusal::malformed("manifest_toml", "field `manifest_toml`: empty", hint));
    }
    if asked.component.is_empty() {
        return Err(Refusal::malformed("component", "field `component`: empty", "send the component's bytes"));
    }
    let sources = sources(asked.sources)?;
    let v1::DeployRequest { manifest_toml, component, signature, .. } = asked;
    let signature = Some(signature).filter(|signature| !signature.is_empty());
    Ok(Upload { environment, manifest_toml, component, sources, signature })
}

fn sources(files: Vec<v1::SourceFile>) -> Result<BTreeMap<String, String>, Refusal> {
    let refuse = |message: String| {
        let hint = "send each file once, with its path inside the project: relative, with `/`, without `..`";
        Refusal::malformed("sources", format!("field `sources`: {message}"), hint)
    };
    if files.len() > SOURCES_MAX {
        return Err(refuse(format!("{} files, {SOURCES_MAX} allowed", files.len())));
    }
    let mut sources = BTreeMap::new();
    for file in files {
        if !is_project_path(&file.path) {
            return Err(refuse(format!("`{}` is not a path inside the project", shown(&file.path))));
        }
        match sources.entry(file.path) {
            Entry::Vacant(place) => place.insert(file.text),
            Entry::Occupied(taken) => return Err(refuse(format!("`{}` stands there twice", shown(taken.key())))),
        };
    }
    Ok(sources)
}

fn is_project_path(path: &str) -> bool {
    let plain =
        |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\\') && !part.contains(char::is_control);
    (1..=PATH_BYTES_MAX).contains(&path.len()) && path.split('/').all(plain)
}

fn shown(path: &str) -> String {
    path.chars().take(80).flat_map(char::escape_default).collect()
}

pub(crate) fn check_response(report: CheckReport) -> v1::CheckResponse {
    let accepted = !report.findings.iter().any(|finding| finding.severity == Severity::Error);
    let resource = |(name, kind)| v1::ImportedResource { name: String::from(name), kind: ToString::to_string(&kind) };
    v1::CheckResponse {
        component_digest: report.digest.to_string(),
        findings: findings(&report.findings),
        accepted,
        resources: report.resources.into_iter().map(resource).collect(),
    }
}

pub(crate) fn deploy_response(deployed: Deployment) -> v1::DeployResponse {
    v1::DeployResponse { revision: Some(revision(deployed.revision)), findings: findings(&deployed.findings) }
}

pub(crate) fn get_response(live: LiveFunction) -> v1::FunctionServiceGetResponse {
    v1::FunctionServiceGetResponse { function: Some(whole_function(live)) }
}

pub(crate) fn list_response(page: Page<Revision>) -> v1::FunctionServiceListResponse {
    let next_page_token = page.next.map(|token| token.to_string()).unwrap_or_default();
    v1::FunctionServiceListResponse {
        functions: page.items.into_iter().map(listed_function).collect(),
        next_page_token,
    }
}

pub(crate) fn list_revisions_response(page: Page<Revision>) -> v1::ListRevisionsResponse {
    let next_page_token = page.next.map(|token| token.to_string()).unwrap_or_default();
    v1::ListRevisionsResponse { revisions: page.items.into_iter().map(listed_revision).collect(), next_page_token }
}

pub(crate) fn list_candidates_response(found: Vec<ManifestStatement>) -> v1::ListCandidatesResponse {
    v1::ListCandidatesResponse { statements: found.into_iter().map(statement).collect() }
}

/// Everything about a function.
pub(super) fn whole_function(live: LiveFunction) -> v1::Function {
    let share = |(percent, revision): (u8, Revision)| v1::AliasShare {
        revision: revision.digest.to_string(),
        percent: percent.into(),
    };
    let alias = |(name, shares): (AliasName, Vec<(u8, Revision)>)| v1::Alias {
        name: name.to_string(),
        shares: shares.into_iter().map(share).collect(),
    };
    v1::Function {
        name: live.revision.function.to_string(),
        environment: live.revision.environment.to_string(),
        live_revision: Some(revision(live.revision)),
        disabled: live.disabled.unwrap_or_default(),
        aliases: live.aliases.into_iter().map(alias).collect(),
    }
}

fn listed_function(live: Revision) -> v1::Function {
    v1::Function {
        name: live.function.to_string(),
        environment: live.environment.to_string(),
        live_revision: Some(listed_revision(live)),
        disabled: String::new(),
        aliases: Vec::new(),
    }
}

fn listed_revision(stored: Revision) -> v1::Revision {
    v1::Revision { statements: Vec::new(), ..revision(stored) }
}

pub(super) fn revision(stored: Revision) -> v1::Revision {
    // It was accepted when it was deployed; a later release that refuses it only shows less.
    let manifest = FunctionManifest::parse(&stored.manifest).ok();
    let grants = manifest.as_ref().map(|manifest| manifest.grants().iter().map(ToString::to_string).collect());
    v1::Revision {
        digest: stored.digest.to_string(),
        function: stored.function.into(),
        create_time: Some(timestamp(stored.created_unix_ms)),
        created_by: stored.author,
        number: stored.number,
        component_digest: stored.component_digest.to_string(),
        grants: grants.unwrap_or_default(),
        description: manifest.and_then(|manifest| manifest.description).unwrap_or_default(),
        promoted_from: stored.promoted_from.map(|name| name.to_string()).unwrap_or_default(),
        statements: stored.statements.unwrap_or_default().0.into_iter().map(statement).collect(),
    }
}

fn statement(listed: ManifestStatement) -> v1::ManifestStatement {
    v1::ManifestStatement {
        resource: listed.resource.to_string(),
        language: listed.language.as_str().to_owned(),
        text: listed.text,
        class: listed.class.as_str().to_owned(),
        tables: listed.tables,
        place: listed.place,
    }
}

pub(super) fn findings(found: &[Finding]) -> Vec<v1::Finding> {
    found.iter().map(finding).collect()
}

pub(crate) fn finding(found: &Finding) -> v1::Finding {
    let severity = match found.severity {
        Severity::Error => v1::Severity::Error,
        Severity::Warning => v1::Severity::Warning,
    };
    v1::Finding {
        rule: found.rule.clone(),
        severity: severity.into(),
        message: found.message.clone(),
        location: found.location.clone(),
        fix: found.fix.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_paths(paths: &[&str]) -> v1::DeployRequest {
        let file = |path: &&str| v1::SourceFile { path: (*path).to_owned(), text: String::new() };
        v1::DeployRequest {
            environment: "dev".into(),
            manifest_toml: "name = \"f\"".into(),
            component: vec![0],
            sources: paths.iter().map(file).collect(),
            signature: Vec::new(),
        }
    }

    #[test]
    fn source_paths_stay_inside_the_project() {
        assert_eq!(upload(with_paths(&["src/main.ts", "a.b/c-d_e.rs"])).unwrap().sources.len(), 2);
        for path in ["", "/etc/passwd", "../a", "a/../b", "a//b", "a/", "./a", "a\\b", "a\0b", "a\nb", &"a".repeat(513)]
        {
            assert!(upload(with_paths(&[path])).is_err(), "{path:?}");
        }
        assert!(upload(with_paths(&["a", "a"])).is_err());
    }

    #[test]
    fn what_must_be_there_is_asked_for() {
        let full = with_paths(&[]);
        assert!(upload(full.clone()).is_ok());
        assert!(upload(v1::DeployRequest { component: Vec::new(), ..full.clone() }).is_err());
        assert!(upload(v1::DeployRequest { manifest_toml: String::new(), ..full.clone() }).is_err());
        assert!(upload(v1::DeployRequest { environment: String::new(), ..full }).is_err());
    }
}
