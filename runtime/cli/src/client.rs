//! Talking to a server, and telling its refusals.

use std::{collections::BTreeMap, io::Read, str::FromStr, time::Duration};

use airlock_proto::v1::{
    approval_service_client::ApprovalServiceClient, audit_service_client::AuditServiceClient,
    function_service_client::FunctionServiceClient, invocation_service_client::InvocationServiceClient,
    log_service_client::LogServiceClient, operator_service_client::OperatorServiceClient,
    resource_service_client::ResourceServiceClient, token_service_client::TokenServiceClient,
    usage_service_client::UsageServiceClient,
};
use anyhow::Context;
use serde::Serialize;
use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    transport::Endpoint,
};
use tonic_types::StatusExt;

use crate::{
    args::{ControlOptions, ServerOptions, TlsOptions},
    proofs::Wire,
    tls,
};

/// For a connection, its TLS handshake included.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Largest component a server takes, with room for its sources.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// A server's refusal, as a person should see it.
#[derive(Debug, Clone, Serialize, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct Rejected {
    /// Stable name.
    pub reason: String,
    /// What happened and what to do.
    pub message: String,
    /// gRPC code.
    pub code: String,
    /// Facts: limit, configured, used, source.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// What analysis found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

impl Rejected {
    /// One line for each fact and finding.
    pub fn details(&self) -> Vec<String> {
        let facts = self.facts.iter().map(|(name, value)| format!("{name}: {value}"));
        facts.chain(self.findings.iter().cloned()).collect()
    }
}

impl From<Status> for Rejected {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let (reason, mut facts) = match details.error_info() {
            Some(info) => (info.reason.clone(), info.metadata.clone().into_iter().collect()),
            // tonic's client ends a call at its own deadline, in the same moment as the server would.
            None if status.message() == "Timeout expired" => {
                let hint = "`--timeout-ms` passed before the answer came; give more, or make the function need less";
                ("time_exhausted".to_owned(), BTreeMap::from([("hint".to_owned(), hint.to_owned())]))
            }
            None => ("transport".to_owned(), tls::broken(&status)),
        };
        let message = match facts.remove("hint") {
            Some(hint) => format!("{}; {hint}", status.message()),
            None => status.message().to_owned(),
        };
        let findings = details.precondition_failure().map(|failure| {
            failure.violations.iter().map(|v| format!("{} at {}: {}", v.r#type, v.subject, v.description)).collect()
        });
        Self { reason, message, code: format!("{:?}", status.code()), facts, findings: findings.unwrap_or_default() }
    }
}

impl From<airlock_model::Failure> for Rejected {
    fn from(failure: airlock_model::Failure) -> Self {
        let findings =
            failure.findings.iter().map(|f| format!("{} at {}: {}; {}", f.rule, f.location, f.message, f.fix));
        let facts =
            failure.limit.iter().flat_map(|report| report.facts()).map(|(name, value)| (name.to_owned(), value));
        Self {
            reason: failure.reason.to_string(),
            message: format!("{}; {}", failure.message, failure.hint),
            code: "Local".to_owned(),
            facts: facts.collect(),
            findings: findings.collect(),
        }
    }
}

/// The environment of whoever says none, with a token that names none.
const ENVIRONMENT: &str = "dev";

/// A connection with the token that goes with every request.
#[derive(Clone)]
pub struct Client {
    wire: Wire,
    authorization: MetadataValue<Ascii>,
    environment: String,
}

impl Client {
    /// Connects to `http://host:port` or `https://host:port`.
    pub async fn connect(server: &str, token: &str, tls: &TlsOptions) -> anyhow::Result<Self> {
        let endpoint = Endpoint::from_str(server)
            .with_context(|| format!("`{server}` is not an address such as http://127.0.0.1:7070"))?
            .connect_timeout(CONNECT_MAX);
        let uri = endpoint.uri().clone();
        let is_tls = endpoint.uri().scheme_str() == Some("https");
        let endpoint = if is_tls { endpoint.tls_config(tls::client(tls)?)? } else { endpoint };
        tls::check_use(server, is_tls, tls)?;
        let channel = endpoint.connect().await.map_err(|why| {
            let advice = tls::advice(&why, server, tls)
                .unwrap_or_else(|| format!("no server answers at {server}; say where it is with --server"));
            anyhow::Error::new(why).context(advice)
        })?;
        let wire = Wire::new(channel, &uri, tls.dpop_key.as_deref())?;
        Ok(Self { wire, authorization: bearer(token)?, environment: environment_of(token) })
    }

    /// Connects with the token of a command, for the environment that is asked for, or else the one that the token names.
    pub async fn with_access(server: &str, access: &ServerOptions) -> anyhow::Result<Self> {
        let client = Self::connect(server, &token_argument(&access.token)?, &access.tls).await?;
        let environment = access.environment.clone().unwrap_or_else(|| client.environment.clone());
        Ok(Self { environment, ..client })
    }

    /// Connects to ask for a token: without one.
    pub async fn without_token(server: &str, tls: &TlsOptions) -> anyhow::Result<Self> {
        Self::connect(server, "", tls).await
    }

    /// Connects to a control plane.
    pub async fn to_control(options: &ControlOptions) -> anyhow::Result<Self> {
        Self::with_access(&options.server, &options.access).await
    }

    /// The same connection with another token.
    pub fn with_token(&self, token: &str) -> anyhow::Result<Self> {
        let (wire, environment) = (self.wire.clone(), environment_of(token));
        Ok(Self { wire, authorization: bearer(token)?, environment })
    }

    /// Where this is about.
    pub fn environment(&self) -> String {
        self.environment.clone()
    }

    /// A request that carries the token.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.authorization.clone());
        request
    }

    /// Calls functions.
    pub fn invocations(&self) -> InvocationServiceClient<Wire> {
        InvocationServiceClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Asks what operators ask.
    pub fn operator(&self) -> OperatorServiceClient<Wire> {
        OperatorServiceClient::new(self.wire.clone())
    }

    /// Reads the audit trail.
    pub fn audit(&self) -> AuditServiceClient<Wire> {
        AuditServiceClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Reads usage.
    pub fn usage(&self) -> UsageServiceClient<Wire> {
        UsageServiceClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Reads what functions write.
    pub fn logs(&self) -> LogServiceClient<Wire> {
        LogServiceClient::new(self.wire.clone())
    }

    /// Looks at what functions can use.
    pub fn resources(&self) -> ResourceServiceClient<Wire> {
        ResourceServiceClient::new(self.wire.clone())
    }

    /// Gives, narrows and ends tokens.
    pub fn tokens(&self) -> TokenServiceClient<Wire> {
        TokenServiceClient::new(self.wire.clone())
    }

    /// Decides what functions may change.
    pub fn approvals(&self) -> ApprovalServiceClient<Wire> {
        ApprovalServiceClient::new(self.wire.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Deploys functions.
    pub fn functions(&self) -> FunctionServiceClient<Wire> {
        FunctionServiceClient::new(self.wire.clone())
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

fn bearer(token: &str) -> anyhow::Result<MetadataValue<Ascii>> {
    format!("Bearer {token}").parse().context("the token has characters that no token has")
}

/// The environment that a token names. Nothing is verified: it is the server that decides, and a token is for one
/// environment only.
fn environment_of(token: &str) -> String {
    let claims = airlock_access::claims_unverified(token);
    let named = claims.as_ref().and_then(|claims| claims.get("environment")?.as_str());
    named.unwrap_or(ENVIRONMENT).to_owned()
}

/// Text given as itself, as `@file`, or as `-` for standard input.
pub fn text_argument(argument: &str) -> anyhow::Result<String> {
    match (argument, argument.strip_prefix('@')) {
        ("-", _) => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            Ok(text)
        }
        (_, Some(file)) => std::fs::read_to_string(file).with_context(|| format!("cannot read `{file}`")),
        (text, None) => Ok(text.to_owned()),
    }
}

/// A token given as [`text_argument`] takes it.
pub fn token_argument(argument: &str) -> anyhow::Result<String> {
    Ok(text_argument(argument)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use airlock_access::{Algorithm, SigningKey, mint_foreign};
    use serde_json::json;

    use super::environment_of;

    #[test]
    fn a_token_says_where_it_is_for_and_dev_is_only_a_last_guess() {
        let key = SigningKey::generate(Algorithm::EdDsa, "test").unwrap();
        let token = |claims| mint_foreign(&key, "airlock+jwt", &claims).unwrap();
        assert_eq!(environment_of(&token(json!({"environment": "prod"}))), "prod");
        for odd in [token(json!({"environment": 7})), token(json!({})), "nonsense".to_owned(), String::new()] {
            assert_eq!(environment_of(&odd), "dev", "{odd}");
        }
    }
}
