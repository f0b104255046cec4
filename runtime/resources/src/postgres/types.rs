//! What is known of the database's types: enough to write every value as JSON and to read every value from it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{
    fault::Fault,
    session::{Prepared, Session},
};

/// A type as a column or parameter has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Type {
    /// The database's own name: `int4`, `timestamptz`, `text[]`.
    pub(super) name: Arc<str>,
    /// The kind of the value, or of an array's elements.
    pub(super) kind: Kind,
    pub(super) is_array: bool,
}

/// How a value travels as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `true`, `false`.
    Bool,
    /// A number, or a string beyond 2^53.
    Int(Width),
    /// A number, or the strings `NaN`, `Infinity`, `-Infinity`.
    Float,
    /// A string, so that no digit is lost. A number is taken as well.
    Numeric,
    /// A string, and nothing but a string.
    Text,
    /// The value itself; as a parameter also its text in a string.
    Json,
    /// A string: `\x` and hexadecimal digits.
    Bytea,
    /// A string as the server writes it.
    Other,
}

/// The range of an integer type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Two,
    Four,
    Eight,
    /// Four bytes without a sign.
    Oid,
}

/// Built-in types: OID of the type, OID of its array, name, kind (catalog/pg_type.dat; they never change).
const BUILT_IN: [(u32, u32, &str, Kind); 37] = [
    (16, 1000, "bool", Kind::Bool),
    (17, 1001, "bytea", Kind::Bytea),
    (18, 1002, "char", Kind::Text),
    (19, 1003, "name", Kind::Text),
    (20, 1016, "int8", Kind::Int(Width::Eight)),
    (21, 1005, "int2", Kind::Int(Width::Two)),
    (23, 1007, "int4", Kind::Int(Width::Four)),
    (25, 1009, "text", Kind::Text),
    (26, 1028, "oid", Kind::Int(Width::Oid)),
    (114, 199, "json", Kind::Json),
    (142, 143, "xml", Kind::Text),
    (650, 651, "cidr", Kind::Other),
    (700, 1021, "float4", Kind::Float),
    (701, 1022, "float8", Kind::Float),
    (705, 0, "unknown", Kind::Text),
    (774, 775, "macaddr8", Kind::Other),
    (790, 791, "money", Kind::Other),
    (829, 1040, "macaddr", Kind::Other),
    (869, 1041, "inet", Kind::Other),
    (1042, 1014, "bpchar", Kind::Text),
    (1043, 1015, "varchar", Kind::Text),
    (1082, 1182, "date", Kind::Other),
    (1083, 1183, "time", Kind::Other),
    (1114, 1115, "timestamp", Kind::Other),
    (1184, 1185, "timestamptz", Kind::Other),
    (1186, 1187, "interval", Kind::Other),
    (1266, 1270, "timetz", Kind::Other),
    (1560, 1561, "bit", Kind::Other),
    (1562, 1563, "varbit", Kind::Other),
    (1700, 1231, "numeric", Kind::Numeric),
    (2278, 0, "void", Kind::Text),
    (2950, 2951, "uuid", Kind::Other),
    (3614, 3643, "tsvector", Kind::Other),
    (3615, 3645, "tsquery", Kind::Other),
    (3802, 3807, "jsonb", Kind::Json),
    (3904, 3905, "int4range", Kind::Other),
    (3910, 3911, "tstzrange", Kind::Other),
];

/// Types beyond this many are looked up again.
const KNOWN_MAX: usize = 10_000;

fn built_in(oid: u32) -> Option<Type> {
    let (_, array, name, kind) =
        BUILT_IN.into_iter().find(|(one, array, ..)| oid != 0 && (*one == oid || *array == oid))?;
    let is_array = array == oid;
    let name = if is_array { format!("{name}[]").into() } else { name.into() };
    Some(Type { name, kind, is_array })
}

/// Types of one database beyond the built-in ones, as they were found.
#[derive(Debug, Default)]
pub(super) struct Types(Mutex<HashMap<u32, Type>>);

/// Types of the parameters and of the columns of one statement.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) parameters: Vec<Type>,
    pub(super) columns: Vec<Type>,
}

impl Types {
    /// Every type of a statement; asks the database about those that are not known yet.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub(super) async fn describe(&self, session: &mut Session, prepared: &Prepared) -> Result<Described, Fault> {
        let columns = || prepared.columns.iter().map(|(_, oid)| *oid);
        let unknown: Vec<u32> =
            prepared.parameters.iter().copied().chain(columns()).filter(|oid| self.known(*oid).is_none()).collect();
        if !unknown.is_empty() {
            self.look_up(session, &unknown).await?;
        }
        let known = |oid: u32| self.known(oid).unwrap_or_else(|| unheard_of(oid));
        Ok(Described {
            parameters: prepared.parameters.iter().copied().map(known).collect(),
            columns: columns().map(known).collect(),
        })
    }

    fn known(&self, oid: u32) -> Option<Type> {
        built_in(oid).or_else(|| self.lock().get(&oid).cloned())
    }

    async fn look_up(&self, session: &mut Session, oids: &[u32]) -> Result<(), Fault> {
        let list = oids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        // A domain is what it is made of; an array whose elements are not separated by commas stays text.
        let found = session
            .ask(&format!(
                "SELECT t.oid, coalesce(e.typname || '[]', t.typname), coalesce(nullif(e.typbasetype, 0), e.oid, \
                 nullif(t.typbasetype, 0), 0), e.oid IS NOT NULL FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e \
                 ON e.oid = t.typelem AND t.typcategory = 'A' AND t.typlen = -1 AND e.typdelim = ',' \
                 WHERE t.oid IN ({list})"
            ))
            .await?;
        let mut known = self.lock();
        if known.len() > KNOWN_MAX {
            known.clear();
        }
        known.extend(found.iter().filter_map(|row| read_row(row)));
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Type>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read_row(row: &[String]) -> Option<(u32, Type)> {
    let [oid, name, base, is_array] = row else { return None };
    let base = built_in(base.parse().ok()?);
    let (kind, of_array) = base.map_or((Kind::Other, false), |base| (base.kind, base.is_array));
    Some((oid.parse().ok()?, Type { name: name.as_str().into(), kind, is_array: is_array == "t" || of_array }))
}

/// Dropped while the statement was described, perhaps: its values are text all the same.
fn unheard_of(oid: u32) -> Type {
    Type { name: format!("oid {oid}").into(), kind: Kind::Other, is_array: false }
}

impl Width {
    /// The least and the greatest value.
    pub(super) const fn range(self) -> (i64, i64) {
        match self {
            Self::Two => (-32_768, 32_767),
            Self::Four => (-2_147_483_648, 2_147_483_647),
            Self::Eight => (i64::MIN, i64::MAX),
            Self::Oid => (0, 4_294_967_295),
        }
    }
}
