//! How often each RPC is asked, how it answers and how long that takes.

use std::{collections::HashMap, sync::Arc, time::Instant};

use airlock_service::telemetry::{RpcMetrics, Telemetry};
use http::Response;
use tonic::{Code, Status};

use crate::json::Contract;

/// The counters of every RPC, looked up once for all requests.
pub(crate) struct Rpcs {
    known: HashMap<String, Arc<RpcMetrics>>,
    /// Of everything that is no RPC: whoever asks for it makes no series.
    other: Arc<RpcMetrics>,
}

impl Rpcs {
    pub(crate) fn new(contract: &Contract, telemetry: &Telemetry) -> Self {
        let one = |path: &str| (path.to_owned(), telemetry.rpc(path.trim_start_matches('/')));
        Self { known: contract.paths().map(one).collect(), other: telemetry.rpc("other") }
    }

    /// Whether a path is one of an RPC.
    pub(crate) fn is_known(&self, path: &str) -> bool {
        self.known.contains_key(path)
    }

    /// A request for this path is here.
    pub(crate) fn begin(&self, path: &str) -> Asked {
        Asked {
            metrics: Arc::clone(self.known.get(path).unwrap_or(&self.other)),
            began: Instant::now(),
            code: Code::Cancelled as i32,
        }
    }
}

/// A request that has no answer yet. One that is dropped had nobody waiting any more.
pub(crate) struct Asked {
    metrics: Arc<RpcMetrics>,
    began: Instant,
    code: i32,
}

impl Asked {
    /// Its answer begins.
    pub(crate) fn answered<B>(mut self, response: &Response<B>) {
        self.code = code(response);
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.metrics.count(self.code, self.began.elapsed());
    }
}

/// The status code that an answer begins with: an RPC that succeeds says so at its end, which is not here yet.
pub(crate) fn code<B>(response: &Response<B>) -> i32 {
    if let Some(code) = response.extensions().get::<Code>() {
        return *code as i32;
    }
    let said = response.headers().get(Status::GRPC_STATUS);
    said.map_or(Code::Ok as i32, |code| Code::from_bytes(code.as_bytes()) as i32)
}
