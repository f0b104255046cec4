//! MySQL, against a real MariaDB.

mod values;
