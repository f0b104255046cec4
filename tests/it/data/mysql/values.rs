//! Values of every type, both ways.
use airlock_tests::mariadb::Mariadb;
use serde_json::json;

#[tokio::test]
async fn probe() {
    let server = Mariadb::start();
    let client = server.client("connections_max = 1");
    println!("{:?}", client.read("select 1", json!([])).await);
    println!("{:?}", client.read("select * from orders where id > ?", json!([1])).await);
    println!(
        "{:?}",
        client.read("select ?, ?, ?, ?, ?, ?, ?", json!([1, 1.5, 1e300, "x", null, true, {"$bytes": "AP8Q"}])).await
    );
    println!("{:?}", client.write("update orders set total = total + 1 where id < 3", json!([])).await);
    for text in std::fs::read_to_string("/tmp/probes.sql").unwrap_or_default().lines() {
        let (how, text) = text.split_once(' ').unwrap();
        match how {
            "r" => println!("{text}: {:?}", client.read(text, json!([])).await),
            _ => println!("{text}: {:?}", client.write(text, json!([])).await),
        }
    }
}
