//! One session of one role: statements in, packets out, and always knowing whether something is still to come.

use std::{io, net::SocketAddr};

use bytes::{BufMut as _, Bytes};

use super::{
    fault::{Fault, ServerError},
    greeting::{Greeting, Kind},
    packet::{self, Answer, Done, Reader, STATUS_CURSOR, STATUS_IN_TRANSACTION, STATUS_LAST_ROW, STATUS_MORE_RESULTS},
    parameters::{self, Bound},
    types::{self, Type},
    wire::{Incoming, Wire, garbage},
};
use crate::database::{PooledSession, Stage};

const QUERY: u8 = 0x03;
const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;
const CLOSE: u8 = 0x19;
const FETCH: u8 = 0x1c;
const RESET: u8 = 0x1f;
const QUIT: u8 = 0x01;
/// Rows that are taken at a time where the session has to stay usable when nobody wants the rest.
const PORTION_ROWS: u32 = 100;
/// More columns than any table or result has.
const COLUMNS_MAX: u64 = 65_535;

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

/// Takes the rows of a result.
pub(super) trait Rows {
    /// Largest row that can be taken, in bytes.
    fn row_bytes_max(&self) -> usize;

    /// Takes one row, or says `false` when nothing more is wanted.
    ///
    /// # Errors
    /// When the row cannot be taken.
    fn take(&mut self, row: &Bytes) -> Result<bool, Fault>;
}

/// What a statement that runs gives.
pub(super) enum Running {
    /// Rows changed.
    Done(u64),
    /// Rows, which are still to come.
    Columns(Vec<(String, Type)>),
    /// Rows, which the server keeps until they are fetched.
    Portions(Vec<(String, Type)>),
}

/// How a result ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Complete,
    /// After as many rows as were fetched. There may be more.
    Suspended,
    /// Nobody wanted the rest. After [`Session::read`] the session is of no further use.
    Cut,
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

    /// Runs the described statement with values.
    ///
    /// # Errors
    /// What the server says.
    pub(super) async fn run(&mut self, prepared: &Prepared, values: &[Bound]) -> Result<Running, Fault> {
        const NO_CURSOR: u8 = 0;
        self.execute(prepared, values, NO_CURSOR).await
    }

    /// As [`Session::run`]; the server keeps the rows, where it can, until [`Session::fetch`] asks for them.
    ///
    /// # Errors
    /// What the server says.
    pub(super) async fn run_portioned(&mut self, prepared: &Prepared, values: &[Bound]) -> Result<Running, Fault> {
        const READ_ONLY_CURSOR: u8 = 1;
        self.execute(prepared, values, READ_ONLY_CURSOR).await
    }

    async fn execute(&mut self, prepared: &Prepared, values: &[Bound], cursor: u8) -> Result<Running, Fault> {
        let mut payload = vec![EXECUTE];
        payload.put_u32_le(prepared.number);
        payload.put_u8(cursor);
        // Once.
        payload.put_u32_le(1);
        parameters::write(values, &mut payload);
        self.pending += 1;
        self.wire.command(&payload);
        self.wire.send().await?;
        let running = self.running().await;
        self.settled(running)
    }

    async fn running(&mut self) -> Result<Running, Fault> {
        match packet::answer(&self.wire.packet().await?)? {
            Answer::Done(done) => {
                self.done(done)?;
                Ok(Running::Done(done.affected))
            }
            Answer::Failed(error) => Err(self.failed(error)),
            Answer::Columns(count) if count > COLUMNS_MAX => Err(garbage("more columns than there can be").into()),
            Answer::Columns(count) => {
                let mut columns = Vec::new();
                for _ in 0..count {
                    columns.push(types::column(&self.wire.packet().await?, self.has_extended_metadata)?);
                }
                let end = packet::end(&self.wire.packet().await?)?;
                let end = end.ok_or_else(|| garbage("columns without an end"))?;
                if end.status & STATUS_CURSOR == 0 {
                    return Ok(Running::Columns(columns));
                }
                self.done(end)?;
                Ok(Running::Portions(columns))
            }
        }
    }

    /// Reads the rows that [`Session::run`] has left to come.
    ///
    /// # Errors
    /// What the server says, or what `rows` cannot take.
    pub(super) async fn read(&mut self, rows: &mut impl Rows) -> Result<Ended, Fault> {
        loop {
            let Incoming::Packet(packet) = self.wire.next(rows.row_bytes_max()).await? else { return Ok(Ended::Cut) };
            if packet.first() == Some(&0xff) {
                return Err(self.failed(packet::error(&packet)?));
            }
            if let Some(done) = packet::end(&packet)? {
                self.done(done)?;
                return Ok(Ended::Complete);
            }
            if !rows.take(&packet)? {
                return Ok(Ended::Cut);
            }
        }
    }

    /// Fetches a portion of the rows that the server keeps, and reads it to its end.
    ///
    /// # Errors
    /// As [`Session::read`].
    pub(super) async fn fetch(&mut self, prepared: &Prepared, rows: &mut impl Rows) -> Result<Ended, Fault> {
        let mut payload = vec![FETCH];
        payload.put_u32_le(prepared.number);
        payload.put_u32_le(PORTION_ROWS);
        self.pending += 1;
        self.wire.command(&payload);
        self.wire.send().await?;
        let ended = self.read_to_end(rows).await?;
        let is_last = self.status & STATUS_LAST_ROW != 0;
        Ok(if ended == Ended::Complete && !is_last { Ended::Suspended } else { ended })
    }

    /// As [`Session::read`], but what nobody wants is read and thrown away.
    ///
    /// # Errors
    /// As [`Session::read`].
    pub(super) async fn read_to_end(&mut self, rows: &mut impl Rows) -> Result<Ended, Fault> {
        let mut ended = Ended::Complete;
        loop {
            let Incoming::Packet(packet) = self.wire.next(rows.row_bytes_max()).await? else {
                self.wire.pass_over().await?;
                ended = Ended::Cut;
                continue;
            };
            if packet.first() == Some(&0xff) {
                return Err(self.failed(packet::error(&packet)?));
            }
            if let Some(done) = packet::end(&packet)? {
                self.done(done)?;
                return Ok(ended);
            }
            if ended == Ended::Complete && !rows.take(&packet)? {
                ended = Ended::Cut;
            }
        }
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

    /// Counts the rows that a question of ours has.
    ///
    /// # Errors
    /// What the server says against it.
    pub(super) async fn count(&mut self, question: &str) -> Result<u64, Fault> {
        struct Counted(u64);
        impl Rows for Counted {
            fn row_bytes_max(&self) -> usize {
                super::wire::PACKET_BYTES_MAX
            }
            fn take(&mut self, _: &Bytes) -> Result<bool, Fault> {
                self.0 += 1;
                Ok(true)
            }
        }
        self.pending += 1;
        self.wire.command(&command(QUERY, question.as_bytes()));
        self.wire.send().await?;
        let mut counted = Counted(0);
        if let Running::Columns(_) = self.running().await? {
            self.read(&mut counted).await?;
        }
        Ok(counted.0)
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
        !self.is_odd && self.roll_back().await.is_ok() && !self.is_odd && !self.is_in_transaction()
    }
}

fn command(code: u8, text: &[u8]) -> Vec<u8> {
    [&[code], text].concat()
}
