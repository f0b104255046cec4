//! The run: calm, each specimen alone, all of them in a crowd, calm again.

use std::{collections::VecDeque, fs, time::Duration};

use anyhow::Context as _;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    args::Options,
    client::{Client, Ended, HUNG},
    neighbour::{Neighbour, Phase},
    process::Memory,
    report::{Document, KEPT_BYTES_MAX, Progress, Record},
    select::{Guest, Keeper},
    server::Server,
};

/// How long the neighbour is measured with nothing else running, before and after.
const CALM: Duration = Duration::from_secs(10);
/// For caches, pools and connections to be as they are in a server that has been up for a while.
const WARM_UP: Duration = Duration::from_secs(3);
/// For memory to come back after a guest: the allocator gives back what was freed a second ago, when it is asked, twice a
/// second.
const SETTLE_STEP: Duration = Duration::from_millis(25);
const SETTLE_STEPS: u32 = 120;
/// Steps in which it may come back to nearly what it was; then it is enough that the bar is met.
const SETTLE_STEPS_CLOSE: u32 = 12;
/// For a deploy to have its turn among those of the crowd.
const TURN_PATIENCE: Duration = Duration::from_secs(300);
/// What `settle` does not wait for: the neighbour's own calls come and go.
const SETTLED_BYTES: u64 = 1 << 20;
/// For everything that was measured to have ended.
const END_SETTLE: Duration = Duration::from_secs(3);
/// Added to the niceness of the hostile callers: enough that the neighbour's client goes first, and little enough that
/// their answers are read in time.
const CALLERS_NICENESS: i32 = 4;
/// The tenant that every specimen belongs to.
const TENANT: &str = "hostile";
/// How a guest ends that took the server with it.
const ABORTED: &str = "abort";

/// Runs everything.
pub(crate) async fn visit(keeper: &Keeper, options: &Options) -> anyhow::Result<Document> {
    let mut stage = Stage::raise(&keeper.guests).await?;
    // This thread is the hostile callers. What they spend would be spent on machines of their own: the server, started
    // before this, and the neighbour, a thread of its own, go first.
    rustix::process::nice(CALLERS_NICENESS).context("cannot step back behind the server")?;
    stage.calm(Phase::CalmBefore).await;
    stage.document.resident_before = stage.server.memory()?.resident;
    stage.alone().await?;
    stage.crowd(options).await?;
    stage.neighbour.enter(Phase::Pause);
    sleep(END_SETTLE).await;
    stage.document.resident_after = stage.server.memory()?.resident;
    stage.calm(Phase::CalmAfter).await;
    stage.finish().await
}

/// One server with its neighbour, and what was seen so far.
struct Stage<'a> {
    guests: &'a [Guest],
    /// By place in `guests`: whether deploy accepted it, so that it is there to be called.
    is_live: Vec<bool>,
    server: Server,
    neighbour: Neighbour,
    document: Document,
    progress: Progress,
}

/// One attempt: deployed, called, or both.
struct Attempt {
    ended: Ended,
    took: Duration,
    was_called: bool,
}

impl<'a> Stage<'a> {
    async fn raise(guests: &'a [Guest]) -> anyhow::Result<Self> {
        let progress = Progress::new(guests.len());
        progress.say("Starting", "a server and its neighbour");
        let (server, neighbour) = (Server::start().await?, Neighbour::start()?);
        neighbour.move_in(&server.address).await?;
        sleep(WARM_UP).await;
        let document = Document::new(guests);
        Ok(Self { guests, is_live: vec![false; guests.len()], server, neighbour, document, progress })
    }

    async fn calm(&self, phase: Phase) {
        self.progress.say("Measuring", format_args!("the neighbour in calm, {} s", CALM.as_secs()));
        self.neighbour.enter(phase);
        sleep(CALM).await;
        self.neighbour.enter(Phase::Pause);
    }

    async fn alone(&mut self) -> anyhow::Result<()> {
        self.neighbour.enter(Phase::Alone);
        for place in 0..self.guests.len() {
            self.one_alone(place).await?;
        }
        Ok(())
    }

    /// Deploys and calls one guest, with its memory before, at its highest and after.
    async fn one_alone(&mut self, place: usize) -> anyhow::Result<()> {
        let Some(guest) = self.guests.get(place) else { return Ok(()) };
        let component = fs::read(&guest.component).context("a component has gone")?;
        let Memory { resident: before, mut own, .. } = self.server.memory()?;
        self.server.forget_peak()?;
        let client = self.server.client.clone();
        let mut attempt = deploy(&client, guest, component).await;
        let mut growth = self.growth(before);
        if attempt.ended.name == DEPLOYED {
            self.set_live(place);
            self.settled(own).await;
            // What a live revision takes for itself is not its calls' to give back.
            let Memory { resident: before, own: deployed, .. } = self.server.memory()?;
            own = deployed;
            // A server that has died answers neither this nor the call.
            let _dead = self.server.forget_peak();
            attempt = call(&client, guest).await;
            growth = growth.max(self.growth(before));
        }
        let kept = self.settled(own).await.saturating_sub(own);
        let attempt = self.judged(attempt).await?;
        let mut record = self.record(guest, attempt);
        (record.growth, record.kept) = (growth, kept);
        self.progress.ended(&record, guest);
        self.document.add(place, &record);
        Ok(())
    }

    fn set_live(&mut self, place: usize) {
        if let Some(is_live) = self.is_live.get_mut(place) {
            *is_live = true;
        }
    }

    /// How far memory rose above `before`. A server that has died has none.
    fn growth(&self, before: u64) -> u64 {
        self.server.memory().map_or(0, |memory| memory.peak.saturating_sub(before))
    }

    /// The server's own memory once it has come back to `before`, or after a while.
    async fn settled(&self, before: u64) -> u64 {
        let own = || self.server.memory().map_or(0, |memory| memory.own);
        for step in 0..SETTLE_STEPS {
            let allowed = if step < SETTLE_STEPS_CLOSE { SETTLED_BYTES } else { KEPT_BYTES_MAX };
            if own() <= before + allowed {
                break;
            }
            sleep(SETTLE_STEP).await;
        }
        own()
    }

    /// A broken connection is an abort when the process is gone; then there has to be another server.
    async fn judged(&mut self, mut attempt: Attempt) -> anyhow::Result<Attempt> {
        if attempt.ended.is_lost
            && let Some(status) = self.server.death().await
        {
            ABORTED.clone_into(&mut attempt.ended.name);
            attempt.ended.detail = format!("the server died: {status}");
            self.document.aborts += 1;
            self.restart().await?;
        }
        Ok(attempt)
    }

    async fn restart(&mut self) -> anyhow::Result<()> {
        self.progress.say("Restarting", "the server: it died");
        self.neighbour.move_out();
        self.server = Server::start().await?;
        self.neighbour.move_in(&self.server.address).await?;
        for (guest, _) in self.guests.iter().zip(&self.is_live).filter(|(_, is_live)| **is_live) {
            let component = fs::read(&guest.component).context("a component has gone")?;
            let again = deploy(&self.server.client, guest, component).await;
            anyhow::ensure!(again.ended.name == DEPLOYED, "`{}` does not deploy again", guest.name);
        }
        Ok(())
    }

    fn record(&mut self, guest: &Guest, attempt: Attempt) -> Record {
        let (wall_time, _) = guest.limits();
        let ended = attempt.ended;
        self.document.hangs += u64::from(ended.name == HUNG);
        let is_expected = if guest.expected.is_empty() {
            !["internal", HUNG, ABORTED].contains(&ended.name.as_str()) && !ended.is_lost
        } else {
            ended.name == guest.expected || ended.also.contains(&guest.expected)
        };
        let over = if attempt.was_called { attempt.took.saturating_sub(wall_time) } else { Duration::ZERO };
        let actual = if is_expected && !guest.expected.is_empty() { guest.expected.clone() } else { ended.name };
        Record { actual, is_expected, detail: ended.detail, took: attempt.took, over, growth: 0, kept: 0 }
    }

    /// All guests again and again, several at once: those that were accepted are called, the others deployed.
    async fn crowd(&mut self, options: &Options) -> anyhow::Result<()> {
        self.neighbour.enter(Phase::Crowd);
        let mut waiting: VecDeque<usize> = (0..options.times).flat_map(|_| 0..self.guests.len()).collect();
        self.progress.crowd(waiting.len(), options.parallel.get());
        let mut running: JoinSet<(usize, Attempt)> = JoinSet::new();
        while !(waiting.is_empty() && running.is_empty()) {
            while running.len() < options.parallel.get()
                && let Some(place) = waiting.pop_front()
            {
                self.send_in(place, &mut running)?;
            }
            let Some(ended) = running.join_next().await else { break };
            let (place, attempt) = ended.context("an attempt panicked")?;
            if attempt.ended.is_lost {
                self.lost(place, attempt, &mut running).await?;
            } else {
                self.keep(place, attempt);
            }
        }
        Ok(())
    }

    fn send_in(&self, place: usize, running: &mut JoinSet<(usize, Attempt)>) -> anyhow::Result<()> {
        let (Some(guest), Some(is_live)) = (self.guests.get(place), self.is_live.get(place)) else { return Ok(()) };
        let (client, guest) = (self.server.client.clone(), guest.clone());
        if *is_live {
            running.spawn(async move { (place, call(&client, &guest).await) });
        } else {
            let component = fs::read(&guest.component).context("a component has gone")?;
            running.spawn(async move { (place, deploy(&client, &guest, component).await) });
        }
        Ok(())
    }

    /// The connection broke: everybody in the crowd is lost with it, and one of them did it.
    async fn lost(
        &mut self,
        place: usize,
        attempt: Attempt,
        running: &mut JoinSet<(usize, Attempt)>,
    ) -> anyhow::Result<()> {
        let mut lost = vec![(place, attempt)];
        while let Some(ended) = running.join_next().await {
            lost.push(ended.context("an attempt panicked")?);
        }
        if let Some((place, attempt)) = lost.pop() {
            let attempt = self.judged(attempt).await?;
            self.keep(place, attempt);
        }
        for (place, attempt) in lost {
            self.keep(place, attempt);
        }
        Ok(())
    }

    fn keep(&mut self, place: usize, attempt: Attempt) {
        let Some(guest) = self.guests.get(place) else { return };
        let record = self.record(guest, attempt);
        self.progress.in_crowd(&record, guest);
        self.document.add(place, &record);
    }

    async fn finish(mut self) -> anyhow::Result<Document> {
        self.neighbour.move_out();
        sleep(END_SETTLE).await;
        let counts = self.server.counts().await?;
        (self.document.panics, self.document.leaked_calls) = (counts.panics, counts.in_flight);
        self.document.close(&self.neighbour);
        Ok(self.document)
    }
}

/// How a deploy ends that is not refused.
const DEPLOYED: &str = "deployed";

/// Deploys, and comes again when it is told to: a tenant has one deploy at a time and few that wait.
async fn deploy(client: &Client, guest: &Guest, component: Vec<u8>) -> Attempt {
    let began = Instant::now();
    loop {
        let ended = client.deploy(&guest.manifest, component.clone()).await.err();
        let ended = ended.unwrap_or_else(|| Ended::named(DEPLOYED));
        match ended.retry_after {
            Some(after) if began.elapsed() < TURN_PATIENCE => sleep(after).await,
            _ => return Attempt { ended, took: began.elapsed(), was_called: false },
        }
    }
}

async fn call(client: &Client, guest: &Guest) -> Attempt {
    let token = client.token(TENANT);
    let (wall_time, _) = guest.limits();
    let began = Instant::now();
    let ended = client.invoke(&token, &guest.name, &guest.payload, wall_time).await;
    Attempt { ended, took: began.elapsed(), was_called: true }
}
