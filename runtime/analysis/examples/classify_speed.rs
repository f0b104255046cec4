//! How long one statement takes to classify: `cargo run -p airlock-analysis --example classify_speed`.

#![allow(clippy::expect_used, reason = "a measurement that cannot go on must stop")]

use std::{hint::black_box, time::Instant};

use airlock_analysis::{Dialect, classify};

const ROUNDS: u32 = 20_000;
const STATEMENTS: &[(&str, &str)] = &[
    ("point read", "SELECT id, name, tier FROM customers WHERE id = ?"),
    (
        "typical read",
        "SELECT c.id, c.name, count(*) AS orders, sum(o.total) AS total FROM customers c JOIN orders o ON o.customer = c.id \
         WHERE c.tier = 'gold' AND o.placed >= '2024-01-01' GROUP BY c.id, c.name ORDER BY total DESC LIMIT 10",
    ),
    ("typical write", "INSERT INTO orders (customer, total, placed) VALUES (?, ?, current_timestamp)"),
];

fn main() {
    for (name, statement) in STATEMENTS {
        for dialect in Dialect::ALL {
            // `?` is an operator of PostgreSQL.
            let text =
                if dialect == Dialect::Postgres { statement.replace('?', "$1") } else { (*statement).to_owned() };
            classify(dialect, &text).expect("a class");
            let start = Instant::now();
            for _ in 0..ROUNDS {
                drop(black_box(classify(dialect, black_box(&text))));
            }
            let each = start.elapsed() / ROUNDS;
            println!("{name:14} {dialect:10} {} bytes  {:.1} us", text.len(), each.as_nanos() as f64 / 1_000.0);
        }
    }
}
