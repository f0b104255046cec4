//! What a resource client takes by itself: the part that is not the gate's.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use airlock_model::{EnvironmentName, HttpMethod, ResourceName, SqlVerb, StatementClass};
use airlock_resources::{EgressBudget, HttpRequest, Network, Permitted, Resources, Sources, SqlRequest, StopNotice};

use super::{Op, application::load};
use crate::{allocations, issuer::ENVIRONMENT, processor::median};

/// Requests made ahead, so that making them is not part of the time.
const BATCH: usize = 100;
const LONG: Duration = Duration::from_secs(60);

/// The resource clients of a configuration.
pub(super) struct Backend {
    resources: Resources,
    environment: EnvironmentName,
}

impl Backend {
    /// Binds what the configuration binds.
    pub(super) fn open(config: &Path) -> anyhow::Result<Self> {
        let mut resources = Resources::new();
        for (name, resource) in &load(config)?.resources {
            for (environment, binding) in resource.bindings() {
                let binding = binding.resolve(&Sources { read_env: &|_| None, allow_inline: false })?;
                resources.add(name.clone(), environment.clone(), binding, &Network::default())?;
            }
        }
        Ok(Self { resources, environment: ENVIRONMENT.parse()? })
    }

    /// Microseconds and allocations of one request; none for what reaches no backend.
    pub(super) async fn cost(&self, op: Op, length: Duration) -> anyhow::Result<(f64, f64)> {
        let make: fn() -> anyhow::Result<Permitted> = match op {
            Op::Context | Op::Log | Op::Denied => return Ok((0.0, 0.0)),
            Op::Unsent => unsent,
            Op::Query => query,
        };
        let mut times = Vec::new();
        let began = Instant::now();
        while began.elapsed() < length || times.is_empty() {
            let batch = (0..BATCH).map(|_| make()).collect::<anyhow::Result<Vec<_>>>()?;
            let batch_began = Instant::now();
            for permitted in batch {
                drop(self.resources.perform(&self.environment, permitted).await);
            }
            times.push(batch_began.elapsed().as_secs_f64() * 1e6 / BATCH as f64);
        }
        Ok((median(times), self.allocations(make).await?))
    }

    /// Polls on this thread only, as `during` counts.
    async fn allocations(&self, make: fn() -> anyhow::Result<Permitted>) -> anyhow::Result<f64> {
        let permitted = make()?;
        let mut performing = std::pin::pin!(self.resources.perform(&self.environment, permitted));
        let mut count = 0;
        std::future::poll_fn(|context| {
            let (polled, made) = allocations::during(|| performing.as_mut().poll(context));
            count += made;
            polled.map(drop)
        })
        .await;
        Ok(count as f64)
    }
}

fn unsent() -> anyhow::Result<Permitted> {
    Ok(Permitted::Http(HttpRequest {
        resource: resource("api")?,
        tenant: "bench".parse()?,
        method: HttpMethod::Get,
        path: "/things".parse()?,
        query: Vec::new(),
        headers: Vec::new(),
        body: Some(b"ab".to_vec()),
        deadline: tokio::time::Instant::now() + LONG,
        egress: EgressBudget::new(1 << 20),
        now_unix_ms: 0,
        origin: None,
        hops: None,
        trace: None,
    }))
}

fn query() -> anyhow::Result<Permitted> {
    Ok(Permitted::Sql(SqlRequest {
        resource: resource("db")?,
        tenant: "bench".parse()?,
        verb: SqlVerb::Query,
        class: StatementClass::Read,
        statement: "select 1".to_owned(),
        parameters: "[]".to_owned(),
        affected_max: None,
        connection_by: tokio::time::Instant::now() + LONG,
        deadline: tokio::time::Instant::now() + LONG,
        rows_max: 10_000,
        bytes_max: 1 << 20,
        stop: StopNotice::default(),
    }))
}

fn resource(name: &str) -> anyhow::Result<ResourceName> {
    Ok(name.parse()?)
}
