//! A host for components under test: the imports of the contract, and nothing that they must not have.

mod exchange;
mod held;

use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};

use wasmtime::component::{Accessor, Component, ComponentType, Lift, Linker, Lower};
use wasmtime::{Config, Engine, Store};

use super::options;
use crate::cache::EngineCache;

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(record)]
struct Denied {
    reason: String,
    rule: String,
    hint: String,
}

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(record)]
struct LimitExceeded {
    limit: String,
    configured: f64,
    used: f64,
    hint: String,
}

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(record)]
struct BackendError {
    code: String,
    message: String,
}

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(variant)]
enum HostError {
    #[component(name = "denied")]
    Denied(Denied),
    #[component(name = "limit")]
    Limit(LimitExceeded),
    #[component(name = "timeout")]
    Timeout(String),
    #[component(name = "unavailable")]
    Unavailable(String),
    #[component(name = "bad-request")]
    BadRequest(String),
    #[component(name = "backend")]
    Backend(BackendError),
}

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(record)]
pub(super) struct FunctionError {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) details: String,
}

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(record)]
struct Column {
    name: String,
    #[component(name = "database-type")]
    database_type: String,
}

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(record)]
struct Rows {
    columns: Vec<Column>,
    rows: String,
    truncated: bool,
}

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(record)]
struct Affected {
    rows: f64,
}

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(record)]
struct Request {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(record)]
struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

#[derive(ComponentType, Lift, Lower, Clone, Copy, Debug, PartialEq, Eq)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "made by lifting")]
pub(super) enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

#[derive(ComponentType, Lift, Lower, Clone, Debug)]
#[component(record)]
struct Invocation {
    id: String,
    function: String,
    revision: String,
    environment: String,
    tenant: String,
    principal: String,
    #[component(name = "deadline-unix-ms")]
    deadline_unix_ms: f64,
}

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// What a host saw of one run.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) statements: Vec<(String, String)>,
    pub(super) log: Vec<(Level, String, String)>,
    /// Most host calls under way at once.
    pub(super) overlap: usize,
    under_way: usize,
}

type Shared = Arc<Mutex<Seen>>;

/// Compiles a component, to be run as often as needed.
pub(super) fn compile(component: &[u8]) -> Component {
    let component = Component::new(engine(), component).unwrap();
    // What this process compiled helps the next one.
    cache().flush();
    component
}

/// Runs the handler once in a fresh instance.
pub(super) fn run(component: &Component, input: &str) -> (Result<String, FunctionError>, Seen) {
    let seen = Shared::default();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let result = runtime.block_on(call(component, input, &seen)).unwrap();
    let seen = seen.lock().unwrap().clone();
    (result, seen)
}

fn cache() -> &'static EngineCache {
    static CACHE: OnceLock<EngineCache> = OnceLock::new();
    CACHE.get_or_init(|| EngineCache::open(&options().cache_dir.join("run"), 256 << 20).unwrap())
}

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut config = Config::new();
        config.wasm_component_model_async(true).cranelift_opt_level(wasmtime::OptLevel::None);
        config.enable_incremental_compilation(cache().store()).unwrap();
        Engine::new(&config).unwrap()
    })
}

#[expect(clippy::disallowed_methods, reason = "a test's own host")]
async fn call(component: &Component, input: &str, seen: &Shared) -> wasmtime::Result<Result<String, FunctionError>> {
    let engine = engine();
    let mut linker = Linker::new(engine);
    contract(&mut linker, seen)?;
    wasi(&mut linker, component)?;
    let mut store = Store::new(engine, ());
    let instance = linker.instantiate_async(&mut store, component).await?;
    let (_, interface) = instance.get_export(&mut store, None, "airlock:guest/handler@1.0.0").unwrap();
    let (_, function) = instance.get_export(&mut store, Some(&interface), "handle").unwrap();
    let handle = instance.get_typed_func::<(String,), (Result<String, FunctionError>,)>(&mut store, function)?;
    let input = input.to_owned();
    let (result,) = store.run_concurrent(async |accessor| handle.call_concurrent(accessor, (input,)).await).await??;
    Ok(result)
}

fn contract(linker: &mut Linker<()>, seen: &Shared) -> wasmtime::Result<()> {
    let log = Arc::clone(seen);
    linker.instance("airlock:guest/log@1.0.0")?.func_wrap(
        "write",
        move |_, (level, message, fields): (Level, String, String)| {
            log.lock().unwrap().log.push((level, message, fields));
            Ok(())
        },
    )?;
    linker.instance("airlock:guest/context@1.0.0")?.func_wrap("current", |_, (): ()| {
        let [id, function, revision, environment, tenant, principal] =
            ["i-1", "under-test", "r-1", "dev", "acme", "ada"].map(String::from);
        let deadline_unix_ms = 4e12;
        Ok((Invocation { id, function, revision, environment, tenant, principal, deadline_unix_ms },))
    })?;
    let mut sql = linker.instance("resources:orders-db/sql@1.0.0")?;
    let queries = Arc::clone(seen);
    sql.func_wrap_concurrent("query", move |_: &Accessor<()>, (statement, parameters): (String, String)| {
        let seen = Arc::clone(&queries);
        Box::pin(async move {
            overlapping(&seen, &statement, &parameters).await;
            Ok((query(&statement, &parameters),))
        }) as Pin<Box<dyn Future<Output = _> + Send>>
    })?;
    let executions = Arc::clone(seen);
    sql.func_wrap_concurrent("execute", move |_: &Accessor<()>, (statement, parameters): (String, String)| {
        let seen = Arc::clone(&executions);
        Box::pin(async move {
            overlapping(&seen, &statement, &parameters).await;
            Ok((Ok::<_, HostError>(Affected { rows: 2.0 }),))
        }) as Pin<Box<dyn Future<Output = _> + Send>>
    })?;
    held::link(&mut sql, seen)?;
    let mut http = linker.instance("resources:crm/http@1.0.0")?;
    http.func_wrap_concurrent("send", |_: &Accessor<()>, (request,): (Request,)| {
        Box::pin(async move { Ok((respond(request),)) }) as Pin<Box<dyn Future<Output = _> + Send>>
    })?;
    exchange::link(&mut http)
}

/// Counts the call as under way while other tasks get their turn.
async fn overlapping(seen: &Shared, statement: &str, parameters: &str) {
    {
        let mut seen = seen.lock().unwrap();
        seen.statements.push((statement.to_owned(), parameters.to_owned()));
        seen.under_way += 1;
        seen.overlap = seen.overlap.max(seen.under_way);
    }
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    seen.lock().unwrap().under_way -= 1;
}

/// A database that knows a few statements.
fn query(statement: &str, parameters: &str) -> Result<Rows, HostError> {
    let text = |text: &str| text.to_owned();
    let column = |name: &str| Column { name: name.to_owned(), database_type: "TEXT".to_owned() };
    match statement {
        "select id, total from orders where customer = $1 order by id" if parameters == "[\"ada\"]" => {
            let rows = text("[[1,19.5],[2,5.0],[3,100.25]]");
            Ok(Rows { columns: vec![column("id"), column("total")], rows, truncated: false })
        }
        "denied" => {
            let [reason, rule, hint] = ["not_granted", "grant orders-db:read", "ask for it"].map(String::from);
            Err(HostError::Denied(Denied { reason, rule, hint }))
        }
        "limit" => {
            let (limit, hint) = (text("host_calls"), text("raise it"));
            Err(HostError::Limit(LimitExceeded { limit, configured: 4.0, used: 5.0, hint }))
        }
        "timeout" => Err(HostError::Timeout(text("took too long"))),
        "unavailable" => Err(HostError::Unavailable(text("not reachable"))),
        "bad request" => Err(HostError::BadRequest(text("no statement"))),
        "backend" => Err(HostError::Backend(BackendError { code: text("42P01"), message: text("no such table") })),
        _ => {
            let rows = format!("[[1,{}],[2,\"second\"]]", serde_json::to_string(parameters).unwrap());
            Ok(Rows { columns: vec![column("id"), column("parameters")], rows, truncated: true })
        }
    }
}

/// An API that tells what it was asked, and knows one customer.
fn respond(request: Request) -> Result<Response, HostError> {
    let json = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    let Request { method, path, query, headers, body } = request;
    if path == "/customers/ada" {
        return Ok(Response { status: 200, headers: json, body: br#"{"tier":"gold","name":"Ad\u00e9"}"#.to_vec() });
    }
    let body = body.map(|body| String::from_utf8(body).unwrap());
    let status = if path == "/customers/nobody" { 404 } else { 201 };
    let asked = serde_json::json!({ "method": method, "path": path, "query": query, "headers": headers, "body": body });
    Ok(Response { status, headers: json, body: asked.to_string().into_bytes() })
}

/// Clocks and randomness under whatever version the component asks for.
fn wasi(linker: &mut Linker<()>, component: &Component) -> wasmtime::Result<()> {
    let interfaces = component.component_type();
    for (name, _) in interfaces.imports(engine()) {
        match name.split('@').next().unwrap() {
            "wasi:clocks/wall-clock" => linker
                .instance(name)?
                .func_wrap("now", |_, (): ()| Ok((Datetime { seconds: 1_700_000_000, nanoseconds: 5_000_000 },)))?,
            "wasi:clocks/monotonic-clock" => linker.instance(name)?.func_wrap("now", |_, (): ()| Ok((7_u64,)))?,
            "wasi:random/random" => {
                linker.instance(name)?.func_wrap("get-random-bytes", |_, (length,): (u64,)| {
                    Ok(((0..length).map(|_| fresh_byte()).collect::<Vec<u8>>(),))
                })?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn fresh_byte() -> u8 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0).to_le_bytes()[0]
}
