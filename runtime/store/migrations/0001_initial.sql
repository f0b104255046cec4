-- Values that must survive a restart. `call_numbers_reserved`: the highest call number that may have been issued.
CREATE TABLE counters (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The audit trail. `hash` chains each record to the one before it; `body` is what is hashed. The columns between are
-- copies out of the body for searching, and verification compares them with it.
CREATE TABLE audit (
    seq          INTEGER PRIMARY KEY,
    time_unix_ms INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    invocation   TEXT,
    function     TEXT,
    hash         BLOB NOT NULL,
    body         TEXT NOT NULL
) STRICT;

-- Invocation ids rise with time, so this index grows at its right edge and costs little.
CREATE INDEX audit_invocation ON audit (invocation) WHERE invocation IS NOT NULL;

CREATE TABLE functions (
    name            TEXT PRIMARY KEY,
    created_unix_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE revisions (
    id               INTEGER PRIMARY KEY,
    function         TEXT NOT NULL REFERENCES functions (name),
    environment      TEXT NOT NULL,
    number           INTEGER NOT NULL,
    digest           BLOB NOT NULL,
    component_digest BLOB NOT NULL,
    artifact_digest  BLOB NOT NULL,
    manifest         TEXT NOT NULL,
    sources          TEXT NOT NULL,
    findings         TEXT NOT NULL,
    author           TEXT NOT NULL,
    token_id         TEXT,
    created_unix_ms  INTEGER NOT NULL,
    UNIQUE (function, environment, digest),
    UNIQUE (function, environment, number)
) STRICT;

CREATE INDEX revisions_component ON revisions (component_digest);

CREATE TABLE live (
    environment TEXT NOT NULL,
    function    TEXT NOT NULL,
    revision    INTEGER NOT NULL REFERENCES revisions (id),
    PRIMARY KEY (environment, function)
) STRICT, WITHOUT ROWID;
