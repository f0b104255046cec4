//! Who calls, and how that is known.

mod command_line;
mod sender;
mod tls;
