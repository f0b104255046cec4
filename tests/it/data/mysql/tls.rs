//! TLS to MySQL: who is believed, and what is said to whom.

use std::time::Duration;

use airlock_model::{HostError, StatementClass};
use airlock_tests::mariadb::{Client, Mariadb, READ_SECRET, statement};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

async fn is_secure(client: &Client) -> bool {
    let cipher = "select variable_value from information_schema.session_status where variable_name = 'SSL_CIPHER'";
    client.rows(cipher, json!([])).await != json!([[""]])
}

#[tokio::test]
async fn the_bindings_own_authority_and_name_are_believed_and_no_others() {
    let server = Mariadb::start();
    let ca = format!("ca_file = \"{}\"", server.path("cert.pem").display());
    let right = server.client(&format!("host = \"localhost\"\ntls = \"verify-full\"\n{ca}"));
    assert!(is_secure(&right).await);
    assert!(is_secure(&server.client("tls = \"require\"")).await);
    assert!(!is_secure(&server.client("")).await);
    for other in [
        "host = \"localhost\"\ntls = \"verify-full\"".to_owned(),
        format!("host = \"127.0.0.1\"\ntls = \"verify-full\"\n{ca}"),
    ] {
        let refused = server.client(&other).read("select 1", json!([])).await;
        assert!(matches!(refused, Err(HostError::Unavailable(_))), "{other}: {refused:?}");
    }
}

#[tokio::test]
async fn a_statement_is_cancelled_over_tls_too() {
    let server = Mariadb::start();
    let ca = server.path("cert.pem").display().to_string();
    let client = server.client(&format!("host = \"localhost\"\ntls = \"verify-full\"\nca_file = \"{ca}\""));
    let mut request = statement(StatementClass::Read, "select sleep(600)", &json!([]));
    request.deadline = tokio::time::Instant::now() + Duration::from_secs(2);
    let stopped = client.perform(request).await;
    assert!(matches!(stopped, Err(HostError::Timeout(_))), "{stopped:?}");
    server.wait_until_idle().await;
}

fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("short").to_le_bytes();
    [&length[..3], &[number], body].concat()
}

fn greeting(plugin: &str, has_tls: bool) -> Vec<u8> {
    let capabilities = 0x008a_f6fe_u32 | if has_tls { 0x0800 } else { 0 };
    let capabilities = capabilities.to_le_bytes();
    let body = [
        b"\x0a8.4.0\0\x07\0\0\0".as_slice(),
        b"01234567\0",
        &capabilities[..2],
        &[45, 2, 0],
        &capabilities[2..],
        &[21, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        b"89abcdefghij\0",
        plugin.as_bytes(),
        &[0],
    ];
    packet(0, &body.concat())
}

/// A server that does not speak TLS, or that wants the password itself, does not get it.
#[tokio::test]
async fn an_impostor_is_not_told_the_password() {
    let server = Mariadb::start();
    let clear = packet(2, b"\xfemysql_clear_password\0");
    let full = packet(2, &[1, 4]);
    let unknown = packet(2, b"\xfedialog\0x");
    let (sha2, native) = ("caching_sha2_password", "mysql_native_password");
    for (tls, greeting, then) in [
        ("require", greeting(native, false), Vec::new()),
        ("verify-full", greeting(native, false), Vec::new()),
        ("disable", greeting("mysql_clear_password", false), clear.clone()),
        ("disable", greeting(native, false), clear),
        ("disable", greeting(sha2, false), full),
        ("disable", greeting(native, false), unknown),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let told = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            stream.write_all(&greeting).await.expect("a greeting");
            let mut first = [0; 4096];
            let count = stream.read(&mut first).await.expect("a request");
            let _sent = stream.write_all(&then).await;
            let mut rest = Vec::new();
            let _closed = stream.read_to_end(&mut rest).await;
            [&first[..count], &rest].concat()
        });
        let client = server.client(&format!("port = {port}\ntls = \"{tls}\""));
        let refused = client.read("select 1", json!([])).await;
        assert!(matches!(refused, Err(HostError::Unavailable(_))), "{tls}: {refused:?}");
        let told = String::from_utf8_lossy(&told.await.expect("heard")).into_owned();
        assert!(!told.contains(READ_SECRET), "{tls}: {told}");
        assert!(tls == "disable" || told.is_empty(), "{tls}: {told}");
    }
}
