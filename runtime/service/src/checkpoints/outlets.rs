//! Where checkpoints are told: the standard output, a file, a webhook.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use airlock_resources::{DocumentClient, Network};
use tokio::{sync::oneshot, time::timeout};

use super::SignedCheckpoint;
use crate::config::{CheckpointConfig, ConfigError};

/// Checkpoints that wait while an output is slow; the next one says all that they said.
const WAITING_MAX: usize = 16;
/// How long one is waited for.
const WRITE_TIME_MAX: Duration = Duration::from_secs(5);

/// A line to write, and who waits until it is written.
type Waiting = (String, oneshot::Sender<()>);

/// Everybody who is told.
pub(super) struct Outlets {
    /// One for each output: who reads none holds no other up.
    lines: Vec<SyncSender<Waiting>>,
    webhook: Option<DocumentClient>,
}

impl Outlets {
    pub(super) fn open(config: &CheckpointConfig, network: &Network) -> Result<Self, ConfigError> {
        let mut lines = Vec::new();
        if let Some(file) = &config.file {
            expect_place(file)?;
            let opened = append(file).map_err(|why| refuse("file", format!("`{}`: {why}", file.display())))?;
            lines.extend(write_on_a_thread(Appended(opened)));
        }
        if config.stdout {
            lines.extend(write_on_a_thread(io::stdout()));
        }
        Ok(Self { lines, webhook: webhook(config, network)? })
    }

    pub(super) async fn tell(&self, made: &SignedCheckpoint) {
        let Ok(text) = serde_json::to_string(made) else { return };
        for line in &self.lines {
            write_line(line, format!("{text}\n"), made.seq).await;
        }
        if let Some(webhook) = &self.webhook
            && let Err(why) = webhook.post(text).await
        {
            // The next one says all that this one said, and more.
            tracing::error!(seq = made.seq, why = why.to_string(), "a checkpoint could not be posted");
        }
    }
}

async fn write_line(lines: &SyncSender<Waiting>, line: String, seq: u64) {
    let (written, done) = oneshot::channel();
    let sent = lines.try_send((line, written)).is_ok();
    if !sent || timeout(WRITE_TIME_MAX, done).await.is_err() {
        tracing::error!(seq, "a checkpoint is not written yet: the output takes no more");
    }
}

fn refuse(key: &str, why: String) -> ConfigError {
    ConfigError::value(format!("audit.checkpoints.{key}"), why)
}

/// Checks where checkpoints are to go, without writing anything.
pub(super) fn check(config: &CheckpointConfig, network: &Network) -> Result<(), ConfigError> {
    if let Some(file) = &config.file {
        expect_place(file)?;
    }
    webhook(config, network).map(|_| ())
}

fn expect_place(file: &Path) -> Result<(), ConfigError> {
    let unlike = |why: &str| Err(refuse("file", format!("`{}`: {why}", file.display())));
    match file.parent() {
        _ if file.metadata().is_ok_and(|there| !there.is_file()) => unlike("it is there, and no regular file"),
        Some(dir) if dir.is_dir() => Ok(()),
        Some(_) | None => unlike("its directory is not there: make one for it alone, which the server may write to"),
    }
}

/// Who posts checkpoints, if they are posted.
fn webhook(config: &CheckpointConfig, network: &Network) -> Result<Option<DocumentClient>, ConfigError> {
    let webhook = config.webhook.as_ref().map(|webhook| DocumentClient::new(&webhook.document(), network));
    webhook.transpose().map_err(|why| refuse("webhook", why.to_string()))
}

/// A thread of its own: whoever reads the output may stop, and nothing else waits for that. It ends with the sender, and with
/// the process wherever it is.
fn write_on_a_thread(output: impl io::Write + Send + 'static) -> Option<SyncSender<Waiting>> {
    let (lines, waiting) = sync_channel(WAITING_MAX);
    let named = thread::Builder::new().name("airlock-checkpoints".to_owned());
    let started = named.spawn(move || write_all(output, &waiting));
    started.inspect_err(|why| tracing::error!(%why, "checkpoints are not written: no thread")).map(|_| lines).ok()
}

fn write_all(mut output: impl io::Write, lines: &Receiver<Waiting>) {
    while let Ok((line, written)) = lines.recv() {
        if let Err(why) = output.write_all(line.as_bytes()).and_then(|()| output.flush()) {
            tracing::error!(%why, "a checkpoint could not be written");
        }
        // Nobody may be waiting any more.
        let _ = written.send(());
    }
}

/// Opens a file for more lines. One that was cut off in the middle of a line gets its end.
fn append(file: &Path) -> io::Result<File> {
    let mut opened = OpenOptions::new().read(true).append(true).create(true).open(file)?;
    let mut last = [b'\n'];
    if opened.metadata()?.len() > 0 {
        opened.seek(SeekFrom::End(-1))?;
        opened.read_exact(&mut last)?;
    }
    if last != *b"\n" {
        opened.write_all(b"\n")?;
    }
    Ok(opened)
}

/// A file whose lines are on disk once they are flushed.
struct Appended(File);

impl io::Write for Appended {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
