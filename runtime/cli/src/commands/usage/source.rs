//! Where usage is read.

use airlock_service::{Dimension, UsageQuery, UsageReport};
use airlock_store::{Reader, Store, StoreError};
use anyhow::Context as _;

use super::served;
use crate::{
    args::{ServerOptions, UsageFilterOptions, UsageSourceOptions},
    client::{Client, Rejected},
};

/// A state directory, or a server.
pub enum Source {
    State(Reader),
    Server(Box<Client>),
}

impl Source {
    /// Opens what the options say. A server is asked about one environment: the one that is named, or else the token's.
    pub async fn open(options: &UsageSourceOptions, environment: Option<&str>) -> anyhow::Result<Self> {
        let UsageSourceOptions { state, server, token, tls } = options;
        match (server, token) {
            (Some(server), Some(token)) => {
                let environment = environment.map(str::to_owned);
                let access = ServerOptions { token: token.clone(), environment, tls: tls.clone() };
                Ok(Self::Server(Box::new(Client::with_access(server, &access).await?)))
            }
            _ => Ok(Self::State(open_state(state)?)),
        }
    }

    /// Asks for a report.
    pub async fn usage(&self, query: UsageQuery) -> anyhow::Result<UsageReport> {
        match self {
            Self::State(reader) => match reader.usage(query).await {
                Err(why @ StoreError::TooMuch { .. }) => Err(why).context(
                    "ask for less: fewer of `--by`, `--step day`, a later `--since`, or a filter such as `--app`",
                ),
                other => Ok(other?),
            },
            Self::Server(client) => {
                let request = client.request(served::request(client.environment(), &query));
                let answer = client.usage().report(request).await.map_err(Rejected::from)?;
                Ok(served::report(answer.into_inner()))
            }
        }
    }
}

pub fn open_state(state: &std::path::Path) -> anyhow::Result<Reader> {
    Store::open_read_only(state).with_context(|| {
        format!("no usage can be read in `{}`: say where with `--state`, or `--server`", state.display())
    })
}

/// What the options let through.
pub fn only(options: &UsageFilterOptions) -> Vec<(Dimension, Vec<String>)> {
    let UsageFilterOptions { tenant, environment, app, function, revision, resource, subject, actor } = options;
    let all = [
        (Dimension::Tenant, tenant),
        (Dimension::Environment, environment),
        (Dimension::App, app),
        (Dimension::Function, function),
        (Dimension::Revision, revision),
        (Dimension::Resource, resource),
        (Dimension::Subject, subject),
        (Dimension::Actor, actor),
    ];
    all.into_iter().filter(|(_, values)| !values.is_empty()).map(|(one, values)| (one, values.clone())).collect()
}

/// The one environment that a server can be asked about.
pub fn environment(options: &UsageFilterOptions) -> Option<&str> {
    options.environment.first().map(String::as_str)
}
