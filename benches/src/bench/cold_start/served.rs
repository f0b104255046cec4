//! First calls of a server: after its start, and after a deploy.

use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::SendRequest;
use serde_json::json;

use super::middle_ms;
use crate::{
    args::Guest,
    cores::Cores,
    goals::{Row, rounded},
    guests::{Component, OUTPUT, Places},
    issuer::{CALLER, Issuer, Setup},
    load::{Call, Target, connect, exchange},
    report::Findings,
    server::Server,
};

/// Deploys under new names for each guest and round.
const DEPLOYS: usize = 3;

/// Times of one guest.
#[derive(Default)]
struct Times {
    after_start: Vec<Duration>,
    second: Vec<Duration>,
    deploy: Vec<Duration>,
    after_deploy: Vec<Duration>,
}

/// Starts, stops, deploys and calls.
pub(super) async fn run(
    places: &Places,
    cores: Cores,
    guests: &[(Guest, Component)],
    rounds: usize,
) -> anyhow::Result<Findings> {
    let dir = places.fresh("cold-start-")?;
    let issuer = Issuer::new()?;
    let config = issuer.configure(dir.path(), &Setup::default())?;
    let start = || Server::airlock(&[cores.server], &config, &places.cache());
    let first = start()?;
    for (_, component) in guests {
        first.deploy(&issuer.builder_token()?, component).await?;
    }
    drop(first);
    let mut starts = Vec::new();
    let mut times: Vec<Times> = guests.iter().map(|_| Times::default()).collect();
    for round in 0..rounds {
        let began = Instant::now();
        let server = start()?;
        starts.push(began.elapsed());
        for ((_, component), times) in guests.iter().zip(&mut times) {
            let mut sender = connect(server.addresses.data).await?;
            let (took, ready) = call(sender, &server, &issuer, component.name()).await?;
            times.after_start.push(took);
            let (took, ready) = call(ready, &server, &issuer, component.name()).await?;
            times.second.push(took);
            sender = ready;
            for number in 0..DEPLOYS {
                let name = format!("{}-{round}-{number}", component.name());
                let began = Instant::now();
                server.deploy_as(&issuer.builder_token()?, component, &name).await?;
                times.deploy.push(began.elapsed());
                let (took, ready) = call(sender, &server, &issuer, &name).await?;
                times.after_deploy.push(took);
                sender = ready;
            }
        }
    }
    Ok(findings(&starts, guests.iter().map(|(guest, _)| *guest).zip(&times)))
}

/// One call with a token that the server has not seen.
async fn call(
    sender: SendRequest<Bytes>,
    server: &Server,
    issuer: &Issuer,
    function: &str,
) -> anyhow::Result<(Duration, SendRequest<Bytes>)> {
    let token = issuer.caller_token(CALLER)?;
    let target = Target::new(server.addresses.data, &Call { token: Some(&token), ..Call::greeting(function) })?;
    let began = Instant::now();
    let (answer, sender) = exchange(sender, &target).await?;
    let took = began.elapsed();
    anyhow::ensure!(answer.output()? == OUTPUT, "the function gave the wrong answer");
    Ok((took, sender))
}

fn findings<'a>(starts: &[Duration], guests: impl Iterator<Item = (Guest, &'a Times)>) -> Findings {
    let mut findings = Findings::default();
    let mut details = serde_json::Map::new();
    findings.rows.push(Row::figure("start of a server that has two functions", "ms", middle_ms(starts)));
    for (guest, times) in guests {
        let name = guest.name();
        let after_start = middle_ms(&times.after_start);
        let after_deploy = middle_ms(&times.after_deploy);
        findings.rows.push(Row::figure(format!("first call after a server's start, {name}"), "ms", after_start));
        findings.rows.push(Row::figure(format!("first call after a deploy, {name}"), "ms", after_deploy));
        details.insert(
            name.to_owned(),
            json!({
                "first_call_after_start_ms": rounded(after_start), "second_call_ms": rounded(middle_ms(&times.second)),
                "deploy_ms": rounded(middle_ms(&times.deploy)), "first_call_after_deploy_ms": rounded(after_deploy),
            }),
        );
    }
    findings.details = details.into();
    findings
}
