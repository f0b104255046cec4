//! Stores without a gate before them: one binding, asked directly.

mod blob;

use std::{os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use airlock_model::{EnvironmentName, HostError, HostReply, KvAction, KvCommand, KvReply, ResourceName, TenantName};
use airlock_resources::{BindingConfig, KvRequest, Network, Permitted, Resources, Sources};
use tempfile::TempDir;
use tokio::time::Instant;

pub use blob::{BlobClient, put};

/// How long a command may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A key-value store of one binding.
pub struct KvClient {
    resources: Resources,
    environment: EnvironmentName,
    /// What an embedded store is kept in.
    state: TempDir,
}

impl KvClient {
    /// By a whole binding.
    pub fn new(binding: &str) -> Self {
        Self::in_state(binding, tempfile::tempdir().expect("a temporary directory"))
    }

    /// An embedded store in a state directory that is there already.
    pub fn in_state(binding: &str, state: TempDir) -> Self {
        let (resource, environment) = (resource(), "dev".parse().expect("a name"));
        let mut config: BindingConfig = toml::from_str(binding).expect("a binding");
        config.keep_in(state.path(), &resource, &environment);
        let sources = Sources { read_env: &|_| None, allow_inline: false };
        let binding = config.resolve(&sources).expect("a valid binding");
        let mut resources = Resources::new();
        resources.add(resource, environment.clone(), binding, &Network::default()).expect("added");
        Self { resources, environment, state }
    }

    /// Ends the client and gives the state directory back.
    pub fn into_state(self) -> TempDir {
        self.state
    }

    pub async fn ask(&self, tenant: &str, action: KvAction) -> Result<KvReply, HostError> {
        self.ask_until(tenant, action, Instant::now() + PATIENCE).await
    }

    /// As the gate does: parse, then perform.
    pub async fn ask_until(&self, tenant: &str, action: KvAction, deadline: Instant) -> Result<KvReply, HostError> {
        let command = KvCommand::parse(action).map_err(|why| HostError::BadRequest(why.to_string()))?;
        let tenant: TenantName = tenant.parse().expect("a name");
        let request = Permitted::Kv(KvRequest { resource: resource(), tenant, command, deadline });
        match self.resources.perform(&self.environment, request).await.reply? {
            HostReply::Kv(reply) => Ok(reply),
            other => panic!("another kind of reply: {other:?}"),
        }
    }

    pub async fn set(&self, tenant: &str, key: &str, value: &str) -> Result<KvReply, HostError> {
        self.ask(tenant, set(key, value, None)).await
    }

    pub async fn get(&self, tenant: &str, key: &str) -> Option<String> {
        match self.ask(tenant, KvAction::Get { key: key.to_owned() }).await.expect("an answer") {
            KvReply::Value(value) => value,
            other => panic!("no value: {other:?}"),
        }
    }

    /// Every key with that prefix, page by page, sorted and each once.
    pub async fn keys(&self, tenant: &str, prefix: &str) -> Vec<String> {
        let (mut keys, mut cursor) = (Vec::new(), None);
        loop {
            let list = KvAction::List { prefix: prefix.to_owned(), cursor };
            let KvReply::Keys(page) = self.ask(tenant, list).await.expect("a page") else { panic!("no page") };
            keys.extend(page.keys);
            cursor = page.cursor;
            if cursor.is_none() {
                keys.sort_unstable();
                keys.dedup();
                return keys;
            }
        }
    }
}

/// Sets an entry.
pub fn set(key: &str, value: &str, ttl_ms: Option<f64>) -> KvAction {
    KvAction::Set { key: key.to_owned(), value: value.to_owned(), ttl_ms }
}

fn resource() -> ResourceName {
    "cache".parse().expect("a name")
}

/// A server under test may run as somebody else than we do, and has to read its secret.
pub(crate) fn let_others_read(dir: &Path) {
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).expect("our own directory");
}
