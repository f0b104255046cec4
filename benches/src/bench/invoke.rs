//! `invoke`: servers up, windows in turns, one report.

use std::time::Duration;

use tempfile::TempDir;

use crate::{
    args::{Guest, InvokeOptions},
    cores::{self, Cores},
    guests::{Component, Places},
    issuer::{CALLER, Issuer, Setup},
    load::{
        Call, Target,
        closed::{Window, drive},
    },
    report::invoke::{Document, Lane, Measured},
    server::Server,
};

/// Builds, serves, measures and reports.
pub(crate) fn run(options: &InvokeOptions) -> anyhow::Result<()> {
    let cores = cores::choose()?;
    let places = Places::find()?;
    let mut guests = options.guest.clone();
    guests.sort_unstable();
    guests.dedup();
    let guests = guests.into_iter().map(|guest| Ok((guest, places.build(guest)?)));
    let guests = guests.collect::<anyhow::Result<Vec<_>>>()?;
    // Only now: builds may use every core.
    cores::pin(&[cores.load])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let document = runtime.block_on(measure(options, &places, cores, &guests))?;
    document.conclude(&places.bench().join("invoke.json"), options.window.json)
}

async fn measure(
    options: &InvokeOptions,
    places: &Places,
    cores: Cores,
    guests: &[(Guest, Component)],
) -> anyhow::Result<Document> {
    let stage = Stage::raise(places, cores, guests).await?;
    let mut document = Document::begin(options);
    for concurrency in options.concurrency.iter().map(|concurrency| concurrency.get()) {
        document.add(concurrency, &stage.measure(options, concurrency).await?);
    }
    Ok(document)
}

/// Every server of the run. All are up from the start, so that rows can be measured in turns; one that has no calls uses
/// no processor time.
struct Stage {
    issuer: Issuer,
    servers: Servers,
    guests: Vec<(Guest, String)>,
}

struct Servers {
    echo: Server,
    durable: Server,
    lazy: Server,
    /// Removed when the servers have ended.
    _state: [TempDir; 2],
}

impl Stage {
    async fn raise(places: &Places, cores: Cores, guests: &[(Guest, Component)]) -> anyhow::Result<Self> {
        let issuer = Issuer::new()?;
        let state = |sync| -> anyhow::Result<(TempDir, Server)> {
            let dir = places.fresh("state-")?;
            let config = issuer.configure(dir.path(), &Setup { sync, ..Setup::default() })?;
            let server = Server::airlock(&[cores.server], &config, &places.cache())?;
            Ok((dir, server))
        };
        let ((kept, durable), (lost, lazy)) = (state(true)?, state(false)?);
        let servers = Servers { echo: Server::echo(cores.server)?, durable, lazy, _state: [kept, lost] };
        let token = issuer.builder_token()?;
        for (guest, component) in guests {
            eprintln!("{}: deploying", guest.name());
            for server in [&servers.durable, &servers.lazy] {
                server.deploy(&token, component).await?;
            }
        }
        let guests = guests.iter().map(|(guest, component)| (*guest, component.name().to_owned())).collect();
        Ok(Self { issuer, servers, guests })
    }

    /// The rows of one concurrency, in the order of the report: the yardstick, every guest, and the first guest again
    /// without waiting for the disk.
    fn lanes(&self) -> Vec<(Lane, &Server, Option<&str>)> {
        let servers = &self.servers;
        let mut lanes = vec![(Lane { guest: "echo", durable: false }, &servers.echo, None)];
        for (guest, function) in &self.guests {
            lanes.push((Lane { guest: guest.name(), durable: true }, &servers.durable, Some(function.as_str())));
        }
        if let Some((guest, function)) = self.guests.first() {
            lanes.push((Lane { guest: guest.name(), durable: false }, &servers.lazy, Some(function.as_str())));
        }
        lanes
    }

    /// One row for each lane. Lanes take turns, so that a slow minute of the machine meets all of them.
    async fn measure(&self, options: &InvokeOptions, concurrency: usize) -> anyhow::Result<Vec<Measured>> {
        let lanes = self.lanes();
        let mut windows: Vec<Vec<Window>> = lanes.iter().map(|_| Vec::new()).collect();
        for _ in 0..options.window.rounds.get() {
            for ((lane, server, function), windows) in lanes.iter().zip(&mut windows) {
                let window = self.window(server, *function, concurrency, options.window.seconds).await;
                let window = window.map_err(|why| why.context(format!("{lane} at c={concurrency}")))?;
                let rate = window.calls as f64 / window.elapsed.as_secs_f64();
                eprintln!("c={concurrency} {lane}: {rate:.0} calls/s (pid {})", server.id());
                windows.push(window);
            }
        }
        let lanes = lanes.into_iter().map(|(lane, ..)| lane);
        Ok(lanes.zip(windows).filter_map(|(lane, windows)| Measured::median(lane, &windows)).collect())
    }

    async fn window(
        &self,
        server: &Server,
        function: Option<&str>,
        concurrency: usize,
        seconds: f64,
    ) -> anyhow::Result<Window> {
        let token = function.map(|_| self.issuer.caller_token(CALLER)).transpose()?;
        let function = function.unwrap_or("echo");
        let target = Target::new(server.addresses.data, &Call { token: token.as_deref(), ..Call::greeting(function) })?;
        drive(server, target, concurrency, Duration::from_secs_f64(seconds)).await
    }
}
