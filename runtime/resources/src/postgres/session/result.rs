//! Running a described statement and taking its rows: all at once, or some and then more.

use std::num::NonZeroU16;

use postgres_protocol::{
    IsNull,
    message::{
        backend::{DataRowBody, Message},
        frontend::{self, BindError},
    },
};

use super::{STATEMENT, Session};
use crate::postgres::{
    fault::{At, Fault, ServerError},
    wire::{Incoming, garbage},
};

/// What asks for every row.
const ALL_ROWS: u16 = 0;

/// Takes the rows of a result.
pub(in crate::postgres) trait Rows {
    /// Largest row that can be taken, in bytes.
    fn row_bytes_max(&self) -> usize;

    /// Takes one row, and says how to go on.
    ///
    /// # Errors
    /// When the row cannot be taken.
    fn take(&mut self, row: &DataRowBody) -> Result<Wish, Fault>;
}

/// What whoever takes rows wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::postgres) enum Wish {
    /// The next row.
    Next,
    /// No more for now: the row was taken.
    Pause,
    /// No more at all: the row was not taken.
    Stop,
}

/// How a statement ended.
#[derive(Debug)]
pub(in crate::postgres) enum Ended {
    /// At its end, with the server's word about it: `SELECT 4`, `UPDATE 2`.
    Complete(String),
    /// After as many rows as were asked for. There may be more.
    Suspended,
    /// Nobody wants more for now: [`Session::go_on`] takes the rows that are still to come.
    Paused,
    /// Nobody wanted the rest. Without [`Session::drain`] the session is of no further use.
    Cut,
}

impl Session {
    /// Runs the described statement to its end. Values are text, as the server reads it.
    ///
    /// # Errors
    /// What the server says, or what `rows` cannot take.
    pub(in crate::postgres) async fn run(
        &mut self,
        values: &[Option<String>],
        rows: &mut impl Rows,
    ) -> Result<Ended, Fault> {
        bind(values, self.wire.outbox())?;
        self.fetch(ALL_ROWS, rows).await
    }

    /// Runs the described statement until it has given some rows; [`Session::more`] goes on.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub(in crate::postgres) async fn start(
        &mut self,
        values: &[Option<String>],
        row_count_max: NonZeroU16,
        rows: &mut impl Rows,
    ) -> Result<Ended, Fault> {
        bind(values, self.wire.outbox())?;
        self.fetch(row_count_max.get(), rows).await
    }

    /// Takes the next rows of a suspended statement.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub(in crate::postgres) async fn more(
        &mut self,
        row_count_max: NonZeroU16,
        rows: &mut impl Rows,
    ) -> Result<Ended, Fault> {
        self.fetch(row_count_max.get(), rows).await
    }

    async fn fetch(&mut self, row_count_max: u16, rows: &mut impl Rows) -> Result<Ended, Fault> {
        self.pending += 1;
        let out = self.wire.outbox();
        frontend::execute("", i32::from(row_count_max), out)?;
        frontend::sync(out);
        self.wire.send().await?;
        self.read_result(At::Values, rows).await
    }

    /// Takes the rows that were still to come when somebody paused.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub(in crate::postgres) async fn go_on(&mut self, rows: &mut impl Rows) -> Result<Ended, Fault> {
        self.read_result(At::Work, rows).await
    }

    async fn read_result(&mut self, mut at: At, rows: &mut impl Rows) -> Result<Ended, Fault> {
        let (mut ended, mut failure) = (Ended::Complete(String::new()), None);
        loop {
            let message = match self.wire.next(rows.row_bytes_max()).await {
                Ok(Incoming::Message(message)) => message,
                Ok(Incoming::RowTooLarge) => return Ok(Ended::Cut),
                Err(broken) => return Err(failure.map_or(Fault::Wire(broken), Fault::Server)),
            };
            match message {
                Message::BindComplete => at = At::Work,
                Message::DataRow(row) => match rows.take(&row)? {
                    Wish::Next => {}
                    Wish::Pause => return Ok(Ended::Paused),
                    Wish::Stop => return Ok(Ended::Cut),
                },
                Message::CommandComplete(body) => ended = Ended::Complete(body.tag()?.to_owned()),
                Message::PortalSuspended => ended = Ended::Suspended,
                Message::ErrorResponse(body) => failure = Some(ServerError { at, ..self.reported(&body)? }),
                Message::ReadyForQuery(body) => {
                    self.ready(body.status());
                    if let Some(error) = failure {
                        return Err(Fault::Server(error));
                    }
                    self.check_transaction()?;
                    return Ok(ended);
                }
                Message::CopyInResponse(_) | Message::CopyOutResponse(_) => {
                    return Err(Fault::Wire(garbage("a COPY, which is never asked for")));
                }
                _ => {}
            }
        }
    }
}

fn bind(values: &[Option<String>], out: &mut bytes::BytesMut) -> Result<(), Fault> {
    let write = |value: &Option<String>, out: &mut bytes::BytesMut| {
        Ok(value.as_ref().map_or(IsNull::Yes, |text| {
            out.extend_from_slice(text.as_bytes());
            IsNull::No
        }))
    };
    frontend::bind("", STATEMENT, [], values, write, [], out).map_err(|why| match why {
        BindError::Conversion(why) => Fault::Wire(std::io::Error::other(why)),
        BindError::Serialization(why) => Fault::Wire(why),
    })
}
