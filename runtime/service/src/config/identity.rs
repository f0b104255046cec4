//! `[identity]`: whose word about people counts, what their groups are given, and what this server signs tokens with.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use airlock_access::{AccessRule, Algorithm, Functions, LEEWAY_MAX_S, Member, SigningKey};
use airlock_model::{
    AppName, ControlScope, EnvironmentName, FunctionName, Grant, LimitCaps, Operation, ResourceName, Scope, TenantName,
};
use serde::{Deserialize, Serialize};

use super::{Config, ConfigError, JwksSource, Origin, refuse_reserved_keys};

/// `[identity]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityConfig {
    /// The `iss` of the tokens that this server signs: in exchange for those of identity providers, and derived from others.
    pub iss: String,
    /// What it signs them with; a key of its own for as long as it runs when missing.
    pub key: Option<PrivateKeySource>,
    /// Identity providers.
    pub provider: Vec<ProviderConfig>,
    /// Roles beside the built-in ones, by name.
    pub roles: BTreeMap<String, RoleConfig>,
    /// Who gets what.
    pub access: Vec<AccessConfig>,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            iss: "urn:airlock:server".to_owned(),
            key: None,
            provider: Vec::new(),
            roles: BTreeMap::new(),
            access: Vec::new(),
        }
    }
}

/// Where a private key is.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PrivateKeySource {
    /// A file that `airlock keys new` wrote, relative to the configuration file.
    pub file: PathBuf,
}

/// Bytes of a file with a private key.
const KEY_BYTES_MAX: u64 = 64 * 1024;

impl PrivateKeySource {
    /// Reads the key. That of a desk is none that a server signs with.
    ///
    /// # Errors
    /// What is wrong with the file, which is named.
    pub(crate) fn read(&self) -> Result<SigningKey, String> {
        let refuse = |why: &dyn Display| format!("`{}`: {why}", self.file.display());
        let mut text = String::new();
        let read = File::open(&self.file).and_then(|file| file.take(KEY_BYTES_MAX).read_to_string(&mut text));
        read.map_err(|why| refuse(&why))?;
        let key = SigningKey::from_file_text(&text).map_err(|why| refuse(&why))?;
        refuse_reserved_keys([key.key_id()].into_iter()).map_err(|why| refuse(&why))?;
        Ok(key)
    }
}

/// `[[identity.provider]]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// The `iss` of its tokens.
    pub iss: String,
    /// What they have to name as `aud`: the client id of this installation there.
    pub audience: String,
    /// Where its public keys are.
    pub jwks: JwksSource,
    /// Algorithms that count.
    #[serde(default = "every_algorithm")]
    pub algorithms: Vec<Algorithm>,
    /// Who pays for its people.
    pub tenant: TenantName,
    /// Which app they call through.
    pub app: AppName,
    /// The claim that names a person.
    #[serde(default = "default_subject_claim")]
    pub subject_claim: String,
    /// The claim that lists groups: a member, or a path of members.
    #[serde(default)]
    pub groups_claim: ClaimPath,
    /// The oldest token that is exchanged, in seconds since it was issued.
    #[serde(default = "default_age")]
    pub max_age_s: u64,
}

fn every_algorithm() -> Vec<Algorithm> {
    Algorithm::ALL.to_vec()
}

fn default_subject_claim() -> String {
    "sub".to_owned()
}

fn default_age() -> u64 {
    3_600
}

/// A member of a token, or one inside another.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(untagged)]
pub enum ClaimPath {
    /// `"groups"`.
    Member(String),
    /// `["realm_access", "roles"]`.
    Path(Vec<String>),
}

impl Default for ClaimPath {
    fn default() -> Self {
        Self::Member("groups".to_owned())
    }
}

impl ClaimPath {
    /// From the outside in.
    #[must_use]
    pub fn members(&self) -> Vec<String> {
        match self {
            Self::Member(name) => vec![name.clone()],
            Self::Path(names) => names.clone(),
        }
    }
}

/// `[identity.roles.<name>]`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RoleConfig {
    /// Rights on the control plane.
    pub scopes: Vec<Scope>,
}

/// `[[identity.access]]`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AccessConfig {
    /// Everybody in this group; this or `subject`.
    pub group: Option<String>,
    /// This subject.
    pub subject: Option<String>,
    /// By the word of this provider only.
    pub provider: Option<String>,
    /// Where.
    pub environments: Vec<EnvironmentName>,
    /// `builder`, `approver`, `operator`, `auditor`, or one of `[identity.roles]`.
    pub roles: Vec<String>,
    /// For which functions; `["*"]` for all.
    pub functions: Vec<String>,
    /// What functions may do to resources for them: `orders-db:read`.
    pub r#use: Vec<Scope>,
    /// Resources whose functions they may deploy; `["*"]` for all.
    pub edit: Vec<String>,
    /// Limits of their tokens.
    pub limits: LimitCaps,
}

/// The roles that need no configuration.
#[must_use]
pub fn built_in_role(name: &str) -> Option<&'static [ControlScope]> {
    use ControlScope as Right;
    Some(match name {
        "builder" => {
            &[Right::FunctionDeploy, Right::FunctionRead, Right::ResourceRead, Right::ApprovalRead, Right::LogsRead]
        }
        "approver" => &[Right::ApprovalRead, Right::ApprovalDecide, Right::FunctionRead],
        "operator" => &[
            Right::FunctionPromote,
            Right::FunctionOperate,
            Right::FunctionRead,
            Right::OperatorRead,
            Right::OperatorWrite,
            Right::TokenRevoke,
            Right::LogsRead,
        ],
        "auditor" => &[Right::AuditRead, Right::FunctionRead, Right::ApprovalRead],
        "privacy" => &[Right::AuditRead, Right::AuditValues, Right::AuditErase],
        _ => return None,
    })
}

impl IdentityConfig {
    pub(super) fn resolve_paths(&mut self, base: &Path) {
        if let Some(key) = &mut self.key {
            key.file = base.join(&key.file);
        }
        for provider in &mut self.provider {
            provider.jwks.resolve_paths(base);
        }
    }
}

impl Config {
    /// Who gets what, as the exchange of tokens judges it.
    ///
    /// # Errors
    /// The first entry that names what there is not, with its key.
    pub(crate) fn access_rules(&self) -> Result<Vec<AccessRule>, ConfigError> {
        self.identity.access.iter().enumerate().map(|(index, entry)| self.access_rule(index, entry)).collect()
    }

    fn access_rule(&self, index: usize, entry: &AccessConfig) -> Result<AccessRule, ConfigError> {
        let section = format!("identity.access[{index}]");
        let wrong = |key: &str, why: String| ConfigError::value(format!("{section}.{key}"), why);
        let refuse = |key: &str, why: String| Err(wrong(key, why));
        let member = match (&entry.group, &entry.subject) {
            (Some(group), None) if !group.is_empty() => Member::Group(group.clone()),
            (None, Some(subject)) if !subject.is_empty() => Member::Subject(subject.clone()),
            _ => return refuse("group", "name a `group` or a `subject`, one of the two".to_owned()),
        };
        if let Some(provider) = entry.provider.as_ref().filter(|iss| !self.is_provider(iss)) {
            return refuse("provider", format!("there is no [[identity.provider]] with `iss = \"{provider}\"`"));
        }
        if entry.provider.is_none() && self.identity.provider.len() > 1 {
            let why = "there are several [[identity.provider]]: say whose word counts, or somebody of the same name elsewhere has it too";
            return refuse("provider", why.to_owned());
        }
        if entry.environments.is_empty() {
            return refuse("environments", "name at least one environment: none is meant by default".to_owned());
        }
        if let Some(name) = entry.environments.iter().find(|name| !self.environments.contains_key(*name)) {
            return refuse("environments", format!("there is no [environments.{name}]"));
        }
        let functions = functions(&entry.functions).map_err(|why| wrong("functions", why))?;
        let mut scopes = Vec::new();
        for role in &entry.roles {
            scopes.extend(self.role(role).map_err(|why| wrong("roles", why))?);
        }
        for scope in &entry.r#use {
            self.check_use(scope).map_err(|why| wrong("use", why))?;
            scopes.push(scope.clone());
        }
        for name in &entry.edit {
            scopes.push(self.edit(name).map_err(|why| wrong("edit", why))?);
        }
        if scopes.is_empty() && functions == Functions::Named(Vec::new()) {
            return refuse("roles", "it gives nothing: name `roles`, `functions`, `use` or `edit`".to_owned());
        }
        let named = if entry.group.is_some() { "group" } else { "subject" };
        let place = match self.origins.of(&format!("{section}.{named}")) {
            Origin::BuiltIn => section,
            written => format!("{section} ({written})"),
        };
        let (environments, limits) = (entry.environments.clone(), entry.limits.clone());
        Ok(AccessRule { place, provider: entry.provider.clone(), member, environments, functions, scopes, limits })
    }

    fn is_provider(&self, iss: &str) -> bool {
        self.identity.provider.iter().any(|provider| provider.iss == iss)
    }

    fn role(&self, name: &str) -> Result<Vec<Scope>, String> {
        if let Some(rights) = built_in_role(name) {
            return Ok(rights.iter().copied().map(Scope::Control).collect());
        }
        let role = self.identity.roles.get(name);
        role.map(|role| role.scopes.clone()).ok_or_else(|| {
            format!(
                "there is no role `{name}`: the roles are builder, approver, operator, auditor and [identity.roles]"
            )
        })
    }

    fn check_use(&self, scope: &Scope) -> Result<(), String> {
        let Scope::Resource(grant) = scope else {
            return Err(format!("`{scope}` is a right on the control plane: give it by a role"));
        };
        let resource = self.resources.get(&grant.resource);
        let kind = resource.ok_or_else(|| format!("there is no [resources.{}]", grant.resource))?.kind;
        if grant.operation == Operation::Edit || !grant.operation.is_known_to(kind) {
            return Err(format!("`{grant}` is nothing that functions do to a resource of kind `{kind}`"));
        }
        Ok(())
    }

    fn edit(&self, name: &str) -> Result<Scope, String> {
        if name == "*" {
            return Ok(Scope::Control(ControlScope::ResourceEdit));
        }
        let resource: ResourceName = name.parse().map_err(|why: airlock_model::NameError| why.to_string())?;
        if !self.resources.contains_key(&resource) {
            return Err(format!("there is no [resources.{resource}]"));
        }
        Ok(Scope::Resource(Grant { resource, operation: Operation::Edit }))
    }

    pub(super) fn check_identity(&self) -> Result<(), ConfigError> {
        let mut names: BTreeSet<&str> = self.tokens.issuer.iter().map(|issuer| issuer.iss.as_str()).collect();
        if self.identity.iss.is_empty() || !names.insert(&self.identity.iss) {
            let message = "the server's own `iss` is empty, or that of a [[tokens.issuer]]: it needs one of its own";
            return Err(ConfigError::value("identity.iss", message));
        }
        for (index, provider) in self.identity.provider.iter().enumerate() {
            let refuse =
                |key: &str, why: &str| Err(ConfigError::value(format!("identity.provider[{index}].{key}"), why));
            // Whoever is both would have its access tokens exchanged, and its people's tokens accepted.
            if provider.iss.is_empty() || !names.insert(&provider.iss) {
                return refuse("iss", "it is empty, or that of another issuer or provider: each has its own");
            }
            if provider.audience.is_empty() {
                return refuse("audience", "name the client id that this installation has there");
            }
            if provider.groups_claim.members().is_empty() || provider.subject_claim.is_empty() {
                return refuse("groups_claim", "name the claim");
            }
            if provider.max_age_s == 0 {
                return refuse("max_age_s", "nothing would be young enough");
            }
        }
        for (name, role) in &self.identity.roles {
            let key = || format!("identity.roles.{name}");
            if built_in_role(name).is_some() {
                return Err(ConfigError::value(key(), "this role is built in: choose another name"));
            }
            if role.scopes.iter().any(|scope| matches!(scope, Scope::Resource(_))) {
                let message =
                    "roles have rights on the control plane; resources go into `use` and `edit` of [[identity.access]]";
                return Err(ConfigError::value(key(), message));
            }
        }
        self.access_rules().map(drop)
    }

    /// What is left of a clock's disagreement for tokens of providers too.
    pub(crate) fn identity_leeway_s(&self) -> u64 {
        self.tokens.leeway_s.min(LEEWAY_MAX_S)
    }
}

fn functions(names: &[String]) -> Result<Functions, String> {
    match names {
        [all] if all == "*" => Ok(Functions::All),
        names => {
            let name = |name: &String| name.parse::<FunctionName>().map_err(|why| why.to_string());
            names.iter().map(name).collect::<Result<_, _>>().map(Functions::Named)
        }
    }
}

#[cfg(test)]
mod tests;
