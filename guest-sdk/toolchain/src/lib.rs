//! A guest project to a component: TypeScript in process, Rust through cargo.
