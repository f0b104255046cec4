//! One session of one role: statements in, messages out, and always knowing what is still to come.

mod result;

use std::net::SocketAddr;

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::{backend::Message, frontend};

use super::{
    fault::{Fault, ServerError},
    startup::BackendKey,
    wire::{Incoming, MESSAGE_BYTES_MAX, Wire, garbage},
};
use crate::database::{PooledSession, Stage, refused};

pub(super) use result::{Ended, Rows, Wish};

/// What a guest's statement is called on the server. It has a name because a question of ours in between, in a simple query,
/// would take the nameless one away; the reset does it afterwards.
const STATEMENT: &str = "guest";

/// A logged-in connection.
#[derive(Debug)]
pub(super) struct Session {
    wire: Wire,
    pub(super) key: BackendKey,
    /// The address that was judged and dialled.
    pub(super) target: SocketAddr,
    /// Answers that are still to come. INVARIANT: raised before anything is sent, so a dropped future leaves it raised.
    pending: u32,
    /// As in the last answer: `I` idle, `T` in a transaction, `E` in a failed one.
    status: u8,
    /// Set when something happened after which nobody else should get the session.
    is_odd: bool,
    /// Statements it has been reset after.
    uses: u32,
    is_stale: bool,
    /// Whether a COMMIT has been sent and not been answered.
    is_committing: bool,
}

/// What the server says about a statement before it runs.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// Types of the parameters.
    pub(super) parameters: Vec<u32>,
    /// Names and types of the columns; empty for a statement without rows.
    pub(super) columns: Vec<(String, u32)>,
}

impl Session {
    pub(super) fn new(wire: Wire, key: BackendKey, target: SocketAddr) -> Self {
        Self {
            wire,
            key,
            target,
            pending: 0,
            status: b'I',
            is_odd: false,
            uses: 0,
            is_stale: false,
            is_committing: false,
        }
    }

    /// How far the statement at hand has come.
    pub(super) fn stage(&self) -> Stage {
        if self.is_committing { Stage::Committing } else { Stage::Undone }
    }

    /// Opens a transaction of several statements.
    ///
    /// # Errors
    /// What the server says against it.
    pub(super) async fn begin(&mut self, begin: &str) -> Result<(), Fault> {
        self.pending += 1;
        frontend::query(begin, self.wire.outbox())?;
        self.begun().await?;
        self.check_transaction()
    }

    /// Sends, and reads the answer to the first of what was sent: the word that opens a transaction.
    async fn begun(&mut self) -> Result<(), Fault> {
        let expected = self.pending;
        let begun = match self.wire.send().await {
            Ok(()) => self.until_ready(|_| Ok(())).await,
            Err(broken) => Err(Fault::Wire(broken)),
        };
        // A new session that ends at once is no accident; one that lay idle is.
        self.is_stale = self.uses > 0 && begun.is_err() && self.pending == expected;
        begun
    }

    /// Opens a transaction and has a statement described inside it, in one round trip. Inside an open transaction `begin` is
    /// what has to be said before the statement, or nothing.
    ///
    /// # Errors
    /// What the server says against either.
    pub(super) async fn prepare(&mut self, begin: &str, statement: &str) -> Result<Prepared, Fault> {
        self.pending += 2;
        let out = self.wire.outbox();
        frontend::query(begin, out)?;
        // That of the transaction's last statement; closing one that is not there is no error.
        frontend::close(b'S', STATEMENT, out)?;
        frontend::parse(STATEMENT, statement, [], out)?;
        frontend::describe(b'S', STATEMENT, out)?;
        frontend::sync(out);
        self.begun().await?;
        let mut prepared = Prepared::default();
        self.until_ready(|message| {
            match message {
                Message::ParameterDescription(body) => prepared.parameters = body.parameters().collect()?,
                Message::RowDescription(body) => {
                    let column = |field: postgres_protocol::message::backend::Field<'_>| {
                        Ok((field.name().to_owned(), field.type_oid()))
                    };
                    prepared.columns = body.fields().map(column).collect()?;
                }
                _ => {}
            }
            Ok(())
        })
        .await?;
        self.check_transaction()?;
        Ok(prepared)
    }

    /// Makes the changes of the transaction last.
    ///
    /// # Errors
    /// When the server says no; what it says nothing about is not known.
    pub(super) async fn commit(&mut self) -> Result<(), Fault> {
        self.is_committing = true;
        self.pending += 1;
        frontend::query("COMMIT", self.wire.outbox())?;
        self.wire.send().await?;
        let mut tag = String::new();
        let ended = self
            .until_ready(|message| {
                if let Message::CommandComplete(body) = message {
                    body.tag()?.clone_into(&mut tag);
                }
                Ok(())
            })
            .await;
        self.is_committing = self.pending > 0;
        ended?;
        if tag == "COMMIT" { Ok(()) } else { Err(Fault::Wire(garbage("a COMMIT that does not commit"))) }
    }

    /// Asks something of our own: no guest's text is in it. Gives the rows as text.
    ///
    /// # Errors
    /// What the server says against it.
    pub(super) async fn ask(&mut self, statement: &str) -> Result<Vec<Vec<String>>, Fault> {
        self.pending += 1;
        frontend::query(statement, self.wire.outbox())?;
        self.wire.send().await?;
        let mut found = Vec::new();
        self.until_ready(|message| {
            let Message::DataRow(row) = message else { return Ok(()) };
            let text = |range: Option<std::ops::Range<usize>>| {
                let bytes = range.and_then(|range| row.buffer().get(range)).unwrap_or_default();
                Ok(String::from_utf8_lossy(bytes).into_owned())
            };
            found.push(row.ranges().map(text).collect()?);
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// Undoes everything that a statement can have left behind, in one round trip.
    ///
    /// # Errors
    /// When the session is not as good as new afterwards.
    async fn roll_back(&mut self) -> Result<(), Fault> {
        self.pending += 2;
        let out = self.wire.outbox();
        frontend::query("ROLLBACK", out)?;
        // Not together with the other: it may not stand inside a transaction, and one message of two is one.
        frontend::query("DISCARD ALL", out)?;
        self.wire.send().await?;
        self.until_ready(|_| Ok(())).await?;
        self.until_ready(|_| Ok(())).await?;
        self.uses += 1;
        if self.status == b'I' { Ok(()) } else { Err(Fault::Wire(garbage("a session that does not reset"))) }
    }

    /// Reads what is still to come and throws it away.
    ///
    /// # Errors
    /// When the connection ends first.
    pub(super) async fn drain(&mut self) -> Result<(), Fault> {
        while self.pending > 0 {
            match self.wire.next(MESSAGE_BYTES_MAX).await? {
                Incoming::Message(Message::ReadyForQuery(body)) => self.ready(body.status()),
                Incoming::Message(_) => {}
                Incoming::RowTooLarge => self.wire.pass_over().await?,
            }
        }
        Ok(())
    }

    /// Hands on every message up to the end of one answer, and gives the first error among them.
    async fn until_ready(&mut self, mut take: impl FnMut(Message) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut failure = None;
        loop {
            match self.wire.message().await {
                Ok(Message::ReadyForQuery(body)) => {
                    self.ready(body.status());
                    return failure.map_or(Ok(()), |error| Err(Fault::Server(error)));
                }
                Ok(Message::ErrorResponse(body)) => {
                    let error = self.reported(&body)?;
                    failure.get_or_insert(error);
                }
                Ok(message) => take(message)?,
                Err(broken) => return Err(failure.map_or(Fault::Wire(broken), Fault::Server)),
            }
        }
    }

    fn ready(&mut self, status: u8) {
        self.pending = self.pending.saturating_sub(1);
        self.status = status;
    }

    fn reported(
        &mut self,
        body: &postgres_protocol::message::backend::ErrorResponseBody,
    ) -> Result<ServerError, Fault> {
        let error = ServerError::read(body)?;
        // Cancelled, shut down, out of something, broken inside: whoever comes next should not find out what is left.
        self.is_odd |= ["57", "08", "53", "58", "XX"].iter().any(|class| error.code.starts_with(class));
        Ok(error)
    }

    /// INVARIANT: a statement never ends the transaction that it runs in.
    pub(super) fn check_transaction(&mut self) -> Result<(), Fault> {
        if self.status == b'T' {
            return Ok(());
        }
        self.is_odd = true;
        Err(Fault::Host(refused("a statement that ends its transaction")))
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
        !self.is_odd && self.pending == 0
    }
}
