//! What goes out over HTTP in other words than HTTP's, against real servers on loopback.

mod graphql;
mod llm;
mod soql;
