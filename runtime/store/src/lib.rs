//! Durable state: functions, revisions, artifacts and the audit trail, on embedded SQLite.
