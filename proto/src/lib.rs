//! The gRPC contract of Airlock (`airlock/v1/*.proto`): messages, clients, servers and descriptors.
//!
//! Generated code only. What the fields mean stands in the `.proto` files.

/// Package `airlock.v1`.
#[allow(clippy::all, clippy::pedantic, missing_docs, unreachable_pub, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("airlock.v1");
}

/// The descriptors of `airlock.v1` and everything it imports, as an encoded `google.protobuf.FileDescriptorSet`.
///
/// Field options such as `(airlock.v1.json_text)` are kept; prost's own `FileDescriptorSet` type would drop them.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/airlock.v1.bin"));
