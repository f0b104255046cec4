//! Statements that run, and the rows that they give.

use bytes::{BufMut as _, Bytes};

use super::{
    super::{
        fault::Fault,
        packet::{self, Answer, STATUS_CURSOR, STATUS_LAST_ROW},
        parameters::{self, Bound},
        types::{self, Type},
        wire::{Incoming, PACKET_BYTES_MAX, garbage},
    },
    Prepared, QUERY, Session, command,
};

const EXECUTE: u8 = 0x17;
const FETCH: u8 = 0x1c;
/// Rows that are taken at a time where the session has to stay usable when nobody wants the rest.
const PORTION_ROWS: u32 = 100;
/// More columns than any table or result has.
const COLUMNS_MAX: u64 = 65_535;
/// Bytes of the descriptions of all columns of a result.
const DESCRIPTIONS_BYTES_MAX: usize = 1 << 20;

/// Takes the rows of a result.
pub(in crate::mysql) trait Rows {
    /// Largest row that can be taken, in bytes.
    fn row_bytes_max(&self) -> usize;

    /// Takes one row, and says how to go on.
    ///
    /// # Errors
    /// When the row cannot be taken.
    fn take(&mut self, row: &Bytes) -> Result<Wish, Fault>;
}

/// What whoever takes rows wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mysql) enum Wish {
    /// The next row.
    Next,
    /// No more for now: the row was taken.
    Pause,
    /// No more at all: the row was not taken.
    Stop,
}

/// What a statement that runs gives.
pub(in crate::mysql) enum Running {
    /// Rows changed.
    Done(u64),
    /// Rows, which are still to come.
    Columns(Vec<(String, Type)>),
    /// Rows, which the server keeps until they are fetched.
    Portions(Vec<(String, Type)>),
}

/// How a result ended.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::mysql) enum Ended {
    Complete,
    /// After as many rows as were fetched. There may be more.
    Suspended,
    /// Nobody wants more for now: [`Session::read`] takes the rows that are still to come.
    Paused,
    /// Nobody wanted the rest. After [`Session::read`] the session is of no further use.
    Cut,
}

impl Session {
    /// Runs the described statement with values.
    ///
    /// # Errors
    /// What the server says.
    pub(in crate::mysql) async fn run(&mut self, prepared: &Prepared, values: &[Bound]) -> Result<Running, Fault> {
        const NO_CURSOR: u8 = 0;
        self.execute(prepared, values, NO_CURSOR).await
    }

    /// As [`Session::run`]; the server keeps the rows, where it can, until [`Session::fetch`] asks for them.
    ///
    /// # Errors
    /// What the server says.
    pub(in crate::mysql) async fn run_portioned(
        &mut self,
        prepared: &Prepared,
        values: &[Bound],
    ) -> Result<Running, Fault> {
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
                let (mut columns, mut bytes) = (Vec::new(), 0_usize);
                for _ in 0..count {
                    let described = self.wire.packet().await?;
                    bytes = bytes.saturating_add(described.len());
                    if bytes > DESCRIPTIONS_BYTES_MAX {
                        return Err(garbage("columns that are too large").into());
                    }
                    columns.push(types::column(&described, self.has_extended_metadata)?);
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
    pub(in crate::mysql) async fn read(&mut self, rows: &mut impl Rows) -> Result<Ended, Fault> {
        loop {
            let Incoming::Packet(packet) = self.wire.next(rows.row_bytes_max()).await? else { return Ok(Ended::Cut) };
            if packet.first() == Some(&0xff) {
                return Err(self.failed(packet::error(&packet)?));
            }
            if let Some(done) = packet::end(&packet)? {
                self.done(done)?;
                return Ok(Ended::Complete);
            }
            match rows.take(&packet)? {
                Wish::Next => {}
                Wish::Pause => return Ok(Ended::Paused),
                Wish::Stop => return Ok(Ended::Cut),
            }
        }
    }

    /// Fetches a portion of the rows that the server keeps, and reads it to its end.
    ///
    /// # Errors
    /// As [`Session::read`].
    pub(in crate::mysql) async fn fetch(&mut self, prepared: &Prepared, rows: &mut impl Rows) -> Result<Ended, Fault> {
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
    pub(in crate::mysql) async fn read_to_end(&mut self, rows: &mut impl Rows) -> Result<Ended, Fault> {
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
            if ended == Ended::Complete && rows.take(&packet)? == Wish::Stop {
                ended = Ended::Cut;
            }
        }
    }

    /// Counts the rows that a question of ours has.
    ///
    /// # Errors
    /// What the server says against it.
    pub(in crate::mysql) async fn count(&mut self, question: &str) -> Result<u64, Fault> {
        struct Counted(u64);
        impl Rows for Counted {
            fn row_bytes_max(&self) -> usize {
                PACKET_BYTES_MAX
            }
            fn take(&mut self, _: &Bytes) -> Result<Wish, Fault> {
                self.0 += 1;
                Ok(Wish::Next)
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
}
