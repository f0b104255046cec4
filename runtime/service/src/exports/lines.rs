//! Lines for an output that may block: on a thread of its own, so that nobody else waits for whoever reads it.

use std::{
    io::{self, Write as _},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use super::{
    file::RotatedFile,
    sink::{Refused, refused_by},
};

/// How long an output may take before it counts as one that takes nothing.
const WRITE_TIME_MAX: Duration = Duration::from_secs(5);

/// A record as it is written, with the end of the line.
pub(super) struct Line {
    pub(super) seq: u64,
    pub(super) text: String,
}

/// What is written to.
pub(super) enum Output {
    Stdout,
    File(RotatedFile),
}

impl Output {
    /// Returns once every line is where it belongs; after an error all of them have to come again.
    fn write(&mut self, lines: &[Line]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let whole: String = lines.iter().map(|line| line.text.as_str()).collect();
                let mut out = io::stdout().lock();
                out.write_all(whole.as_bytes())?;
                out.flush()
            }
            Self::File(file) => file.append(lines),
        }
    }
}

/// Lines, and who waits until they are written.
type Job = (Vec<Line>, oneshot::Sender<io::Result<()>>);

/// The thread, once there is something to write, and what it is busy with.
pub(super) struct Writer {
    output: Option<Output>,
    thread: Option<SyncSender<Job>>,
    busy: Option<oneshot::Receiver<io::Result<()>>>,
}

impl Writer {
    pub(super) fn new(output: Output) -> Self {
        Self { output: Some(output), thread: None, busy: None }
    }

    /// Writes lines. While an earlier call's are still being written, waits for those instead: they are the same.
    pub(super) async fn write(&mut self, lines: impl FnOnce() -> Vec<Line>) -> Result<(), Refused> {
        let mut busy = match self.busy.take() {
            Some(busy) => busy,
            None => self.hand_over(lines()).map_err(|why| refused_by(&why))?,
        };
        match timeout(WRITE_TIME_MAX, &mut busy).await {
            Ok(Ok(written)) => written.map_err(|why| refused_by(&why)),
            Ok(Err(_)) => Err(Refused::because("the thread that writes has ended")),
            Err(_) => {
                self.busy = Some(busy);
                let slow = Refused::because("the output takes no more: whoever reads it has stopped, or is slow");
                Err(Refused { is_still_written: true, ..slow })
            }
        }
    }

    fn hand_over(&mut self, lines: Vec<Line>) -> io::Result<oneshot::Receiver<io::Result<()>>> {
        if let Some(output) = self.output.take() {
            let (sender, jobs) = sync_channel(1);
            thread::Builder::new().name("airlock-export".to_owned()).spawn(move || write_all(output, &jobs))?;
            self.thread = Some(sender);
        }
        let (written, busy) = oneshot::channel();
        let ended = || io::Error::other("the thread that writes has ended");
        let thread = self.thread.as_ref().ok_or_else(ended)?;
        thread.try_send((lines, written)).map_err(|_| ended())?;
        Ok(busy)
    }
}

fn write_all(mut output: Output, jobs: &Receiver<Job>) {
    while let Ok((lines, written)) = jobs.recv() {
        // Nobody may be waiting any more.
        let _ = written.send(output.write(&lines));
    }
}
