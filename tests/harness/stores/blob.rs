//! An object store without a gate before it.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use airlock_model::{BlobAction, BlobCommand, BlobReply, EnvironmentName, HostError, HostReply, ObjectPage, Piece};
use airlock_resources::{BindingConfig, BlobRequest, Network, Permitted, Resources, Sources};
use tempfile::TempDir;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(60);

/// An object store of one binding.
pub struct BlobClient {
    resources: Resources,
    environment: EnvironmentName,
    /// What a directory's path is taken from.
    dir: TempDir,
}

impl BlobClient {
    /// By a whole binding.
    pub fn new(binding: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(dir.path().join("files")).expect("a directory");
        let environment: EnvironmentName = "dev".parse().expect("a name");
        let mut config: BindingConfig = toml::from_str(binding).expect("a binding");
        config.resolve_paths(dir.path());
        let sources = Sources { read_env: &|_| None, allow_inline: false };
        let binding = config.resolve(&sources).expect("a valid binding");
        let mut resources = Resources::new();
        resources
            .add("files".parse().expect("a name"), environment.clone(), binding, &Network::default())
            .expect("added");
        Self { resources, environment, dir }
    }

    /// Something below the directory of the binding.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("files").join(name)
    }

    pub async fn ask(&self, tenant: &str, action: BlobAction) -> Result<BlobReply, HostError> {
        self.ask_until(tenant, action, Instant::now() + PATIENCE).await
    }

    /// As the gate does: parse, then perform.
    pub async fn ask_until(&self, tenant: &str, action: BlobAction, deadline: Instant) -> Result<BlobReply, HostError> {
        let command = BlobCommand::parse(action).map_err(|why| HostError::BadRequest(why.to_string()))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        let request = Permitted::Blob(BlobRequest {
            resource: "files".parse().expect("a name"),
            tenant: tenant.parse().expect("a name"),
            command,
            deadline,
            now_unix_ms: u64::try_from(now).expect("before the end of time"),
        });
        match self.resources.perform(&self.environment, request).await.reply? {
            HostReply::Blob(reply) => Ok(reply),
            other => panic!("another kind of reply: {other:?}"),
        }
    }

    pub async fn put(&self, tenant: &str, key: &str, bytes: &[u8]) -> Result<BlobReply, HostError> {
        self.ask(tenant, put(key, bytes)).await
    }

    pub async fn piece(&self, tenant: &str, key: &str, offset: u64, length: Option<u64>) -> Option<Piece> {
        let number = |n: u64| f64::from(u32::try_from(n).expect("small"));
        let get = BlobAction::Get { key: key.to_owned(), offset: number(offset), length: length.map(number) };
        match self.ask(tenant, get).await.expect("an answer") {
            BlobReply::Piece(piece) => piece,
            other => panic!("no piece: {other:?}"),
        }
    }

    /// All of an object, piece by piece.
    pub async fn get(&self, tenant: &str, key: &str) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let piece = self.piece(tenant, key, all.len() as u64, None).await?;
            assert!(piece.bytes.len() <= 1 << 20, "an answer of {} bytes", piece.bytes.len());
            all.extend_from_slice(&piece.bytes);
            if piece.bytes.is_empty() || all.len() as u64 >= piece.info.size_bytes {
                return Some(all);
            }
        }
    }

    pub async fn page(&self, tenant: &str, prefix: &str, cursor: Option<&str>) -> ObjectPage {
        let list = BlobAction::List { prefix: prefix.to_owned(), cursor: cursor.map(str::to_owned) };
        match self.ask(tenant, list).await.expect("a page") {
            BlobReply::Objects(page) => page,
            other => panic!("no page: {other:?}"),
        }
    }

    /// Every key with that prefix, page by page, sorted.
    pub async fn keys(&self, tenant: &str, prefix: &str) -> Vec<String> {
        let (mut keys, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = self.page(tenant, prefix, cursor.as_deref()).await;
            keys.extend(page.objects.into_iter().map(|(key, _)| key));
            cursor = page.cursor;
            if cursor.is_none() {
                keys.sort_unstable();
                return keys;
            }
        }
    }
}

/// Stores bytes as `text/plain`.
pub fn put(key: &str, bytes: &[u8]) -> BlobAction {
    BlobAction::Put { key: key.to_owned(), content_type: "text/plain".to_owned(), bytes: bytes.to_vec() }
}
