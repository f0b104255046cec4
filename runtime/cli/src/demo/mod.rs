//! `airlock demo`: the main job end to end over real gRPC on loopback, then what is refused and why.

mod cases;
mod crm;
mod report;
mod stage;

use std::process::ExitCode;

use airlock_proto::v1::InvokeResponse;
use airlock_service::{Config, isolation::IsolationLevel};
use airlock_store::{AuditFilter, Store};
use airlock_toolchain::{BuildOptions, Project};
use anyhow::bail;

use crate::{
    args::{DemoOptions, TlsOptions},
    client::Client,
    commands::{
        audit::{Printed, query, trail::Trail},
        build, deploy, invoke,
        said::Said,
    },
    host, output,
    output::Style,
};
use report::Report;
use stage::{Stage, TokenFor};

/// More than one call of the demo leaves.
const AUDIT_RECORDS_MAX: u32 = 1_000;
const INPUT: &str = r#"{"customer":"ada"}"#;

/// Runs the demo and ends by itself, unless the server is to be kept.
pub async fn run(options: DemoOptions, style: Style) -> anyhow::Result<ExitCode> {
    let cache_dir = host::cache_dir(options.cache.cache_dir.as_deref())?;
    let stage = Stage::set(options.state.as_deref()).await?;
    let mut config = Config::load(&stage.config_path())?;
    // This process builds functions and calls itself besides serving; `airlock serve` on the same file raises the wall.
    config.isolation.level = IsolationLevel::L0;
    let (server, _app) = host::start(host::listen(&config)?, config, &cache_dir).await?;
    output::progress(
        "Serving",
        format!("calls on http://{}, control on http://{}", server.data_addr(), server.control_addr()),
    );
    let data = Client::connect(&format!("http://{}", server.data_addr()), "", &TlsOptions::default()).await?;
    let control = Client::connect(&format!("http://{}", server.control_addr()), "", &TlsOptions::default()).await?;
    deploy_all(&stage, &control, BuildOptions { cache_dir, target_dir: stage.dir().join("target") }).await?;
    let response = call_order_summary(&stage, &data).await?;
    let refusals = cases::run_all(&stage, &data).await?;
    let report = report(&stage, response, refusals).await?;
    report.print(style)?;
    if options.keep {
        stage::keep_serving(&stage, &server).await?;
    }
    server.drain(std::time::Duration::from_secs(5)).await;
    Ok(ExitCode::SUCCESS)
}

async fn deploy_all(stage: &Stage, control: &Client, options: BuildOptions) -> anyhow::Result<()> {
    let control = control.with_token(&stage.token(TokenFor::Deploy)?)?;
    for dir in stage.write_functions()? {
        let project = Project::load(&dir)?;
        let built = build::build_project(&project, &options)?;
        deploy::send(&control, stage::ENVIRONMENT, &project, (built, Vec::new())).await?;
    }
    Ok(())
}

async fn call_order_summary(stage: &Stage, data: &Client) -> anyhow::Result<InvokeResponse> {
    output::progress("Minting", "a token for order-summary: orders-db:read, crm:GET:/customers/*, 60 s");
    let client = data.with_token(&stage.token(TokenFor::OrderSummary)?)?;
    output::progress("Invoking", format!("order-summary with {INPUT}"));
    Ok(invoke::call(&client, stage::ask("order-summary", INPUT), None).await?)
}

async fn report(stage: &Stage, response: InvokeResponse, refusals: Vec<cases::Refusal>) -> anyhow::Result<Report> {
    let filter = AuditFilter { invocation: Some(response.invocation_id.clone()), ..AuditFilter::default() };
    let reader = Trail::State(Store::open_read_only(&stage.state_dir())?);
    let (records, _) = query::latest(&reader, filter, AUDIT_RECORDS_MAX).await?;
    let trail = records.into_iter().map(Printed::from).collect();
    let told = invoke::Told::from(response);
    let Said::Result(result) = told.said else { bail!("order-summary failed: {}", told.said.text()?) };
    Ok(Report { result, usage: told.usage, audit: trail, refusals })
}
