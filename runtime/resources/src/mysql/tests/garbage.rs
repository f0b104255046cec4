//! Whatever a server sends, the client ends with an error or a result, and without a panic.

use std::io::Cursor;

use super::super::{
    greeting,
    parameters::Bound,
    rows::Page,
    session::{Running, Session},
    wire::Wire,
};

fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("short").to_le_bytes();
    [&length[..3], &[number], body].concat()
}

fn greeting() -> Vec<u8> {
    let version = b"\x0a5.5.5-10.11.6-MariaDB\0";
    let capabilities = 0x008a_fefe_u32.to_le_bytes();
    [
        version.as_slice(),
        &7_u32.to_le_bytes(),
        b"01234567\0",
        &capabilities[..2],
        &[45, 2, 0],
        &capabilities[2..],
        &[21, 0, 0, 0, 0, 0, 0],
        &8_u32.to_le_bytes(),
        b"89abcdefghij\0",
        b"mysql_native_password\0",
    ]
    .concat()
}

/// BEGIN, a statement of one parameter and one column, and two rows.
fn transcript() -> Vec<u8> {
    let done: &[u8] = &[0, 0, 0, 3, 0, 0, 0];
    let end: &[u8] = &[0xfe, 0, 0, 3, 0];
    let column = b"\x03def\0\0\0\x01n\0\x00\x0c\x3f\0\x0b\0\0\0\x08\x80\0\0\0";
    [
        packet(1, done),
        packet(1, &[0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0]),
        packet(2, column),
        packet(3, end),
        packet(4, column),
        packet(5, end),
        packet(1, &[1]),
        packet(2, column),
        packet(3, end),
        packet(4, &[0, 0, 42, 0, 0, 0, 0, 0, 0, 0]),
        packet(5, &[0, 4]),
        packet(6, end),
    ]
    .concat()
}

async fn replay(bytes: Vec<u8>, greeting: &[u8]) -> Option<String> {
    let greeting = greeting::parse(greeting).ok()?;
    let stream = tokio::io::join(Cursor::new(bytes), tokio::io::sink());
    let mut session = Session::new(Wire::new(Box::new(stream), 0), &greeting, ([127, 0, 0, 1], 3306).into());
    let prepared = session.prepare(&["BEGIN".to_owned()], "select ?").await.ok()?;
    let Running::Columns(columns) = session.run(&prepared, &[Bound::Signed(1)]).await.ok()? else { return None };
    let mut page = Page::new(columns, 10, 1_000).ok()?;
    let ended = session.read(&mut page).await.ok()?;
    page.finish(&ended).ok().map(|rows| rows.rows)
}

#[tokio::test]
async fn no_answer_of_a_server_is_a_panic() {
    let (sound, hello) = (transcript(), greeting());
    assert_eq!(replay(sound.clone(), &hello).await.as_deref(), Some("[[42],[null]]"));
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("31 bits") % below
    };
    let mut complete = 0;
    for round in 0..20_000 {
        let (mut bytes, mut hello) = (sound.clone(), hello.clone());
        let changed = if round % 4 == 0 { &mut hello } else { &mut bytes };
        for _ in 0..=random(4) {
            let at = random(changed.len());
            match random(4) {
                0 => changed[at] = u8::try_from(random(256)).expect("a byte"),
                1 => changed[at] ^= 1 << random(8),
                2 => drop(changed.drain(at..(at + random(8)).min(changed.len()))),
                _ => changed.insert(at, u8::try_from(random(256)).expect("a byte")),
            }
        }
        if let Some(rows) = replay(bytes, &hello).await {
            assert!(serde_json::from_str::<serde_json::Value>(&rows).is_ok(), "{rows}");
            complete += 1;
        }
    }
    assert!(complete > 100, "most changes leave a result: {complete}");
}

#[tokio::test]
async fn a_packet_of_several_parts_is_one() {
    let part = vec![b'x'; 0x00ff_ffff];
    let bytes = [packet(0, &part), packet(1, b"yz")].concat();
    let mut wire = Wire::new(Box::new(tokio::io::join(Cursor::new(bytes.clone()), tokio::io::sink())), 0);
    let whole = wire.next(1 << 25).await.expect("a packet");
    assert!(matches!(whole, super::super::wire::Incoming::Packet(packet) if packet.len() == part.len() + 2));
    let mut wire = Wire::new(Box::new(tokio::io::join(Cursor::new(bytes), tokio::io::sink())), 0);
    assert!(matches!(wire.next(part.len()).await, Ok(super::super::wire::Incoming::TooLarge)));
}
