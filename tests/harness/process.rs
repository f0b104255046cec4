//! `airlock serve` as operators start it: a process of its own, behind the wall.

use std::{
    io::{BufRead as _, BufReader},
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use airlock_access::{Algorithm, SigningKey, public_jwks};
use airlock_proto::v1::{
    DeployRequest, InvokeRequest, InvokeResponse, function_service_client::FunctionServiceClient,
    invocation_service_client::InvocationServiceClient,
};
use airlock_store::{AuditFilter, AuditRecord, Store};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tonic::{Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{CRM_SECRET, airlock_binary, crm::Crm, guests, sample_database, tokens::TokenSpec, with_token};

/// `nobody`.
pub const NOBODY: u32 = 65_534;
/// For a server to start or to end, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory with everything a server needs: configuration at L1, keys, secret, a database in a directory of its own.
pub struct Place {
    dir: TempDir,
    key: SigningKey,
    pub crm: Crm,
    user: Option<u32>,
}

impl Place {
    pub async fn make(user: Option<u32>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let key = SigningKey::generate(Algorithm::EdDsa, "test").expect("a key");
        let crm = Crm::start(CRM_SECRET).await;
        let config = include_str!("airlock.toml").replace("{{crm}}", &crm.address.to_string());
        let config = config.replace("\"L0\"", "\"L1\"").replace("orders.db", "data/orders.db");
        for name in ["data", "files"] {
            std::fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        sample_database(&dir.path().join("data/orders.db"));
        for (name, text) in
            [("airlock.toml", config), ("keys.json", public_jwks(&[&key])), ("crm-token", CRM_SECRET.to_owned())]
        {
            std::fs::write(dir.path().join(name), text).expect("a file");
        }
        let place = Self { dir, key, crm, user };
        place.give_away();
        place
    }

    /// Makes everything in it the user's own.
    pub fn give_away(&self) {
        let Some(user) = self.user else { return };
        let mut paths = vec![self.dir.path().to_owned()];
        while let Some(path) = paths.pop() {
            chown(&path, Some(user), Some(user)).expect("root may give files away");
            if path.is_dir() && !path.is_symlink() {
                paths.extend(
                    std::fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()),
                );
            }
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Replaces a text in the configuration.
    pub fn configure(&self, from: &str, to: &str) {
        let path = self.path("airlock.toml");
        let text = std::fs::read_to_string(&path).expect("readable");
        assert!(text.contains(from), "{from}");
        std::fs::write(path, text.replace(from, to)).expect("writable");
    }

    /// A program run as this place's user.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command.current_dir(self.dir.path());
        command
    }

    /// The compile cache: shared with all tests, or the user's own.
    pub fn cache_dir(&self) -> PathBuf {
        if self.user.is_some() { self.path("cache") } else { guests::target_dir().join("airlock-cache") }
    }

    /// What comes after the program's name.
    pub fn serve_arguments(&self) -> Vec<String> {
        let cache_dir = self.cache_dir();
        let words = ["serve", "--config", "airlock.toml", "--cache-dir", cache_dir.to_str().expect("UTF-8")];
        words.map(str::to_owned).into()
    }

    pub async fn serve(&self) -> Served<'_> {
        let mut command = self.command(&airlock_binary());
        command.args(self.serve_arguments());
        self.start(command).await
    }

    /// Starts a command that ends up as a server.
    pub async fn start(&self, mut command: Command) -> Served<'_> {
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut process = spawned.expect("a server");
        let said = listen_to(&mut process);
        let mut served = Served { place: self, process, said, lines: Vec::new(), channels: None };
        let data = served.wait_for_address("calls on ");
        let control = served.wait_for_address("control on ");
        served.channels = Some([connect(data).await, connect(control).await]);
        served
    }

    /// The whole trail, read from disk.
    pub async fn trail(&self) -> Vec<AuditRecord> {
        let reader = Store::open_read_only(&self.path("state")).expect("readable state");
        reader.query(AuditFilter { limit: Some(1_000), ..AuditFilter::default() }).await.expect("a trail")
    }
}

/// Every record behind this one, read from disk.
pub async fn whole_trail(state: &Path, after: u64) -> Vec<AuditRecord> {
    let reader = Store::open_read_only(state).expect("readable state");
    let mut trail: Vec<AuditRecord> = Vec::new();
    loop {
        let after = trail.last().map_or(after, |record| record.seq);
        let filter = AuditFilter { after_seq: Some(after), limit: Some(1_000), ..AuditFilter::default() };
        let page = reader.query(filter).await.expect("a trail");
        if page.is_empty() {
            return trail;
        }
        trail.extend(page);
    }
}

/// Lines of standard error, as they come.
fn listen_to(process: &mut Child) -> Receiver<String> {
    let (tell, said) = channel();
    let lines = BufReader::new(process.stderr.take().expect("piped")).lines();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| tell.send(line)));
    said
}

async fn connect(address: String) -> Channel {
    tonic::transport::Endpoint::from_shared(address).expect("an address").connect().await.expect("a connection")
}

/// A running server. Dropping it kills the process.
pub struct Served<'a> {
    place: &'a Place,
    process: Child,
    said: Receiver<String>,
    /// What it said so far.
    pub lines: Vec<String>,
    channels: Option<[Channel; 2]>,
}

impl Served<'_> {
    fn wait_for_address(&mut self, before: &str) -> String {
        loop {
            let line = self.said.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("the server did not start: {:#?}", self.lines));
            self.lines.push(line.clone());
            if let Some((_, address)) = line.split_once(before) {
                return address.trim().to_owned();
            }
        }
    }

    fn channel(&self, index: usize) -> Channel {
        self.channels.as_ref().and_then(|channels| channels.get(index)).expect("connected").clone()
    }

    pub async fn deploy(&self, manifest: &str, component: Vec<u8>) -> Result<(), Status> {
        self.deploy_as(&TokenSpec::control(), manifest, component).await
    }

    pub async fn deploy_as(&self, spec: &TokenSpec, manifest: &str, component: Vec<u8>) -> Result<(), Status> {
        let token = spec.mint(&self.place.key);
        let request = DeployRequest {
            environment: "dev".to_owned(),
            manifest_toml: manifest.to_owned(),
            component,
            sources: Vec::new(),
            signature: Vec::new(),
        };
        let mut client = FunctionServiceClient::new(self.channel(1)).max_encoding_message_size(64 << 20);
        client.deploy(with_token(request, &token)).await.map(drop)
    }

    pub async fn invoke(&self, function: &str, payload: &str) -> Result<InvokeResponse, Status> {
        self.invoke_as(&TokenSpec::everything(), function, payload).await
    }

    pub async fn invoke_as(&self, spec: &TokenSpec, function: &str, payload: &str) -> Result<InvokeResponse, Status> {
        let request = InvokeRequest {
            function: function.to_owned(),
            environment: "dev".to_owned(),
            payload: payload.as_bytes().to_vec(),
            request_id: String::new(),
            alias: String::new(),
        };
        let token = spec.mint(&self.place.key);
        let mut client = InvocationServiceClient::new(self.channel(0));
        client.invoke(with_token(request, &token)).await.map(tonic::Response::into_inner)
    }

    /// Whether health knows this service and says SERVING.
    pub async fn is_healthy(&self, service: &str) -> bool {
        let mut health = HealthClient::new(self.channel(0));
        let answer = health.check(HealthCheckRequest { service: service.to_owned() }).await;
        answer.is_ok_and(|answer| answer.into_inner().status == 1)
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it at once, with SIGKILL.
    pub fn kill(&self) {
        kill_process(Pid::from_child(&self.process), Signal::KILL).expect("a running server");
    }

    /// Tells it to stop, as a service manager would.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).expect("a running server");
    }

    /// Closes our connections.
    pub fn hang_up(&mut self) {
        self.channels = None;
    }

    /// Stops it, and gives how it ended and all it said.
    pub async fn stop(self) -> (ExitStatus, Vec<String>) {
        self.terminate();
        self.ended().await
    }

    /// Waits for its end, and gives how it ended and all it said.
    pub async fn ended(mut self) -> (ExitStatus, Vec<String>) {
        // Our own connections have to hear that they should go.
        let status = tokio::time::timeout(PATIENCE, async {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if let Some(status) = self.process.try_wait().expect("a child") {
                    return status;
                }
            }
        });
        let status = status.await.expect("the server does not end");
        let mut lines = std::mem::take(&mut self.lines);
        lines.extend(self.said.iter());
        (status, lines)
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ended = self.process.kill();
        let _ended = self.process.wait();
    }
}

/// Waits for a process to end by itself, within reason.
pub fn wait(process: &mut Child) -> ExitStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = process.try_wait().expect("a child") {
            return status;
        }
        assert!(Instant::now() < end, "the process does not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}
