//! What an error may say.

use airlock_model::{HostError, Reason};

use super::super::{
    explain::fault,
    fault::{At, Fault, ServerError},
};
use crate::database::{Hidden, Stage};

fn explained(code: &str, message: &str, context: &str, at: At) -> HostError {
    let error = ServerError { code: code.to_owned(), message: message.to_owned(), context: context.to_owned(), at };
    let hidden = Hidden::new(["reader".to_owned(), "db.internal".to_owned()], "orders");
    fault(&"shop".parse().expect("name"), &hidden, Stage::Undone, Fault::Server(error))
}

#[test]
fn names_are_taken_out_where_they_are_names() {
    for (message, shown) in [
        ("role \"reader\" does not exist", "role \"[redacted]\" does not exist"),
        ("readers and reader_2", "readers and reader_2"),
        ("permission denied for database orders", "permission denied for database [redacted]"),
        ("permission denied for table orders", "permission denied for table orders"),
        ("reader@db.internal", "[redacted]@[redacted]"),
    ] {
        let error = explained("42501", message, "", At::Work);
        assert!(matches!(&error, HostError::Backend { message, .. } if message == shown), "{error:?}");
    }
}

#[test]
fn codes_become_kinds() {
    assert!(matches!(explained("57014", "x", "", At::Work), HostError::Timeout(_)));
    for code in ["57P01", "53300", "08006", "58030"] {
        assert!(matches!(explained(code, "x", "", At::Work), HostError::Unavailable(_)), "{code}");
    }
    let refused = explained("25006", "x", "", At::Work);
    assert!(matches!(&refused, HostError::Denied { reason, .. } if *reason == Reason::StatementRefused.to_string()));
    let context = "unnamed portal parameter $12 = '..'";
    let unfit = explained("22P02", "x", context, At::Values);
    assert!(matches!(&unfit, HostError::BadRequest(text) if text.contains("parameter 12 ")), "{unfit:?}");
    assert!(matches!(explained("22P02", "x", context, At::Work), HostError::Backend { .. }));
    assert!(matches!(explained("22012", "x", "", At::Values), HostError::Backend { .. }));
}
