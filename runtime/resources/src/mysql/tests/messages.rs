//! What an error may say.

use airlock_model::{HostError, Reason};

use super::super::{
    explain::fault,
    fault::{Fault, ServerError},
};
use crate::database::{Hidden, Stage};

fn explained(number: u16, state: &str, message: &str) -> HostError {
    let error = ServerError { number, state: state.to_owned(), message: message.to_owned() };
    let names = ["reader", "db.internal", "orders"].map(ToOwned::to_owned);
    fault(&"shop".parse().expect("name"), &Hidden::new(names, "orders"), Stage::Undone, Fault::Server(error))
}

#[test]
fn accounts_hosts_and_the_database_are_taken_out() {
    for (message, shown) in [
        (
            "denied to user 'reader'@'10.1.2.3' for table `orders`.`t`",
            "denied to user '[redacted]'@'[redacted]' for table `[redacted]`.`t`",
        ),
        ("a@'b", "a@'[redacted]'"),
        ("Table 'orders.nowhere' doesn't exist", "Table '[redacted].nowhere' doesn't exist"),
        ("readers and my_orders", "readers and my_orders"),
    ] {
        let error = explained(1142, "42000", message);
        let wanted = format!("{shown} (error 1142)");
        assert!(
            matches!(&error, HostError::Backend { message, code } if *message == wanted && code == "42000"),
            "{error:?}"
        );
    }
}

#[test]
fn numbers_become_kinds() {
    for number in [1317, 1969, 3024] {
        assert!(matches!(explained(number, "70100", "x"), HostError::Timeout(_)), "{number}");
    }
    for (number, state) in [(1040, "08004"), (1053, "08S01"), (1203, "42000"), (1927, "70100"), (4031, "HY000")] {
        assert!(matches!(explained(number, state, "x"), HostError::Unavailable(_)), "{number}");
    }
    let refused = explained(1792, "25006", "x");
    assert!(matches!(&refused, HostError::Denied { reason, .. } if *reason == Reason::StatementRefused.to_string()));
}
