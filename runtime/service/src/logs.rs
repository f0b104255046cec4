//! Lines of functions: for whoever follows them, and kept where the operator says so.
//!
//! They are no part of the audit trail and never wait for anybody: a follower that is slow and a disk that is full are told how
//! many lines they missed. Every line was redacted, cut and escaped before it comes here.

mod follow;
mod keep;
mod pace;
mod tail;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use airlock_model::{AppName, EnvironmentName, FunctionName, LogLevel, LogLine, TenantName};
use serde::{Deserialize, Serialize};

use crate::{clock, record::CallFacts};
use follow::Follower;
use keep::Keeper;
use pace::Paces;

pub use tail::{LogEvent, LogEvents, LogQuery};

/// Everything that is known about one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// Milliseconds since the Unix epoch.
    pub time_unix_ms: u64,
    /// Whose call wrote it.
    pub tenant: TenantName,
    /// Which application called.
    pub app: AppName,
    /// Where.
    pub environment: EnvironmentName,
    /// Which function.
    pub function: FunctionName,
    /// In which call.
    pub invocation: Arc<str>,
    /// How much somebody should care.
    pub level: LogLevel,
    /// What it says: redacted, cut and escaped.
    pub message: String,
    /// A JSON object, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fields: String,
}

/// Where the lines of all calls pass.
pub(crate) struct Logs {
    followers: Mutex<Vec<Arc<Follower>>>,
    following: AtomicUsize,
    paces: Paces,
    keeper: Keeper,
}

impl Logs {
    /// Keeps lines under the state directory. Writes nothing yet.
    pub(crate) fn new(state_dir: &Path) -> Self {
        let keeper = Keeper::new(state_dir.join("logs"));
        Self { followers: Mutex::default(), following: AtomicUsize::new(0), paces: Paces::default(), keeper }
    }

    /// Hands a line on to whoever follows, and to be kept. Never waits.
    pub(crate) fn publish(&self, facts: &CallFacts, line: &LogLine) {
        let (settings, deployed) = (&facts.settings.config.logs, &facts.deployed);
        let is_kept = settings.store_in(&deployed.environment).keeps(line.level);
        if !is_kept && self.following.load(Relaxed) == 0 {
            return;
        }
        let tenant = &facts.principal.tenant;
        let Some(left_out) = self.paces.take(tenant, settings.lines_per_s, clock::now_unix_s()) else { return };
        let entry = LogEntry {
            time_unix_ms: clock::now_unix_ms(),
            tenant: tenant.clone(),
            app: facts.principal.app.clone(),
            environment: deployed.environment.clone(),
            function: deployed.function.clone(),
            invocation: facts.invocation.0.clone(),
            level: line.level,
            message: line.message.clone(),
            fields: line.fields.clone(),
        };
        if left_out > 0 {
            let message =
                format!("{left_out} lines of the tenant were left out: more than {} a second", settings.lines_per_s);
            let note = LogEntry { level: LogLevel::Warn, message, fields: String::new(), ..entry.clone() };
            self.hand_on(note, is_kept, facts);
        }
        self.hand_on(entry, is_kept, facts);
    }

    fn hand_on(&self, entry: LogEntry, is_kept: bool, facts: &CallFacts) {
        let entry = Arc::new(entry);
        if self.following.load(Relaxed) > 0 {
            let followers = self.followers.lock().unwrap_or_else(PoisonError::into_inner);
            followers.iter().for_each(|follower| follower.offer(&entry));
        }
        if is_kept {
            let logs = &facts.settings.config.logs;
            self.keeper.keep(entry, keep::Room { bytes: logs.keep_bytes.get(), seconds: u64::from(logs.keep_s.get()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of the tenant `acme` in `dev`.
    pub(super) fn entry(message: &str) -> LogEntry {
        LogEntry {
            time_unix_ms: 1,
            tenant: "acme".parse().expect("a tenant"),
            app: "shop".parse().expect("an app"),
            environment: "dev".parse().expect("an environment"),
            function: "one".parse().expect("a function"),
            invocation: "inv-1".into(),
            level: LogLevel::Info,
            message: message.to_owned(),
            fields: String::new(),
        }
    }

    #[test]
    fn a_query_asks_for_what_it_names() {
        let line = entry("hello");
        let of = |query: LogQuery| query.wants(&line);
        assert!(of(LogQuery::default()));
        assert!(of(LogQuery {
            invocation: Some("inv-1".to_owned()),
            level: Some(LogLevel::Info),
            ..LogQuery::default()
        }));
        assert!(!of(LogQuery { invocation: Some("inv-2".to_owned()), ..LogQuery::default() }));
        assert!(!of(LogQuery { level: Some(LogLevel::Warn), ..LogQuery::default() }));
        assert!(!of(LogQuery { function: Some("two".parse().expect("a name")), ..LogQuery::default() }));
        assert!(!of(LogQuery { app: Some("desk".parse().expect("a name")), ..LogQuery::default() }));
    }
}
