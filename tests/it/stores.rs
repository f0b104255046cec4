//! Stores: the embedded one and a real Redis, a directory and a server that speaks S3, with the same expectations each.

mod blob;
mod guests;
mod kv;
mod redis;
mod s3;
