//! What the clients of SQL resources take and give.

use serde::Serialize;
use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde_json::Value;

use crate::error::HostError;

/// One column of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// The name the statement gives it.
    pub name: String,
    /// The database's own name of its type.
    pub database_type: String,
}

/// The rows of one statement, read into Rust types on request.
#[derive(Debug, Clone)]
pub struct Rows {
    columns: Vec<Column>,
    json: String,
    truncated: bool,
}

impl Rows {
    #[doc(hidden)]
    #[must_use]
    pub fn from_parts(columns: Vec<Column>, json: String, truncated: bool) -> Self {
        Self { columns, json, truncated }
    }

    /// The columns, in the order of the values in a row.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// True when a row or byte cap cut the result.
    #[must_use]
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// The rows as the host sent them: a JSON array with one array of values per row.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.json
    }

    /// Every row by position: into a tuple, an array or a struct with fields in the order of the columns. The fastest.
    ///
    /// # Errors
    /// serde's, when a row does not fit the type.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<Vec<T>, serde_json::Error> {
        serde_json::from_str(&self.json)
    }

    /// Every row by column name: into a struct or a map.
    ///
    /// # Errors
    /// serde's, when a row does not fit the type.
    pub fn records<T: DeserializeOwned>(&self) -> Result<Vec<T>, serde_json::Error> {
        let rows: Vec<Vec<Value>> = self.decode()?;
        rows.into_iter().map(|row| self.record(row)).collect()
    }

    fn record<T: DeserializeOwned>(&self, row: Vec<Value>) -> Result<T, serde_json::Error> {
        let fields = self.columns.iter().map(|column| column.name.as_str()).zip(row);
        let fields: MapDeserializer<'_, _, serde_json::Error> =
            MapDeserializer::new(fields.map(|(name, value)| (name, value.into_deserializer())));
        T::deserialize(fields)
    }
}

/// Parameters as the contract carries them: a tuple, array or vector, `()` for none.
///
/// # Errors
/// [`HostError::BadRequest`] when they do not serialise to a JSON array.
#[doc(hidden)]
pub fn parameters(parameters: &impl Serialize) -> Result<String, HostError> {
    let text = serde_json::to_string(parameters).map_err(|error| HostError::bad_request(error.to_string()))?;
    match text.as_str() {
        "null" => Ok("[]".to_owned()),
        array if array.starts_with('[') => Ok(text),
        _ => Err(HostError::bad_request("statement parameters must be a tuple, an array or `()`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Order {
        total: String,
        id: u32,
    }

    fn rows() -> Rows {
        let column = |name: &str, kind: &str| Column { name: name.into(), database_type: kind.into() };
        Rows::from_parts(
            vec![column("id", "int4"), column("total", "numeric")],
            r#"[[1,"9.50"],[2,"12.00"]]"#.into(),
            false,
        )
    }

    #[test]
    fn rows_decode_by_position() {
        let rows: Vec<(u32, String)> = rows().decode().expect("fits");
        assert_eq!(rows, [(1, "9.50".to_owned()), (2, "12.00".to_owned())]);
    }

    #[test]
    fn rows_decode_by_column_name_in_any_order() {
        let orders: Vec<Order> = rows().records().expect("fits");
        assert_eq!(orders.last(), Some(&Order { total: "12.00".into(), id: 2 }));
    }

    #[test]
    fn parameters_are_always_an_array() {
        assert_eq!(parameters(&(1, "a")).as_deref(), Ok(r#"[1,"a"]"#));
        assert_eq!(parameters(&()).as_deref(), Ok("[]"));
        assert!(matches!(parameters(&"a"), Err(HostError::BadRequest { .. })));
    }
}
