//! The commands. Those that change something do it in one transaction.

use std::num::NonZeroU64;

use airlock_model::{KvCommand, KvReply, StoreKey};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};

use super::{
    Work,
    connection::{Fault, NOW_MS},
    read,
};
use crate::kv::number;

/// Expired entries of anybody's that one change clears away.
const SWEPT: u32 = 64;

/// When an entry expires.
#[derive(Clone, Copy)]
enum Expiry {
    /// So long after now, or never.
    After(Option<NonZeroU64>),
    /// As before: milliseconds since the Unix epoch, or never.
    Kept(Option<i64>),
}

/// Runs a command in a transaction: until that is committed, nothing has happened.
pub(super) fn change(connection: &mut Connection, work: &Work<'_>) -> Result<KvReply, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    sweep(&transaction)?;
    let reply = apply(&transaction, work)?;
    if work.waiting.is_over() {
        return Err(Fault::Over);
    }
    transaction.commit()?;
    Ok(reply)
}

/// Applies a command, a change or not.
pub(super) fn apply(connection: &Connection, work: &Work<'_>) -> Result<KvReply, Fault> {
    match work.command {
        KvCommand::Set { key, value, ttl_ms } => {
            put(connection, work, (key, value), Expiry::After(*ttl_ms))?;
            Ok(KvReply::Set)
        }
        KvCommand::Delete { key } => {
            let was_there = read::entry(connection, work.owner, key)?.is_some();
            remove(connection, work.owner, key)?;
            Ok(KvReply::Deleted(was_there))
        }
        KvCommand::Increment { key, by, ttl_ms } => {
            let held = read::entry(connection, work.owner, key)?;
            let sum = number::add(held.as_ref().map(|(value, _)| value.as_str()), *by).map_err(Fault::Host)?;
            let expiry = held.map_or(Expiry::After(*ttl_ms), |(_, expires_ms)| Expiry::Kept(expires_ms));
            put(connection, work, (key, &sum.to_string()), expiry)?;
            Ok(KvReply::Number(sum))
        }
        KvCommand::CompareAndSet { key, expected, value, ttl_ms } => {
            let held = read::get(connection, work.owner, key)?;
            let is_as_expected = held == *expected;
            if is_as_expected {
                put(connection, work, (key, value), Expiry::After(*ttl_ms))?;
            }
            Ok(KvReply::Swapped(is_as_expected))
        }
        KvCommand::Get { key } => read::get(connection, work.owner, key).map(KvReply::Value),
        KvCommand::List { prefix, cursor } => {
            read::list(connection, work.owner, prefix, cursor.as_ref()).map(KvReply::Keys)
        }
    }
}

/// Sets an entry, and sees to it that the tenant stays within its share.
fn put(connection: &Connection, work: &Work<'_>, (key, value): (&StoreKey, &str), expiry: Expiry) -> Result<(), Fault> {
    remove(connection, work.owner, key)?;
    let (from_now, kept) = match expiry {
        Expiry::After(ttl_ms) => (ttl_ms.map(NonZeroU64::get), None),
        Expiry::Kept(expires_ms) => (None, expires_ms),
    };
    let text = format!(
        "INSERT INTO entry (owner, key, value, expires_ms) VALUES (?1, ?2, CAST(?3 AS BLOB), coalesce({NOW_MS} + ?4, ?5))"
    );
    let mut insert = connection.prepare_cached(&text)?;
    let from_now = from_now.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
    insert.execute(params![work.owner, key.as_str(), value, from_now, kept])?;
    if used(connection, work.owner)? <= work.tenant_bytes_max {
        return Ok(());
    }
    let expired = format!("DELETE FROM entry WHERE owner = ?1 AND expires_ms <= {NOW_MS}");
    connection.prepare_cached(&expired)?.execute(params![work.owner])?;
    if used(connection, work.owner)? <= work.tenant_bytes_max { Ok(()) } else { Err(Fault::TenantFull) }
}

fn remove(connection: &Connection, owner: &str, key: &StoreKey) -> Result<(), Fault> {
    let mut delete = connection.prepare_cached("DELETE FROM entry WHERE owner = ?1 AND key = ?2")?;
    delete.execute(params![owner, key.as_str()])?;
    Ok(())
}

fn used(connection: &Connection, owner: &str) -> Result<u64, Fault> {
    let mut statement = connection.prepare_cached("SELECT bytes FROM usage WHERE owner = ?1")?;
    let bytes: Option<i64> = statement.query_row(params![owner], |row| row.get(0)).optional()?;
    Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
}

/// Clears a few expired entries away, so that a store that is written to does not grow with what nobody can read.
fn sweep(connection: &Connection) -> Result<(), Fault> {
    let text = format!(
        "DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry WHERE expires_ms <= {NOW_MS} LIMIT {SWEPT})"
    );
    connection.prepare_cached(&text)?.execute([])?;
    Ok(())
}
