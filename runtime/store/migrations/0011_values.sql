-- What records have commitments to, beside the chain, so that it can be erased: `id` is twice the record's number, plus 1 for the
-- text of its statement. Ascending like the records, so that rows are appended and never moved: a page that is left behind would
-- keep what was on it. `opening` is SHA-256 over salt and whole value, `value` is what the policy keeps of it.
CREATE TABLE audit_values (
    id      INTEGER PRIMARY KEY,
    policy  TEXT NOT NULL,
    salt    BLOB NOT NULL,
    bytes   INTEGER NOT NULL,
    opening BLOB NOT NULL,
    value   TEXT
) STRICT;
