//! One export: reads from its cursor, gives records to its sink, moves the cursor.

use std::time::Duration;

use airlock_store::{AuditFilter, AuditRecord, Checkpoint, ExportFailure, StoreError};
use tokio::time::sleep;

use super::{
    Trail,
    sink::{Refused, Sink},
};
use crate::{
    clock,
    config::{ExportConfig, ExportFilter},
};

/// Records in one batch at most.
const BATCH_MAX: u32 = 512;
/// How long nothing is looked for once nothing was there.
const IDLE: Duration = Duration::from_millis(250);
/// How long a sink is left alone after the first failure; twice as long after each other.
const BACKOFF_MIN: Duration = Duration::from_millis(500);
/// And never longer.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A sink that wants to be left alone for longer is asked again after this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// The store ends, and so does the export.
struct Closing;

pub(super) struct Worker {
    name: String,
    filter: ExportFilter,
    sink: Sink,
    trail: Trail,
    /// The last record that the sink has taken, or was not to be given.
    at: Checkpoint,
    /// Read and not taken yet: given again as it is, so that a sink that has it half finds the same.
    waiting: Option<Batch>,
    batch_max: u32,
    backoff: Duration,
    failing: Option<String>,
}

/// Records that follow each other, without those that this export does not want.
struct Batch {
    records: Vec<AuditRecord>,
    end: Checkpoint,
}

impl Worker {
    pub(super) fn new(export: &ExportConfig, sink: Sink, trail: Trail, at: Checkpoint) -> Self {
        let (name, filter) = (export.name.clone(), export.filter());
        let (batch_max, backoff) = (BATCH_MAX, BACKOFF_MIN);
        Self { name, filter, sink, trail, at, waiting: None, batch_max, backoff, failing: None }
    }

    pub(super) async fn run(mut self) {
        while let Ok(wait) = self.step().await {
            sleep(wait).await;
        }
    }

    /// Gives one batch away, and says how long to wait before the next.
    async fn step(&mut self) -> Result<Duration, Closing> {
        let batch = match self.waiting.take() {
            Some(batch) => batch,
            None => match self.read().await? {
                Some(batch) => batch,
                None => return Ok(IDLE),
            },
        };
        let taken = if batch.records.is_empty() { Ok(None) } else { self.sink.take(&batch.records).await };
        match taken {
            Ok(left_out) => {
                self.works_again(left_out);
                self.move_to(batch.end).await?;
                Ok(Duration::ZERO)
            }
            Err(refused) => {
                let wait = self.fails(&refused).await?;
                self.shrink_or_keep(batch, &refused);
                Ok(wait)
            }
        }
    }

    /// What follows the cursor; `None` when nothing does.
    async fn read(&mut self) -> Result<Option<Batch>, Closing> {
        let filter =
            AuditFilter { after_seq: Some(self.at.seq), limit: Some(self.batch_max), ..AuditFilter::default() };
        let mut records = match self.trail.reader.query(filter).await {
            Ok(records) => records,
            Err(StoreError::Unavailable { .. }) => return Err(Closing),
            Err(why) => {
                let refused = Refused::because(format!("the trail cannot be read: {why}"));
                sleep(self.fails(&refused).await?).await;
                return Ok(None);
            }
        };
        let Some((first, last)) = records.first().zip(records.last()) else { return Ok(None) };
        let (next, end) = (self.at.seq.saturating_add(1), Checkpoint { seq: last.seq, hash: last.hash });
        if first.seq > next {
            let (export, last) = (&self.name, first.seq.saturating_sub(1));
            tracing::error!(export, first = next, last, "these records were removed before they could be exported");
        }
        records.retain(|record| self.filter.wants(&record.event));
        Ok(Some(Batch { records, end }))
    }

    async fn move_to(&mut self, end: Checkpoint) -> Result<(), Closing> {
        self.at = end;
        match self.trail.cursors.moved(&self.name, end, clock::now_unix_ms()).await {
            Err(StoreError::Unavailable { .. }) => Err(Closing),
            // The next one says all that this one said; until then a restart sends it again.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn works_again(&mut self, left_out: Option<String>) {
        let export = &self.name;
        if let Some(why) = left_out {
            tracing::error!(export, why, "a collector took a batch and says that it left some of it out");
        }
        if self.failing.is_some() {
            tracing::info!(export, "audit records are exported again");
        }
        self.failing = None;
        self.backoff = BACKOFF_MIN;
        self.batch_max = self.batch_max.saturating_mul(2).min(BATCH_MAX);
    }

    /// Said once in the log, and kept with its last reason for whoever asks. Gives the time to wait.
    async fn fails(&mut self, refused: &Refused) -> Result<Duration, Closing> {
        let why = &refused.why;
        if self.failing.is_none() {
            tracing::error!(export = self.name, why, "audit records are not exported; they stay, and are tried again");
        }
        if self.failing.as_ref() != Some(why) {
            self.failing = Some(why.clone());
            let failure = ExportFailure { why: why.clone(), since_unix_ms: clock::now_unix_ms() };
            if let Err(StoreError::Unavailable { .. }) = self.trail.cursors.failed(&self.name, failure).await {
                return Err(Closing);
            }
        }
        if refused.is_still_written {
            return Ok(Duration::ZERO);
        }
        let wait = refused.retry_after.map_or(self.backoff, |asked| asked.clamp(self.backoff, RETRY_AFTER_MAX));
        self.backoff = self.backoff.saturating_mul(2).min(BACKOFF_MAX);
        Ok(wait)
    }

    /// A batch that is too large, or has one record that its sink cannot read, is given in parts.
    fn shrink_or_keep(&mut self, batch: Batch, refused: &Refused) {
        if refused.is_too_much && self.batch_max > 1 {
            self.batch_max /= 2;
        } else {
            self.waiting = Some(batch);
        }
    }
}
