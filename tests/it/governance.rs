//! What operators decide about whole functions: which packages they bring along.

mod packages;
