-- What a revision may say to its resources, as JSON; NULL when it was stored without sources and without a section of its own.
ALTER TABLE revisions ADD COLUMN statements TEXT;
-- The environment it was promoted from; NULL for uploads.
ALTER TABLE revisions ADD COLUMN promoted_from TEXT;
-- The name of the key whose signature over the component was checked; NULL for unsigned ones.
ALTER TABLE revisions ADD COLUMN signed_by TEXT;

-- Every time a revision went live. `before` is where a rollback leads: for a rollback it is what it led to before.
CREATE TABLE releases (
    id           INTEGER PRIMARY KEY,
    environment  TEXT NOT NULL,
    function     TEXT NOT NULL,
    revision     INTEGER NOT NULL REFERENCES revisions (id),
    before       INTEGER REFERENCES releases (id),
    kind         TEXT NOT NULL,
    author       TEXT NOT NULL,
    time_unix_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX releases_function ON releases (environment, function);

INSERT INTO releases (environment, function, revision, kind, author, time_unix_ms)
    SELECT l.environment, l.function, l.revision, 'deploy', r.author, r.created_unix_ms
    FROM live l JOIN revisions r ON r.id = l.revision;

-- The release that is live, and why it is not called at the moment, if it is not.
CREATE TABLE current (
    environment TEXT NOT NULL,
    function    TEXT NOT NULL,
    release     INTEGER NOT NULL REFERENCES releases (id),
    disabled    TEXT,
    PRIMARY KEY (environment, function)
) STRICT, WITHOUT ROWID;

INSERT INTO current (environment, function, release) SELECT environment, function, id FROM releases;

DROP TABLE live;

-- Names for revisions beside the live one, with their shares of the calls. Those of the alias `live` leave the rest to
-- the release that is live; those of any other add up to 100.
CREATE TABLE aliases (
    environment TEXT NOT NULL,
    function    TEXT NOT NULL,
    alias       TEXT NOT NULL,
    revision    INTEGER NOT NULL REFERENCES revisions (id),
    percent     INTEGER NOT NULL,
    PRIMARY KEY (environment, function, alias, revision)
) STRICT, WITHOUT ROWID;
