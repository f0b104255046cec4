//! Whatever a server sends, the client ends with an error or a result, and without a panic.

use std::io::Cursor;

use super::super::{
    rows::Page,
    session::Session,
    startup::BackendKey,
    types::{Kind, Type},
    wire::Wire,
};

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
    [&[tag], length.as_slice(), body].concat()
}

/// BEGIN with its first query, a description of one parameter and one column, then two rows.
fn transcript() -> Vec<u8> {
    let column = [b"n\0".as_slice(), &[0; 6], &23_u32.to_be_bytes(), &[0, 4, 0xff, 0xff, 0xff, 0xff, 0, 0]].concat();
    let described = [&[0, 1], column.as_slice()].concat();
    [
        message(b'C', b"BEGIN\0"),
        message(b'Z', b"T"),
        message(b'1', b""),
        message(b't', &[0, 1, 0, 0, 0, 23]),
        message(b'T', &described),
        message(b'Z', b"T"),
        message(b'2', b""),
        message(b'D', &[0, 1, 0, 0, 0, 2, b'4', b'2']),
        message(b'N', b"SNOTICE\0C00000\0Mhello\0\0"),
        message(b'D', &[0, 1, 0xff, 0xff, 0xff, 0xff]),
        message(b'C', b"SELECT 2\0"),
        message(b'Z', b"T"),
    ]
    .concat()
}

async fn replay(bytes: Vec<u8>) -> Option<String> {
    let stream = tokio::io::join(Cursor::new(bytes), tokio::io::sink());
    let key = BackendKey { process: 1, secret: 1 };
    let mut session = Session::new(Wire::new(Box::new(stream)), key, ([127, 0, 0, 1], 5432).into());
    let prepared = session.prepare("BEGIN", "select 1").await.ok()?;
    let types =
        prepared.columns.iter().map(|_| Type { name: "int4[]".into(), kind: Kind::Text, is_array: false }).collect();
    let mut page = Page::new(prepared.columns, types, 10, 1_000).ok()?;
    let ended = session.run(&[Some("1".to_owned())], &mut page).await.ok()?;
    page.finish(&ended).ok().map(|rows| rows.rows)
}

#[tokio::test]
async fn no_answer_of_a_server_is_a_panic() {
    let sound = transcript();
    assert_eq!(replay(sound.clone()).await.as_deref(), Some("[[\"42\"],[null]]"));
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("31 bits") % below
    };
    let mut complete = 0;
    for _ in 0..20_000 {
        let mut bytes = sound.clone();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = u8::try_from(random(256)).expect("a byte"),
                1 => bytes[at] ^= 1 << random(8),
                2 => drop(bytes.drain(at..(at + random(8)).min(bytes.len()))),
                _ => bytes.insert(at, u8::try_from(random(256)).expect("a byte")),
            }
        }
        if let Some(rows) = replay(bytes).await {
            assert!(serde_json::from_str::<serde_json::Value>(&rows).is_ok(), "{rows}");
            complete += 1;
        }
    }
    assert!(complete > 100, "most changes leave a result: {complete}");
}
