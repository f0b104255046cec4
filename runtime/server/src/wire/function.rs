//! Messages of the function service.

use std::collections::HashSet;

use airlock_model::{Finding, Severity};
use airlock_proto::v1;

use super::{name, page, timestamp};
use crate::{
    application::{
        CheckReply, DeployReply, DeployRequest, FunctionInfo, GetRequest, ListRequest, ListRevisionsRequest, Page,
        RevisionInfo, SourceText,
    },
    status::Refusal,
};

const SOURCES_MAX: usize = 2000;
const PATH_BYTES_MAX: usize = 512;

/// For Check and Deploy, whose messages have the same fields.
pub(crate) fn deploy_request(asked: v1::DeployRequest) -> Result<DeployRequest, Refusal> {
    let environment = name("environment", &asked.environment)?;
    if asked.manifest_toml.is_empty() {
        let hint = "send the text of `function.toml`";
        return Err(Refusal::malformed("manifest_toml", "field `manifest_toml`: empty", hint));
    }
    if asked.component.is_empty() {
        return Err(Refusal::malformed("component", "field `component`: empty", "send the component's bytes"));
    }
    let sources = sources(asked.sources)?;
    Ok(DeployRequest { environment, manifest_toml: asked.manifest_toml, component: asked.component, sources })
}

fn sources(files: Vec<v1::SourceFile>) -> Result<Vec<SourceText>, Refusal> {
    let refuse = |message: String| {
        let hint = "send each file once, with its path inside the project: relative, with `/`, without `..`";
        Err(Refusal::malformed("sources", format!("field `sources`: {message}"), hint))
    };
    if files.len() > SOURCES_MAX {
        return refuse(format!("{} files, {SOURCES_MAX} allowed", files.len()));
    }
    if let Some(file) = files.iter().find(|file| !is_project_path(&file.path)) {
        return refuse(format!("`{}` is not a path inside the project", shown(&file.path)));
    }
    let mut seen = HashSet::new();
    if let Some(file) = files.iter().find(|file| !seen.insert(file.path.as_str())) {
        return refuse(format!("`{}` stands there twice", shown(&file.path)));
    }
    Ok(files.into_iter().map(|file| SourceText { path: file.path, text: file.text }).collect())
}

fn is_project_path(path: &str) -> bool {
    let plain = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\\') && !part.contains(char::is_control);
    (1..=PATH_BYTES_MAX).contains(&path.len()) && path.split('/').all(plain)
}

fn shown(path: &str) -> String {
    path.chars().take(80).flat_map(char::escape_default).collect()
}

pub(crate) fn get_request(asked: &v1::FunctionServiceGetRequest) -> Result<GetRequest, Refusal> {
    let environment = name("environment", &asked.environment)?;
    Ok(GetRequest { environment, function: name("function", &asked.function)? })
}

pub(crate) fn list_request(asked: v1::FunctionServiceListRequest) -> Result<ListRequest, Refusal> {
    let environment = name("environment", &asked.environment)?;
    Ok(ListRequest { environment, page: page(asked.page_size, asked.page_token)? })
}

pub(crate) fn list_revisions_request(asked: v1::ListRevisionsRequest) -> Result<ListRevisionsRequest, Refusal> {
    let environment = name("environment", &asked.environment)?;
    let function = name("function", &asked.function)?;
    Ok(ListRevisionsRequest { environment, function, page: page(asked.page_size, asked.page_token)? })
}

pub(crate) fn check_response(reply: CheckReply) -> v1::CheckResponse {
    let accepted = !reply.findings.iter().any(|finding| finding.severity == Severity::Error);
    v1::CheckResponse { digest: reply.digest.to_string(), findings: findings(&reply.findings), accepted }
}

pub(crate) fn deploy_response(reply: DeployReply) -> v1::DeployResponse {
    v1::DeployResponse { revision: Some(revision(reply.revision)), findings: findings(&reply.findings) }
}

pub(crate) fn get_response(info: FunctionInfo) -> v1::FunctionServiceGetResponse {
    v1::FunctionServiceGetResponse { function: Some(function(info)) }
}

pub(crate) fn list_response(page: Page<FunctionInfo>) -> v1::FunctionServiceListResponse {
    let functions = page.items.into_iter().map(function).collect();
    v1::FunctionServiceListResponse { functions, next_page_token: page.next.unwrap_or_default() }
}

pub(crate) fn list_revisions_response(page: Page<RevisionInfo>) -> v1::ListRevisionsResponse {
    let revisions = page.items.into_iter().map(revision).collect();
    v1::ListRevisionsResponse { revisions, next_page_token: page.next.unwrap_or_default() }
}

fn function(info: FunctionInfo) -> v1::Function {
    v1::Function {
        name: info.name.into(),
        environment: info.environment.into(),
        live_revision: Some(revision(info.live)),
    }
}

fn revision(info: RevisionInfo) -> v1::Revision {
    v1::Revision {
        digest: info.digest.to_string(),
        function: info.function.into(),
        create_time: Some(timestamp(info.created_unix_ms)),
        created_by: info.created_by,
        component_digest: info.component_digest.to_string(),
        grants: info.grants,
        description: info.description.unwrap_or_default(),
        number: info.number,
    }
}

fn findings(found: &[Finding]) -> Vec<v1::Finding> {
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
        }
    }

    #[test]
    fn source_paths_stay_inside_the_project() {
        assert_eq!(deploy_request(with_paths(&["src/main.ts", "a.b/c-d_e.rs"])).unwrap().sources.len(), 2);
        for path in ["", "/etc/passwd", "../a", "a/../b", "a//b", "a/", "./a", "a\\b", "a\0b", "a\nb", &"a".repeat(513)] {
            assert!(deploy_request(with_paths(&[path])).is_err(), "{path:?}");
        }
        assert!(deploy_request(with_paths(&["a", "a"])).is_err());
    }

    #[test]
    fn what_must_be_there_is_asked_for() {
        let full = with_paths(&[]);
        assert!(deploy_request(full.clone()).is_ok());
        assert!(deploy_request(v1::DeployRequest { component: Vec::new(), ..full.clone() }).is_err());
        assert!(deploy_request(v1::DeployRequest { manifest_toml: String::new(), ..full.clone() }).is_err());
        assert!(deploy_request(v1::DeployRequest { environment: String::new(), ..full }).is_err());
    }
}
