-- How far each export of the trail has come: `seq` and `hash` of the last record that its sink has taken.
CREATE TABLE exports (
    name          TEXT PRIMARY KEY,
    seq           INTEGER NOT NULL,
    hash          BLOB NOT NULL,
    moved_unix_ms INTEGER NOT NULL,
    configured    INTEGER NOT NULL,
    error         TEXT,
    error_unix_ms INTEGER
) STRICT, WITHOUT ROWID;
