//! What operators decide about whole functions: which packages they bring along, and who has signed them.

mod packages;
mod signatures;
