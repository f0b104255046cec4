-- Statements that functions sent and no manifest lists: candidates for one. Bounded for each function and tenant.
CREATE TABLE candidates (
    environment   TEXT NOT NULL,
    function      TEXT NOT NULL,
    tenant        TEXT NOT NULL,
    fingerprint   BLOB NOT NULL,
    statement     TEXT NOT NULL,
    first_unix_ms INTEGER NOT NULL,
    PRIMARY KEY (environment, function, tenant, fingerprint)
) STRICT, WITHOUT ROWID;
