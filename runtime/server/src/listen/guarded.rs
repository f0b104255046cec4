//! A client's socket that is read fairly, counted, and given up when the client owes us something for too long. Over TLS it
//! is what was encrypted that is counted.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{
    frames::{Allowance, Frames},
    tls::Transport,
};
use crate::counters::Tally;

/// Bytes read from one connection before the others of its worker get their turn.
const TURN_BYTES: usize = 32 << 10;

pub(super) struct Guarded {
    inner: Transport,
    frames: Frames,
    /// Read since the connection last waited.
    turn: usize,
    /// Runs while the client owes us the rest of what it began.
    clock: Option<(u64, Pin<Box<Sleep>>)>,
    owed_max: Duration,
    tally: Arc<Tally>,
}

impl Guarded {
    pub(super) fn new(inner: Transport, allowance: Allowance, owed_max: Duration, tally: Arc<Tally>) -> Self {
        Self { inner, frames: Frames::new(allowance), turn: 0, clock: None, owed_max, tally }
    }

    /// The client's time for what it owes.
    fn poll_owed(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(owed) = self.frames.owed() else {
            self.clock = None;
            return Poll::Pending;
        };
        if self.clock.as_ref().is_none_or(|(runs_for, _)| *runs_for != owed) {
            self.clock = Some((owed, Box::pin(sleep(self.owed_max))));
        }
        if let Some((_, clock)) = &mut self.clock {
            ready!(clock.as_mut().poll(context));
        }
        Poll::Ready(Err(self.cut("what the client had begun to send did not come in time")))
    }

    fn cut(&self, why: &str) -> io::Error {
        self.tally.count_cut();
        io::Error::new(io::ErrorKind::ConnectionAborted, why)
    }

    fn count_sent(&mut self, sent: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = sent {
            self.frames.sent(bytes);
        }
        sent
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.turn >= TURN_BYTES {
            self.turn = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = into.filled().len();
        match Pin::new(&mut self.inner).poll_read(context, into) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(failed) => return Poll::Ready(failed),
            Poll::Pending => {
                self.turn = 0;
                return self.poll_owed(context);
            }
        }
        let read = into.filled().get(before..).unwrap_or_default();
        self.turn += read.len();
        let counted = self.frames.read(read);
        Poll::Ready(counted.map_err(|why| self.cut(&why.to_string())))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.count_sent(sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.inner).poll_write_vectored(context, parts);
        self.count_sent(sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Instant};

    use tokio::{io::AsyncWriteExt as _, net::TcpStream};

    use super::*;

    /// However fast a client sends, its neighbours get their turn.
    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "a client of our own")]
    async fn reading_pauses_after_each_turn() {
        const TOTAL: usize = 1 << 20;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let sends = tokio::spawn(async move { client.write_all(&[b'x'; TOTAL]).await });
        let allowance = Allowance { burst: 1, per_second: 1 };
        let mut guarded = Guarded::new(Transport::Plain(server), allowance, Duration::from_secs(9), Tally::new(1));
        let (mut all, mut turn, mut longest, began) = (0, 0, 0, Instant::now());
        let mut room = vec![0; 4 << 10];
        while all < TOTAL && began.elapsed() < Duration::from_secs(9) {
            let read = poll_fn(|context| {
                let mut into = ReadBuf::new(&mut room);
                let read = Pin::new(&mut guarded).poll_read(context, &mut into);
                if read.is_pending() {
                    turn = 0;
                }
                read.map_ok(|()| into.filled().len())
            });
            let read = read.await.unwrap();
            (all, turn) = (all + read, turn + read);
            longest = longest.max(turn);
        }
        assert_eq!(all, TOTAL);
        assert!(longest <= TURN_BYTES, "{longest}");
        sends.await.unwrap().unwrap();
    }
}
