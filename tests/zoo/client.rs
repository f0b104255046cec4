//! What a caller and a builder do, over gRPC, and what they are told.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use airlock_access::SigningKey;
use airlock_proto::v1::{
    DeployRequest, InvokeRequest, function_service_client::FunctionServiceClient,
    invocation_service_client::InvocationServiceClient, invoke_response,
};
use airlock_tests::{tokens::TokenSpec, with_token};
use tokio::time::{error::Elapsed, timeout};
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};
use tonic_types::StatusExt as _;

/// Room for a component, and for the largest result.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Beyond its deadline; then a call counts as hung.
const INVOKE_PATIENCE: Duration = Duration::from_secs(30);
/// For analysis, a turn of the compiler and its own time limit of 120 s.
const DEPLOY_PATIENCE: Duration = Duration::from_secs(180);
/// Characters of an explanation that the report keeps.
const DETAIL_CHARS_MAX: usize = 160;

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The stable name, as a specimen's `expected` has it.
    pub(crate) name: String,
    /// More names that fit as well: a refused component's other findings, or the name with its code.
    pub(crate) also: Vec<String>,
    /// What it said, for people.
    pub(crate) detail: String,
    /// The connection broke instead of an answer.
    pub(crate) is_lost: bool,
    /// When the server wants it to be tried again.
    pub(crate) retry_after: Option<Duration>,
}

/// No answer at all, long after there had to be one.
pub(crate) const HUNG: &str = "hang";
/// The connection broke.
pub(crate) const LOST: &str = "connection_lost";

/// Calls one server.
#[derive(Clone)]
pub(crate) struct Client {
    data: Channel,
    control: Channel,
    key: Arc<SigningKey>,
}

impl Client {
    pub(crate) async fn connect(data: SocketAddr, control: SocketAddr, key: Arc<SigningKey>) -> anyhow::Result<Self> {
        let channel = |address: SocketAddr| async move {
            anyhow::Ok(Endpoint::from_shared(format!("http://{address}"))?.connect().await?)
        };
        Ok(Self { data: channel(data).await?, control: channel(control).await?, key })
    }

    /// Deploys to `dev`: nothing, or how it was refused.
    pub(crate) async fn deploy(&self, manifest: &str, component: Vec<u8>) -> Result<(), Ended> {
        let request = DeployRequest {
            environment: "dev".to_owned(),
            manifest_toml: manifest.to_owned(),
            component,
            sources: Vec::new(),
            signature: Vec::new(),
        };
        let mut client = FunctionServiceClient::new(self.control.clone()).max_encoding_message_size(MESSAGE_BYTES_MAX);
        let request = with_token(request, &TokenSpec::control().mint(&self.key));
        match timeout(DEPLOY_PATIENCE, client.deploy(request)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(refused(&status)),
            Err(elapsed) => Err(hung(&elapsed)),
        }
    }

    /// A token for everything that a caller of `tenant` could have.
    pub(crate) fn token(&self, tenant: &str) -> String {
        TokenSpec::everything().tenant(tenant).mint(&self.key)
    }

    /// Calls a function in `dev`.
    pub(crate) async fn invoke(&self, token: &str, function: &str, payload: &str, wall_time: Duration) -> Ended {
        let request = InvokeRequest {
            function: function.to_owned(),
            environment: "dev".to_owned(),
            payload: payload.as_bytes().to_vec(),
            request_id: String::new(),
            alias: String::new(),
        };
        let mut client = InvocationServiceClient::new(self.data.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let request = with_token(request, token);
        match timeout(wall_time + INVOKE_PATIENCE, client.invoke(request)).await {
            Ok(Ok(answer)) => answered(answer.into_inner().result),
            Ok(Err(status)) => stopped(&status),
            Err(elapsed) => hung(&elapsed),
        }
    }
}

impl Ended {
    /// An end that needs no explanation.
    pub(crate) fn named(name: &str) -> Self {
        ended(name, "")
    }
}

fn ended(name: &str, detail: &str) -> Ended {
    let detail = detail.chars().filter(|c| !c.is_control()).take(DETAIL_CHARS_MAX).collect();
    Ended { name: name.to_owned(), also: Vec::new(), detail, is_lost: false, retry_after: None }
}

fn answered(result: Option<invoke_response::Result>) -> Ended {
    match result {
        Some(invoke_response::Result::Output(output)) => ended("returned", &String::from_utf8_lossy(&output)),
        Some(invoke_response::Result::FunctionError(error)) => {
            let also = vec![format!("function_error:{}", error.code)];
            Ended { also, ..ended("function_error", &format!("{}: {}", error.code, error.message)) }
        }
        None => ended("no_result", "the answer has no result"),
    }
}

fn stopped(status: &Status) -> Ended {
    match status.get_error_details().error_info() {
        Some(info) => ended(&info.reason, status.message()),
        None => Ended { is_lost: true, ..ended(LOST, &format!("{status:?}")) },
    }
}

/// A refused deploy: each of its findings is a name, or else its reason.
fn refused(status: &Status) -> Ended {
    let stopped = stopped(status);
    let details = status.get_error_details();
    let retry_after = details.retry_info().and_then(|info| info.retry_delay);
    let findings = details.precondition_failure().map(|failure| failure.violations.as_slice()).unwrap_or_default();
    let mut names = findings.iter().map(|finding| format!("rejected:{}", finding.r#type));
    let name = names.next().unwrap_or_else(|| stopped.name.clone());
    Ended { name, also: names.collect(), retry_after, ..stopped }
}

fn hung(_: &Elapsed) -> Ended {
    ended(HUNG, "no answer long after the deadline")
}
