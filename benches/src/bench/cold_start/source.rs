//! From TypeScript source to a function that answers: `airlock build` and `airlock deploy`, without the command line.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::json;

use super::middle_ms;
use crate::{
    args::Guest,
    cores,
    goals::{Row, SOURCE_TO_DEPLOYED, rounded},
    guests::Places,
    issuer::{CALLER, Issuer, Setup},
    load::{Call, Target, connect, exchange},
    processor::median,
    report::Findings,
    server::Server,
};

/// One way from source to answer.
struct Trip {
    build: Duration,
    deploy: Duration,
}

impl Trip {
    fn seconds(&self) -> f64 {
        (self.build + self.deploy).as_secs_f64()
    }
}

/// Where the trips begin and end.
struct Desk<'a> {
    places: &'a Places,
    server: Server,
    issuer: Issuer,
    project: PathBuf,
    cache: PathBuf,
}

/// Once with empty caches, and then `rounds` times with another change to the source each time.
pub(super) async fn run(places: &Places, rounds: usize) -> anyhow::Result<Findings> {
    let dir = places.fresh("source-")?;
    let (project, cache) = (dir.path().join("project"), dir.path().join("cache"));
    copy(&places.project(Guest::Typescript.directory()), &project)?;
    let issuer = Issuer::new()?;
    let cores = cores::choose()?;
    let config = issuer.configure(dir.path(), &Setup::default())?;
    let server = Server::airlock(&[cores.server, cores.load], &config, &cache)?;
    let desk = Desk { places, server, issuer, project, cache };
    let cold = desk.trip("cold").await?;
    eprintln!("source to deployed, empty caches: {:.2} s", cold.seconds());
    let mut warm = Vec::new();
    for round in 0..rounds {
        let one = desk.trip(&format!("warm {round}")).await?;
        eprintln!("source to deployed, warm: {:.2} s", one.seconds());
        warm.push(one);
    }
    let [build, deploy]: [Vec<Duration>; 2] =
        [warm.iter().map(|trip| trip.build).collect(), warm.iter().map(|trip| trip.deploy).collect()];
    Ok(Findings {
        rows: vec![
            SOURCE_TO_DEPLOYED.measured(median(warm.iter().map(Trip::seconds))),
            Row::figure("TypeScript source to deployed function, empty caches", "s", cold.seconds()),
        ],
        details: json!({
            "warm_build_ms": rounded(middle_ms(&build)), "warm_deploy_ms": rounded(middle_ms(&deploy)),
            "cold_build_ms": rounded(middle_ms(&[cold.build])), "cold_deploy_ms": rounded(middle_ms(&[cold.deploy])),
        }),
        notes: Vec::new(),
    })
}

impl Desk<'_> {
    /// Changes the source, builds, deploys, and sees the change in an answer, which is not part of the time.
    async fn trip(&self, mark: &str) -> anyhow::Result<Trip> {
        let Self { places, server, issuer, project, cache } = self;
        let source =
            format!("export default (input: {{ name: string }}) => ({{ greeting: `{mark}, ${{input.name}}` }});\n");
        std::fs::write(project.join("src/main.ts"), source).context("cannot change the source")?;
        let began = Instant::now();
        let component = places.build_with_cache(project, cache)?;
        let build = began.elapsed();
        let began = Instant::now();
        server.deploy(&issuer.builder_token()?, &component).await?;
        let deploy = began.elapsed();
        let token = issuer.caller_token(CALLER)?;
        let call = Call { token: Some(&token), ..Call::greeting(component.name()) };
        let target = Target::new(server.addresses.data, &call)?;
        let (answer, _) = exchange(connect(target.address).await?, &target).await?;
        let output = String::from_utf8(answer.output()?)?;
        anyhow::ensure!(output.contains(mark), "the new source does not answer: {output}");
        Ok(Trip { build, deploy })
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to.join("src")).context("cannot make a project")?;
    for file in ["function.toml", "src/main.ts"] {
        std::fs::copy(from.join(file), to.join(file)).with_context(|| format!("cannot copy `{file}`"))?;
    }
    Ok(())
}
