-- What the trail is searched by. `facet` is a number made of a word of a record and of whose record it is
-- (`trail_index.rs` says how), so a search for one principal reads the records of that principal alone.
CREATE TABLE audit_facets (
    facet INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    PRIMARY KEY (facet, seq)
) STRICT, WITHOUT ROWID;

-- The lowest and the highest record of each hour of UTC. Clocks jump, so the records between may be of other hours.
CREATE TABLE audit_hours (
    hour      INTEGER PRIMARY KEY,
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL
) STRICT;

-- Whose records there are. Those of nobody are under two empty names.
CREATE TABLE audit_owners (
    tenant      TEXT NOT NULL,
    environment TEXT NOT NULL,
    PRIMARY KEY (tenant, environment)
) STRICT, WITHOUT ROWID;

-- The records of before are indexed at the next start (`trail_index.rs`).
INSERT INTO counters (name, value) SELECT 'trail_indexed_to', 0 WHERE EXISTS (SELECT 1 FROM audit);
