-- Signed checkpoints of the trail, one for each record at which it stood when one was made. Those kept elsewhere prove more.
CREATE TABLE checkpoints (
    seq          INTEGER PRIMARY KEY,
    hash         BLOB NOT NULL,
    time_unix_ms INTEGER NOT NULL,
    signed       TEXT NOT NULL
) STRICT;
