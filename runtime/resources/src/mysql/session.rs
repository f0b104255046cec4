//! One session of one role: statements in, packets out, and always knowing whether something is still to come.

mod results;

use std::{io, net::SocketAddr};

use bytes::BufMut as _;

use super::{
    fault::{Fault, ServerError},
    greeting::{Greeting, Kind},
    packet::{self, Answer, Done, Reader, STATUS_IN_TRANSACTION, STATUS_MORE_RESULTS},
    wire::{Wire, garbage},
};
pub(super) use results::{Ended, Rows, Running, Wish};

use crate::database::{PooledSession, Stage};

const QUERY: u8 = 0x03;
const PREPARE: u8 = 0x16;
const CLOSE: u8 = 0x19;
const RESET: u8 = 0x1f;
const QUIT: u8 = 0x01;

/// A logged-in connection.
#[derive(Debug)]
pub(super) struct Session {
    wire: Wire,
    pub(super) kind: Kind,
    /// What KILL takes.
    pub(super) thread: u32,
    /// The address that was judged and dialled.
    pub(super) target: SocketAddr,
    has_extended_metadata: bool,
    /// Answers that are still to come. INVARIANT: raised before anything is sent, so a dropped future leaves it raised.
    pending: u32,
    /// As in the last answer.
    status: u16,
    /// Set when something happened after which nobody else should get the session.
    is_odd: bool,
    /// Statements it has been reset after.
    uses: u32,
    is_stale: bool,
    /// Whether something has been sent that lasts, and was not answered.
    is_committing: bool,
}

/// What the server says about a statement before it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prepared {
    number: u32,
    pub(super) parameters: u16,
    /// None for a statement without rows.
    pub(super) columns: u16,
}

impl Session {
    pub(super) fn new(wire: Wire, greeting: &Greeting, target: SocketAddr) -> Self {
        Self {
            wire,
            kind: greeting.kind,
            thread: greeting.thread,
            target,
            has_extended_metadata: greeting.has_extended_metadata(),
            pending: 0,
            status: 0,
            is_odd: false,
            uses: 0,
            is_stale: false,
            is_committing: false,
        }
    }

    /// How far the statement has come.
    pub(super) fn stage(&self) -> Stage {
        if self.is_committing { Stage::Committing } else { Stage::Undone }
    }

    /// Whether a transaction is open, as the last answer says.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.status & STATUS_IN_TRANSACTION != 0
    }

    /// Nobody else gets the session.
    pub(super) fn distrust(&mut self) {
        self.is_odd = true;
    }

    /// Opens a transaction of several statements.
    ///
    /// # Errors
    /// What the server says against it.
    pub(super) async fn begin(&mut self, ours: &[String]) -> Result<(), Fault> {
        self.pending += u32::try_from(ours.len()).unwrap_or(u32::MAX);
        for text in ours {
            self.wire.command(&command(QUERY, text.as_bytes()));
        }
        let begun = self.begun(ours.len()).await;
        self.settled(begun)
    }

    /// Runs statements of ours and has a guest's described, in one round trip.
    ///
    /// # Errors
    /// What the server says against any of them.
    pub(super) async fn prepare(&mut self, ours: &[String], statement: &str) -> Result<Prepared, Fault> {
        self.pending += u32::try_from(ours.len()).unwrap_or(u32::MAX) + 1;
        for text in ours {
            self.wire.command(&command(QUERY, text.as_bytes()));
        }
        self.wire.command(&command(PREPARE, statement.as_bytes()));
        let begun = self.begun(ours.len()).await;
        let prepared = match begun {
            Ok(()) => self.prepared().await,
            // Its answer comes all the same, and then the session is at rest.
            Err(Fault::Server(error)) => self.prepared().await.and(Err(Fault::Server(error))),
            Err(other) => Err(other),
        };
        self.settled(prepared)
    }

    async fn begun(&mut self, count: usize) -> Result<(), Fault> {
        let (mut failure, before) = (None, self.pending);
        let sent = self.wire.send().await.map_err(Fault::Wire);
        for _ in 0..count {
            let answer = match &sent {
                Ok(()) => self.answer_without_rows().await,
                // What the server said before it left may still be there to be read.
                Err(_) => Err(Fault::Wire(io::ErrorKind::BrokenPipe.into())),
            };
            if let Err(error) = answer {
                let ended = match &error {
                    Fault::Wire(_) => true,
                    Fault::Server(error) => error.is_about_the_session(),
                    Fault::Host(_) => false,
                };
                // A new session that ends at once is no accident; one that lay idle is.
                self.is_stale |= self.uses > 0 && ended && self.pending + 1 >= before;
                if matches!(error, Fault::Wire(_)) {
                    return Err(error);
                }
                failure.get_or_insert(error);
            }
        }
        failure.map_or(Ok(()), Err)
    }

    async fn prepared(&mut self) -> Result<Prepared, Fault> {
        let packet = self.wire.packet().await?;
        if packet.first() == Some(&0xff) {
            return Err(self.failed(packet::error(&packet)?));
        }
        let mut reader = Reader::new(&packet);
        if reader.byte()? != 0 {
            return Err(garbage("not an answer to PREPARE").into());
        }
        let (number, columns, parameters) = (reader.u32()?, reader.u16()?, reader.u16()?);
        // The parameters have no types worth reading, and the columns come again with the rows.
        for count in [parameters, columns] {
            self.pass_over(count).await?;
        }
        self.answered();
        Ok(Prepared { number, parameters, columns })
    }

    async fn pass_over(&mut self, descriptions: u16) -> Result<(), Fault> {
        if descriptions == 0 {
            return Ok(());
        }
        for _ in 0..descriptions {
            self.wire.packet().await?;
        }
        let end = packet::end(&self.wire.packet().await?)?;
        end.map(drop).ok_or_else(|| garbage("descriptions without an end").into())
    }

    /// Has the server forget a statement. It does not answer that.
    pub(super) fn close(&mut self, prepared: &Prepared) {
        let mut payload = vec![CLOSE];
        payload.put_u32_le(prepared.number);
        self.wire.command(&payload);
    }

    /// Runs one statement of ours that has no rows.
    ///
    /// # Errors
    /// What the server says against it.
    pub(super) async fn tell(&mut self, statement: &str) -> Result<(), Fault> {
        self.pending += 1;
        self.wire.command(&command(QUERY, statement.as_bytes()));
        self.wire.send().await?;
        self.answer_without_rows().await
    }

    /// Makes the changes of the transaction last.
    ///
    /// # Errors
    /// When the server says no; what it says nothing about is not known.
    pub(super) async fn commit(&mut self) -> Result<(), Fault> {
        self.begin_lasting();
        self.tell("COMMIT").await
    }

    /// What is sent from now on lasts: where no answer comes, nobody knows.
    pub(super) fn begin_lasting(&mut self) {
        self.is_committing = true;
    }

    /// Says goodbye, which the server would otherwise log as an accident.
    pub(super) async fn quit(mut self) {
        self.wire.command(&[QUIT]);
        // Nothing is lost when it does not arrive.
        let _said = self.wire.send().await;
    }

    async fn roll_back(&mut self) -> Result<(), Fault> {
        self.pending += 2;
        self.wire.command(&command(QUERY, b"ROLLBACK"));
        self.wire.command(&[RESET]);
        self.wire.send().await?;
        self.answer_without_rows().await?;
        self.answer_without_rows().await?;
        self.uses += 1;
        Ok(())
    }

    async fn answer_without_rows(&mut self) -> Result<(), Fault> {
        match packet::answer(&self.wire.packet().await?)? {
            Answer::Done(done) => self.done(done),
            Answer::Failed(error) => Err(self.failed(error)),
            Answer::Columns(_) => Err(garbage("rows that nobody asked for").into()),
        }
    }

    fn done(&mut self, done: Done) -> Result<(), Fault> {
        if done.status & STATUS_MORE_RESULTS != 0 {
            return Err(garbage("several results, which are never asked for").into());
        }
        self.status = done.status;
        self.answered();
        Ok(())
    }

    fn failed(&mut self, error: ServerError) -> Fault {
        // Cancelled, killed, shut down: whoever comes next should not find out what is left.
        self.is_odd |= error.is_interruption() || error.is_about_the_session();
        self.answered();
        Fault::Server(error)
    }

    fn answered(&mut self) {
        self.pending = self.pending.saturating_sub(1);
        self.is_committing &= self.pending > 0;
    }

    /// What is not the protocol leaves nobody knowing what comes next.
    fn settled<T>(&mut self, ended: Result<T, Fault>) -> Result<T, Fault> {
        self.is_odd |= matches!(ended, Err(Fault::Wire(_)));
        ended
    }
}

impl PooledSession for Session {
    fn is_at_rest(&self) -> bool {
        self.pending == 0
    }

    fn is_stale(&self) -> bool {
        self.is_stale
    }

    async fn is_quiet(&mut self) -> bool {
        self.wire.is_quiet().await
    }

    async fn reset(&mut self) -> bool {
        if self.is_odd || self.roll_back().await.is_err() {
            return false;
        }
        !self.is_odd && !self.is_in_transaction()
    }
}

fn command(code: u8, text: &[u8]) -> Vec<u8> {
    [&[code], text].concat()
}
