//! Messages of the resource service.

use airlock_proto::v1;
use airlock_service::{Column, Described, Dialect, ResourceSummary, Table};

use super::timestamp;

pub(crate) fn list_resources_response(resources: Vec<ResourceSummary>) -> v1::ResourceServiceListResponse {
    v1::ResourceServiceListResponse { resources: resources.into_iter().map(resource).collect() }
}

fn resource(ResourceSummary { name, kind, operations, dialect }: ResourceSummary) -> v1::Resource {
    v1::Resource {
        name: name.to_string(),
        kind: kind.to_string(),
        operations: operations.iter().map(ToString::to_string).collect(),
        dialect: dialect.map_or("", Dialect::as_str).to_owned(),
    }
}

pub(crate) fn describe_schema_response(described: &Described) -> v1::DescribeSchemaResponse {
    v1::DescribeSchemaResponse {
        tables: described.schema.tables.iter().map(table).collect(),
        read_time: Some(timestamp(described.read_unix_ms)),
        truncated: described.schema.truncated,
        sdl: described.sdl.clone(),
    }
}

fn table(Table { schema, name, is_view, columns }: &Table) -> v1::Table {
    v1::Table {
        schema: schema.clone(),
        name: name.clone(),
        kind: if *is_view { "view" } else { "table" }.to_owned(),
        columns: columns.iter().map(column).collect(),
    }
}

fn column(column: &Column) -> v1::Column {
    let Column { name, database_type, nullable, has_default, primary_key, references } = column;
    v1::Column {
        name: name.clone(),
        database_type: database_type.clone(),
        nullable: *nullable,
        has_default: *has_default,
        primary_key: *primary_key,
        references: references.clone(),
    }
}
