//! The harness of the integration tests: a whole Airlock on loopback, with a real database and a real HTTP API.

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test's way to fail is to panic"
)]

pub mod approvals;
pub mod certificates;
pub mod command;
pub mod crm;
pub mod disk;
pub mod guests;
pub mod idp;
pub mod mariadb;
pub mod models;
pub mod postgres;
pub mod process;
pub mod redis;
pub mod s3;
pub mod shop;
pub mod stores;
pub mod tokens;
pub mod zoo;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use airlock_access::{Algorithm, SigningKey, public_jwks};
use airlock_proto::v1::{
    ConfigChange, DeployRequest, DeployResponse, InvokeRequest, InvokeResponse, ReloadRequest,
    approval_service_client::ApprovalServiceClient, audit_service_client::AuditServiceClient,
    function_service_client::FunctionServiceClient, invocation_service_client::InvocationServiceClient,
    invoke_response, operator_service_client::OperatorServiceClient, resource_service_client::ResourceServiceClient,
    token_service_client::TokenServiceClient, usage_service_client::UsageServiceClient,
};
use airlock_sandbox::Compiler;
use airlock_server::{DrainReport, ListenOptions, ServerHandle, TransportLimits, bind, serve};
use airlock_service::{App, AuditFilter, AuditRecord, Config, Parts};
use airlock_store::Store;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::{Request, Status, transport::Channel};
use tonic_types::StatusExt;

use certificates::Certificates;
use crm::Crm;
use tokens::TokenSpec;

/// The issuer that the harness's servers trust.
pub const ISSUER: &str = "https://tests.airlock.example";
/// The credential of the sample API: it must never be seen by a guest.
pub const CRM_SECRET: &str = "canary-crm-secret-7f3a91d2c4";

/// A key that a tenant brings for itself.
pub const OTHER_KEY: &str = "canary-own-key-of-globex-2c6e";

/// A running Airlock with everything around it.
pub struct Harness {
    dir: TempDir,
    key: SigningKey,
    server: Option<ServerHandle>,
    app: Option<Arc<App>>,
    pub crm: Crm,
    channels: Channels,
    compiler: Compiler,
    /// What the server speaks TLS with.
    certificates: Option<Certificates>,
}

struct Channels {
    data: Channel,
    control: Channel,
}

/// What `more_config` replaces when it has a section of that name.
const SANDBOX: &str = "[sandbox]\ninstances_max = 64\n";

/// How a harness differs from the usual one.
#[derive(Default)]
pub struct Options {
    /// TOML put at the end of the configuration.
    pub more_config: String,
}

impl Harness {
    /// Starts with the usual configuration: `dev` writes, `prod` does not.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub async fn start_with(options: Options) -> Self {
        Self::start_with_compiler(options, compiler()).await
    }

    /// Starts where the `airlock` binary may not be built.
    pub async fn start_with_compiler(options: Options, compiler: Compiler) -> Self {
        Self::start_at(options, compiler, None).await
    }

    /// Starts with listeners that speak TLS, as `tls` has it in the configuration. Its own clients show the certificate
    /// `client`.
    pub async fn start_over_tls(certificates: Certificates, tls: &str) -> Self {
        let options = Options { more_config: certificates.config(tls) };
        Self::start_at(options, compiler(), Some(certificates)).await
    }

    async fn start_at(options: Options, compiler: Compiler, certificates: Option<Certificates>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let key = SigningKey::generate(Algorithm::EdDsa, "test").expect("a key");
        let crm = Crm::start(CRM_SECRET).await;
        std::fs::write(dir.path().join("keys.json"), public_jwks(&[&key])).expect("write keys");
        std::fs::write(dir.path().join("crm-token"), CRM_SECRET).expect("write secret");
        std::fs::write(dir.path().join("shop-token"), shop::SHOP_SECRET).expect("write secret");
        std::fs::write(dir.path().join("models-key"), models::MODELS_SECRET).expect("write secret");
        std::fs::write(dir.path().join("other-key"), OTHER_KEY).expect("write secret");
        std::fs::write(dir.path().join("shop.graphql"), shop::SHOP_SDL).expect("write schema");
        sample_database(&dir.path().join("orders.db"));
        std::fs::create_dir(dir.path().join("files")).expect("a directory");
        let config = include_str!("airlock.toml").replace("{{crm}}", &crm.address.to_string());
        let own = if options.more_config.contains("[sandbox]") { SANDBOX } else { "" };
        let config = config.replacen(own, "", 1);
        std::fs::write(dir.path().join("airlock.toml"), format!("{config}\n{}", options.more_config))
            .expect("write config");
        let (server, app) = start_server(dir.path(), compiler.clone()).await;
        let channels = connect(&server, certificates.as_ref()).await;
        Self { dir, key, server: Some(server), app: Some(app), crm, channels, compiler, certificates }
    }

    /// Stops the server and starts another on the same state.
    pub async fn restart(&mut self) {
        if let Some(server) = self.server.take() {
            server.drain(Duration::from_secs(5)).await;
        }
        // One at a time on the same state.
        self.app = None;
        let (server, app) = start_server(self.dir.path(), self.compiler.clone()).await;
        self.app = Some(app);
        self.channels = connect(&server, self.certificates.as_ref()).await;
        self.server = Some(server);
    }

    pub fn is_over_tls(&self) -> bool {
        self.certificates.is_some()
    }

    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("a server over TLS")
    }

    pub fn server(&self) -> &ServerHandle {
        self.server.as_ref().expect("running")
    }

    /// The application behind the server.
    pub fn app(&self) -> &Arc<App> {
        self.app.as_ref().expect("running")
    }

    /// Stops the server as SIGTERM does, and the application with it.
    pub async fn drain(&mut self, grace: Duration) -> DrainReport {
        let report = self.server.take().expect("running").drain(grace).await;
        self.app = None;
        report
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Mints a token with the harness's own key.
    pub fn token(&self, spec: &TokenSpec) -> String {
        spec.mint(&self.key)
    }

    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    pub fn invocations(&self) -> InvocationServiceClient<Channel> {
        InvocationServiceClient::new(self.channels.data.clone())
    }

    pub fn functions(&self) -> FunctionServiceClient<Channel> {
        FunctionServiceClient::new(self.channels.control.clone()).max_encoding_message_size(64 << 20)
    }

    pub fn audit_service(&self) -> AuditServiceClient<Channel> {
        AuditServiceClient::new(self.channels.control.clone())
    }

    pub fn operator(&self) -> OperatorServiceClient<Channel> {
        OperatorServiceClient::new(self.channels.control.clone())
    }

    pub fn approvals(&self) -> ApprovalServiceClient<Channel> {
        ApprovalServiceClient::new(self.channels.control.clone())
    }

    pub fn tokens(&self) -> TokenServiceClient<Channel> {
        TokenServiceClient::new(self.channels.control.clone())
    }

    pub fn resource_service(&self) -> ResourceServiceClient<Channel> {
        ResourceServiceClient::new(self.channels.control.clone())
    }

    pub fn usage_service(&self) -> UsageServiceClient<Channel> {
        UsageServiceClient::new(self.channels.control.clone())
    }

    /// The text of the configuration file as it is now.
    pub fn config(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("airlock.toml")).expect("a configuration")
    }

    /// Replaces the configuration file; the server does not know until it is told.
    pub fn set_config(&self, text: &str) {
        std::fs::write(self.dir.path().join("airlock.toml"), text).expect("write config");
    }

    /// Has the server read its configuration again, and gives what changed, one `key: old -> new` each.
    pub async fn reload(&self) -> Result<Vec<String>, Status> {
        let token = self.token(&TokenSpec::operator());
        let request = ReloadRequest { environment: "dev".to_owned() };
        let changes = self.operator().reload(with_token(request, &token)).await?.into_inner().changes;
        let shown = |value: Option<String>| value.unwrap_or_else(|| "(none)".to_owned());
        let change = |one: ConfigChange| format!("{}: {} -> {}", one.key, shown(one.old_value), shown(one.new_value));
        Ok(changes.into_iter().map(change).collect())
    }

    /// Deploys a component to `dev`.
    pub async fn deploy(&self, manifest: &str, component: Vec<u8>) -> Result<DeployResponse, Status> {
        self.deploy_to("dev", manifest, component).await
    }

    pub async fn deploy_to(
        &self,
        environment: &str,
        manifest: &str,
        component: Vec<u8>,
    ) -> Result<DeployResponse, Status> {
        let token = self.token(&TokenSpec::control().environment(environment));
        let request = DeployRequest {
            environment: environment.to_owned(),
            manifest_toml: manifest.to_owned(),
            component,
            sources: Vec::new(),
            signature: Vec::new(),
        };
        self.functions().deploy(with_token(request, &token)).await.map(tonic::Response::into_inner)
    }

    /// Deploys a guest that `./scripts/test` built, with its own manifest.
    pub async fn deploy_built(&self, guest: &str) {
        let (manifest, component) = guests::built(guest);
        self.deploy(&manifest, component).await.unwrap_or_else(|status| panic!("{guest}: {status:?}"));
    }

    /// Deploys `handle`, the body of a core function, under `name`; `limits` go into its manifest.
    pub async fn deploy_wat(&self, name: &str, guest: &guests::WatGuest, limits: &str) {
        let manifest = format!("name = \"{name}\"\nlanguage = \"component\"\n[limits]\n{limits}\n");
        self.deploy(&manifest, guest.component()).await.unwrap_or_else(|status| panic!("{name}: {status:?}"));
    }

    /// Calls a function in `dev` with a token for everything.
    pub async fn invoke(&self, function: &str, payload: &str) -> Result<InvokeResponse, Status> {
        self.invoke_as(&TokenSpec::everything(), function, payload).await
    }

    pub async fn invoke_as(&self, spec: &TokenSpec, function: &str, payload: &str) -> Result<InvokeResponse, Status> {
        self.invoke_with(&self.token(spec), spec.environment_name(), function, payload).await
    }

    pub async fn invoke_with(
        &self,
        token: &str,
        environment: &str,
        function: &str,
        payload: &str,
    ) -> Result<InvokeResponse, Status> {
        let request = InvokeRequest {
            function: function.to_owned(),
            environment: environment.to_owned(),
            payload: payload.as_bytes().to_vec(),
            ..InvokeRequest::default()
        };
        self.invocations().invoke(with_token(request, token)).await.map(tonic::Response::into_inner)
    }

    /// Calls the probe guest and gives what it returned.
    pub async fn probe(&self, spec: &TokenSpec, call: &str) -> Value {
        output(&self.invoke_as(spec, "sql-probe", call).await.expect("the probe answers"))
    }

    /// Calls the probe of stores and gives what it returned.
    pub async fn probe_stores(&self, spec: &TokenSpec, call: &str) -> Value {
        output(&self.invoke_as(spec, "store-probe", call).await.expect("the probe answers"))
    }

    /// The whole trail, read from disk beside the running server.
    pub async fn trail(&self) -> Vec<AuditRecord> {
        let reader = Store::open_read_only(&self.dir.path().join("state")).expect("readable state");
        reader.query(AuditFilter { limit: Some(1_000), ..AuditFilter::default() }).await.expect("a trail")
    }

    /// Every record of the trail, however many there are.
    pub async fn whole_trail(&self) -> Vec<AuditRecord> {
        process::whole_trail(&self.dir.path().join("state"), 0).await
    }

    /// Whether the server still answers.
    pub async fn is_serving(&self) -> bool {
        let mut health = tonic_health_client(&self.channels.data);
        health.check(tonic_health::pb::HealthCheckRequest::default()).await.is_ok()
    }
}

fn tonic_health_client(channel: &Channel) -> tonic_health::pb::health_client::HealthClient<Channel> {
    tonic_health::pb::health_client::HealthClient::new(channel.clone())
}

/// A request with a bearer token.
pub fn with_token<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("ascii"));
    request
}

/// One HTTP/1.1 request with a JSON body, by hand, as `curl` would send it: status and the whole answer.
pub async fn http_post(address: SocketAddr, path: &str, headers: &[(&str, String)], body: &str) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         {headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    (status, answer)
}

/// The stable reason of a refusal.
pub fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map_or_else(|| format!("no reason: {status:?}"), |info| info.reason.clone())
}

/// What to do about a refusal.
pub fn hint(status: &Status) -> String {
    let details = status.get_error_details();
    details.error_info().and_then(|info| info.metadata.get("hint").cloned()).unwrap_or_default()
}

/// The JSON that a function returned.
pub fn output(response: &InvokeResponse) -> Value {
    match &response.result {
        Some(invoke_response::Result::Output(bytes)) => serde_json::from_slice(bytes).expect("JSON"),
        other => panic!("no output: {other:?}"),
    }
}

/// The error that a function returned: code and details.
pub fn function_error(response: &InvokeResponse) -> (String, Value) {
    match &response.result {
        Some(invoke_response::Result::FunctionError(error)) => {
            (error.code.clone(), serde_json::from_slice(&error.details).unwrap_or_default())
        }
        other => panic!("no function error: {other:?}"),
    }
}

async fn start_server(dir: &Path, compiler: Compiler) -> (ServerHandle, Arc<App>) {
    let config = Config::load(&dir.join("airlock.toml")).expect("a valid configuration");
    let bound = bind(&ListenOptions {
        data: config.server.data,
        control: config.server.control,
        metrics: config.telemetry.metrics_listener(),
        workers: config.server.workers.unwrap_or(std::num::NonZeroUsize::MIN),
        limits: TransportLimits { in_flight_max: config.in_flight_max().get(), ..TransportLimits::BUILT_IN },
    })
    .expect("free ports");
    let own_listeners = bound.addresses();
    let app = App::open(Parts { config, compiler, own_listeners }).await.expect("the application opens");
    let app = Arc::new(app);
    (serve(bound, Arc::clone(&app)).expect("serving"), app)
}

async fn connect(server: &ServerHandle, certificates: Option<&Certificates>) -> Channels {
    let channel = |address: SocketAddr| async move {
        let endpoint = match certificates {
            Some(certificates) => certificates.endpoint(address, Some("client")),
            None => tonic::transport::Endpoint::from_shared(format!("http://{address}")).expect("an address"),
        };
        endpoint.connect().await.expect("a connection")
    };
    Channels { data: channel(server.data_addr()).await, control: channel(server.control_addr()).await }
}

/// The compile child is the `airlock` binary beside the test binary.
fn compiler() -> Compiler {
    let cache = guests::target_dir().join("airlock-cache");
    let arguments = ["compile-child", "--cache-dir", cache.to_str().expect("UTF-8")].map(str::to_owned);
    Compiler::new(airlock_binary(), arguments.into())
}

/// How often a repeated test repeats: a number from the environment, or the one that continuous integration takes.
pub fn times(variable: &str, usual: usize) -> usize {
    std::env::var(variable)
        .map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}: no number")))
}

/// Path of the built `airlock` binary.
pub fn airlock_binary() -> PathBuf {
    let exe = std::env::current_exe().expect("this program");
    let binary = exe.ancestors().map(|dir| dir.join("airlock")).find(|path| path.is_file());
    binary.expect("the airlock binary: run `cargo build -p airlock` or ./scripts/test")
}

fn sample_database(path: &Path) {
    // As a server does: SQLite's memory is taken over before the first database is opened.
    drop(airlock_resources::Resources::new());
    let database = rusqlite::Connection::open(path).expect("a database");
    database.execute_batch(include_str!("orders.sql")).expect("sample data");
}
