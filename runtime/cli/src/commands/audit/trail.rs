//! Where `airlock audit query` reads: a state directory, or a server.

use std::{path::Path, pin::Pin, time::Duration};

use airlock_model::{AuditEvent, Decision, Digest, ValueField, ValuePolicy};
use airlock_proto::v1::{self, AuditServiceQueryRequest, AuditServiceTailRequest};
use airlock_store::{AuditFilter, AuditOrder, AuditPage, AuditRecord, KeptValue, Reader, Store};
use anyhow::{Context as _, bail};
use futures::{Stream, StreamExt as _, stream};

use crate::{
    args::TrailOptions,
    client::{Client, Rejected, token_argument},
};

/// How often a state directory is looked at for more.
const LOOKS_EVERY: Duration = Duration::from_millis(200);

/// A trail that can be searched.
pub enum Trail {
    /// Of a state directory.
    State(Reader),
    /// Of a server, as far as the token goes.
    Server(Client),
}

/// Pages as they come.
pub type Pages = Pin<Box<dyn Stream<Item = anyhow::Result<AuditPage>> + Send>>;

impl Trail {
    /// Opens what the options say.
    pub async fn open(options: &TrailOptions) -> anyhow::Result<Self> {
        let Some(server) = &options.server else {
            let state = options.state.as_deref().unwrap_or(Path::new("state"));
            return Ok(Self::State(Store::open_read_only(state)?));
        };
        let Some(token) = &options.token else {
            bail!("a server wants a token: give one that has `audit:read` with --token or AIRLOCK_TOKEN");
        };
        Ok(Self::Server(Client::connect(server, &token_argument(token)?, &options.tls).await?))
    }

    /// One page.
    pub async fn page(&self, filter: &AuditFilter) -> anyhow::Result<AuditPage> {
        match self {
            Self::State(reader) => Ok(reader.search(filter.clone()).await?),
            Self::Server(client) => {
                let asked = question(filter, client);
                let answer = client.audit().query(client.request(asked)).await.map_err(Rejected::from)?.into_inner();
                page(answer.records, answer.position, !answer.more)
            }
        }
    }

    /// Everything that comes after `filter.after_seq`.
    pub async fn follow(self, filter: AuditFilter) -> anyhow::Result<Pages> {
        match self {
            Self::State(reader) => Ok(stream::try_unfold((reader, filter), next_of_state).boxed()),
            Self::Server(client) => {
                let asked = client.request(followed(question(&filter, &client)));
                let pages = client.audit().tail(asked).await.map_err(Rejected::from)?.into_inner();
                let read = |message: Result<v1::AuditServiceTailResponse, _>| {
                    let message = message.map_err(Rejected::from)?;
                    page(message.records, message.position, true)
                };
                Ok(pages.map(read).boxed())
            }
        }
    }
}

async fn next_of_state(
    (reader, mut filter): (Reader, AuditFilter),
) -> anyhow::Result<Option<(AuditPage, (Reader, AuditFilter))>> {
    loop {
        let page = reader.search(filter.clone()).await?;
        filter.go_on(&page);
        if !page.records.is_empty() {
            return Ok(Some((page, (reader, filter))));
        }
        if page.is_last {
            tokio::time::sleep(LOOKS_EVERY).await;
        }
    }
}

fn question(filter: &AuditFilter, client: &Client) -> AuditServiceQueryRequest {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let decision = filter.decision.map(|decision| match decision {
        Decision::Permit => "permit",
        Decision::Deny => "deny",
    });
    let kind = filter.kind.and_then(|kind| serde_json::to_value(kind).ok());
    AuditServiceQueryRequest {
        environment: filter.environment.clone().unwrap_or_else(|| client.environment()),
        invocation_id: text(&filter.invocation),
        function: text(&filter.function),
        after_sequence: filter.after_seq.unwrap_or_default(),
        page_size: filter.limit.and_then(|limit| i32::try_from(limit).ok()).unwrap_or_default(),
        principal: text(&filter.principal),
        app: text(&filter.app),
        resource: text(&filter.resource),
        table: text(&filter.table),
        decision: decision.unwrap_or_default().to_owned(),
        kind: kind.as_ref().and_then(|kind| kind.as_str()).unwrap_or_default().to_owned(),
        token_id: text(&filter.token_id),
        approval_id: text(&filter.approval),
        since: filter.since_unix_ms.map(timestamp),
        until: filter.until_unix_ms.map(timestamp),
        before_sequence: filter.before_seq.unwrap_or_default(),
        newest_first: filter.order == AuditOrder::NewestFirst,
        with_values: filter.with_values,
    }
}

fn followed(query: AuditServiceQueryRequest) -> AuditServiceTailRequest {
    AuditServiceTailRequest {
        environment: query.environment,
        after_sequence: query.after_sequence,
        invocation_id: query.invocation_id,
        function: query.function,
        principal: query.principal,
        app: query.app,
        resource: query.resource,
        table: query.table,
        decision: query.decision,
        kind: query.kind,
        token_id: query.token_id,
        approval_id: query.approval_id,
        with_values: query.with_values,
    }
}

pub(super) fn timestamp(unix_ms: u64) -> prost_types::Timestamp {
    let nanos = i32::try_from(unix_ms % 1_000 * 1_000_000).unwrap_or_default();
    prost_types::Timestamp { seconds: i64::try_from(unix_ms / 1_000).unwrap_or(i64::MAX), nanos }
}

fn page(records: Vec<v1::AuditRecord>, position: u64, is_last: bool) -> anyhow::Result<AuditPage> {
    let records = records.into_iter().map(record).collect::<anyhow::Result<_>>()?;
    Ok(AuditPage { records, position, is_last })
}

fn record(record: v1::AuditRecord) -> anyhow::Result<AuditRecord> {
    let event: AuditEvent = serde_json::from_slice(&record.event)
        .with_context(|| format!("record {} is not one that this version knows", record.sequence))?;
    let hash: Digest = record.hash.parse().with_context(|| format!("record {} has no hash", record.sequence))?;
    let values = record.values.into_iter().map(kept).collect::<anyhow::Result<_>>()?;
    Ok(AuditRecord { seq: record.sequence, hash, event, values })
}

fn kept(value: v1::AuditValue) -> anyhow::Result<KeptValue> {
    let field = ValueField::ALL.into_iter().find(|field| field.as_str() == value.field);
    let policy = ValuePolicy::ALL.into_iter().find(|policy| policy.as_str() == value.policy);
    let (field, policy) = field.zip(policy).context("a value is not one that this version knows")?;
    let said = (policy != ValuePolicy::Hash).then_some(value.value);
    Ok(KeptValue { field, policy, bytes: value.bytes, value: said })
}
