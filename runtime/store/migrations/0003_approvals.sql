-- What people have to approve, and what became of it. `body` is the approval as JSON; the columns before it are copies for
-- searching. `binding` is the digest of everything that is approved.
CREATE TABLE approvals (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    tenant      TEXT NOT NULL,
    environment TEXT NOT NULL,
    function    TEXT NOT NULL,
    resource    TEXT NOT NULL,
    binding     BLOB NOT NULL,
    state       TEXT NOT NULL,
    body        TEXT NOT NULL
) STRICT;

-- Of everything that could be asked, at most one is open.
CREATE UNIQUE INDEX approvals_open ON approvals (binding) WHERE state IN ('pending', 'approved', 'executing');
CREATE INDEX approvals_binding ON approvals (binding);
CREATE INDEX approvals_function ON approvals (tenant, environment, function, state);
CREATE INDEX approvals_executing ON approvals (state) WHERE state = 'executing';
