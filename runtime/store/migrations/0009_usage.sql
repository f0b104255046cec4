-- What calls used, counted from the trail: derived, and rebuilt from it at any time. An empty text stands for "none". Rows with a
-- resource are about host calls, the others about calls and refusals.
CREATE TABLE usage_keys (
    id          INTEGER PRIMARY KEY,
    tenant      TEXT NOT NULL,
    environment TEXT NOT NULL,
    app         TEXT NOT NULL,
    function    TEXT NOT NULL,
    revision    TEXT NOT NULL,
    resource    TEXT NOT NULL,
    subject     TEXT NOT NULL,
    actor       TEXT NOT NULL,
    UNIQUE (tenant, environment, app, function, revision, resource, subject, actor)
) STRICT;

-- One row for each hour of UTC, in hours since the Unix epoch. They outlive the records that they were counted from.
CREATE TABLE usage (
    hour     INTEGER NOT NULL,
    key      INTEGER NOT NULL REFERENCES usage_keys (id),
    measures BLOB NOT NULL,
    PRIMARY KEY (hour, key)
) STRICT, WITHOUT ROWID;

-- `usage_through`: the last record that the rows hold. Written in one transaction with them.
INSERT INTO counters (name, value) VALUES ('usage_through', 0);
