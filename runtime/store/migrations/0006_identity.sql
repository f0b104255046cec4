-- What was ended before its time. `body` is the revocation as JSON.
CREATE TABLE revocations (
    id             TEXT PRIMARY KEY,
    expires_unix_s INTEGER,
    body           TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- How often tokens were used that are good for so many calls, and by which call those that are good for one effect.
CREATE TABLE token_uses (
    issuer         TEXT NOT NULL,
    token_id       TEXT NOT NULL,
    used           INTEGER NOT NULL,
    effect_of      TEXT,
    expires_unix_s INTEGER NOT NULL,
    PRIMARY KEY (issuer, token_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX token_uses_expired ON token_uses (expires_unix_s);
