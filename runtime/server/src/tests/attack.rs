//! Each limit of the transport against the client that needs it: what is over it ends, and its twin below goes on.

use std::time::Duration;

use super::{
    House, ask,
    wire::{
        ACK, CALM, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, PRIORITY, REFUSED,
        RST_STREAM, SETTINGS, WINDOW_UPDATE, Wire, block, call, frame, message,
    },
    with_token,
};
use crate::TransportLimits;

const BUILT_IN: TransportLimits = TransportLimits::BUILT_IN;
const SHORT: Duration = Duration::from_millis(100);
/// Longer than `SHORT` by enough to see that nothing happened.
const LONGER: Duration = Duration::from_millis(400);

async fn wire(house: &House) -> Wire {
    Wire::open(house.server.data_addr(), &[]).await
}

async fn assert_well(house: &House) {
    assert!(house.client().await.invoke(with_token(ask("echo", "1"))).await.is_ok());
    let counters = house.server.counters();
    assert_eq!((counters.panics, counters.in_flight), (0, 0));
}

/// Odd stream numbers: those of a client.
fn streams(count: u32, make: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..count).flat_map(|number| make(2 * number + 1)).collect()
}

#[tokio::test]
async fn the_limits_are_said_at_the_start() {
    let limits = TransportLimits { streams_max: 7, frame_bytes_max: 40_000, header_bytes_max: 9_000, ..BUILT_IN };
    let house = House::with(limits);
    let settings = wire(&house).await.next_of(SETTINGS).await.payload;
    let said: Vec<_> =
        settings.chunks(6).map(|pair| (pair[1], u32::from_be_bytes(pair[2..].try_into().unwrap()))).collect();
    for wanted in [(3, 7), (5, 40_000), (6, 9_000)] {
        assert!(said.contains(&wanted), "{wanted:?} of {said:?}");
    }
}

#[tokio::test]
async fn streams_over_the_cap_are_refused_and_those_below_are_not() {
    let house = House::with(TransportLimits { streams_max: 4, ..BUILT_IN });
    let mut wire = wire(&house).await;
    // The client may open more before it knows better.
    wire.send(&streams(6, |stream| call("wait", stream))).await;
    for stream in [9, 11] {
        let reset = wire.next_of(RST_STREAM).await;
        assert_eq!((reset.stream, reset.code()), (stream, REFUSED));
    }
    house.app.has_begun(4).await;
    house.app.release.notify_waiters();
    for _ in 0..4 {
        wire.next_of(DATA).await;
    }
    assert_well(&house).await;
}

#[tokio::test]
async fn a_rapid_reset_ends_the_connection() {
    let rapid = streams(400, |stream| [frame(HEADERS, END_HEADERS, stream, &block("good")), reset(stream)].concat());
    let house = House::open();
    let mut over = wire(&house).await;
    over.send(&rapid).await;
    assert_eq!(over.all().await.last().expect("a frame").code(), CALM);
    assert_well(&house).await;
    // Twin: it is this limit that ended it.
    let house = House::with(TransportLimits { pending_resets_max: 1_000, ..BUILT_IN });
    let mut below = wire(&house).await;
    below.send(&rapid).await;
    assert!(below.is_serving().await);
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())
}

#[tokio::test]
async fn a_client_that_makes_us_reset_is_cut_off() {
    // A window of more than 2^31-1 bytes is an error of that stream alone.
    let overflow = |stream| frame(WINDOW_UPDATE, 0, stream, &[0x7f, 255, 255, 255]);
    let made = streams(100, |stream| [frame(HEADERS, END_HEADERS, stream, &block("good")), overflow(stream)].concat());
    let house = House::open();
    let mut over = wire(&house).await;
    over.send(&made).await;
    let frames = over.all().await;
    assert_eq!(frames.last().map(|frame| (frame.kind, frame.code())), Some((GOAWAY, CALM)));
    assert!(frames.iter().filter(|frame| frame.kind == RST_STREAM).count() <= BUILT_IN.error_resets_max);
    assert_well(&house).await;
    let house = House::with(TransportLimits { error_resets_max: 1_000, ..BUILT_IN });
    let mut below = wire(&house).await;
    below.send(&made).await;
    assert!(below.is_serving().await);
}

#[tokio::test]
async fn frames_that_ask_for_nothing_end_the_connection_when_there_are_too_many() {
    let kinds = [
        ("ping", frame(PING, 0, 0, &[0; 8])),
        ("settings", frame(SETTINGS, 0, 0, &[])),
        ("priority", frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 9])),
        ("window", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("unknown", frame(0xee, 0, 0, &[1])),
    ];
    let house = House::open();
    for (number, (name, idle)) in kinds.into_iter().enumerate() {
        let mut over = wire(&house).await;
        over.send(&idle.repeat(20_000)).await;
        assert!(!over.is_serving().await, "{name}");
        assert_eq!(house.server.counters().connections_cut, number as u64 + 1, "{name}");
        let mut below = wire(&house).await;
        below.send(&idle.repeat(200)).await;
        assert!(below.is_serving().await, "{name}");
    }
    assert_well(&house).await;
    let house = House::with(TransportLimits { idle_frames_burst: 30_000, ..BUILT_IN });
    let mut allowed = wire(&house).await;
    allowed.send(&frame(PING, 0, 0, &[0; 8]).repeat(20_000)).await;
    assert!(allowed.is_serving().await);
}

#[tokio::test]
async fn a_block_of_headers_without_end_is_given_up() {
    let house = House::open();
    for more in [&b""[..], &[0x40, 1, b'a', 1, b'b'].repeat(100)] {
        let mut over = wire(&house).await;
        over.send(&frame(HEADERS, 0, 1, &block("good"))).await;
        over.send(&frame(CONTINUATION, 0, 1, more).repeat(10_000)).await;
        over.all().await;
    }
    let mut below = wire(&house).await;
    let (first, rest) = (block("good"), frame(CONTINUATION, END_HEADERS, 1, &[]));
    below.send(&[frame(HEADERS, 0, 1, &first), rest, frame(DATA, END_STREAM, 1, &message("echo"))].concat()).await;
    below.next_of(DATA).await;
    assert_well(&house).await;
}

/// A header put into the table once and named again and again: little to send, much to keep.
#[tokio::test]
async fn headers_count_as_they_unfold() {
    let once = [&[0x40, 1, b'a', 0x7f, 0xa1, 0x1e], &[b'a'; 4_000][..]].concat();
    let bomb = [block("good"), once, vec![0xbe; 10]].concat();
    for (header_bytes_max, answered) in [(BUILT_IN.header_bytes_max, false), (100_000, true)] {
        let house = House::with(TransportLimits { header_bytes_max, ..BUILT_IN });
        let mut wire = wire(&house).await;
        wire.send(&frame(HEADERS, END_HEADERS, 1, &bomb)).await;
        wire.send(&frame(DATA, END_STREAM, 1, &message("echo"))).await;
        // 431 has no body, an answer has one.
        let first = loop {
            match wire.next().await.expect("the server goes on") {
                frame if frame.stream == 1 => break frame,
                _ => {}
            }
        };
        assert_eq!(first.kind == HEADERS && first.flags & END_STREAM == 0, answered, "{first:?}");
    }
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_closed() {
    let house = House::with(TransportLimits { keepalive_interval: SHORT, keepalive_timeout: SHORT, ..BUILT_IN });
    let mut silent = wire(&house).await;
    silent.send(&call("wait", 1)).await;
    house.app.has_begun(1).await;
    silent.all().await;
    house.app.has_dropped(1).await;
    let mut answers = wire(&house).await;
    for _ in 0..3 {
        let ping = answers.next_of(PING).await;
        answers.send(&frame(PING, ACK, 0, &ping.payload)).await;
    }
    assert_well(&house).await;
}

#[tokio::test]
async fn what_is_begun_must_be_ended_in_time() {
    let house = House::with(TransportLimits { header_read_max: SHORT, ..BUILT_IN });
    let address = house.server.data_addr();
    let settled = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    let begun: [(&str, Vec<u8>); 6] = [
        ("nothing", Vec::new()),
        ("half a preface", PREFACE[..12].to_vec()),
        ("half a request line", b"POST /airlock".to_vec()),
        ("half of the headers", b"POST / HTTP/1.1\r\nhost: x\r\n".to_vec()),
        ("half a frame", [&settled[..], &frame(PING, 0, 0, &[0; 8])[..12]].concat()),
        ("half a block", [&settled[..], &frame(HEADERS, 0, 1, &block("good"))].concat()),
    ];
    for (name, bytes) in begun {
        let mut wire = Wire::connect(address).await;
        wire.send(&bytes).await;
        assert!(!wire.is_open_after(super::PATIENCE).await, "{name}");
    }
    let mut ready = Wire::open(address, &[]).await;
    assert!(ready.is_open_after(LONGER).await, "a client that owes nothing may wait");
    assert_well(&house).await;
}

#[tokio::test]
async fn an_old_connection_is_told_to_finish_and_finishes() {
    let house = House::with(TransportLimits { connection_age_max: SHORT, ..BUILT_IN });
    let mut wire = wire(&house).await;
    wire.send(&call("wait", 1)).await;
    assert_eq!(wire.next_of(GOAWAY).await.code(), 0);
    // What tells the server that we have read so far.
    let ping = wire.next_of(PING).await;
    wire.send(&frame(PING, ACK, 0, &ping.payload)).await;
    house.app.release.notify_waiters();
    wire.next_of(DATA).await;
    wire.all().await;
}

#[tokio::test]
async fn a_client_that_takes_no_answer_is_closed() {
    let house = House::with(TransportLimits { send_stall_max: SHORT, ..BUILT_IN });
    // No room for any stream's DATA.
    let mut deaf = Wire::open(house.server.data_addr(), &[(4, 0)]).await;
    deaf.send(&streams(20, |stream| call("echo", stream))).await;
    deaf.all().await;
    assert_eq!(house.server.counters().connections_cut, 1);
    // Twins: one that makes room later, and one whose answer is late for its own reasons.
    let mut slow = Wire::open(house.server.data_addr(), &[(4, 0)]).await;
    slow.send(&[call("echo", 1), frame(WINDOW_UPDATE, 0, 1, &[0, 0, 255, 255])].concat()).await;
    slow.next_of(DATA).await;
    let mut waits = wire(&house).await;
    waits.send(&call("wait", 1)).await;
    assert!(waits.is_open_after(LONGER).await);
    assert_eq!(house.server.counters().connections_cut, 1);
}

#[tokio::test]
async fn a_body_to_come_is_waited_for_with_a_good_token_only() {
    let house = House::open();
    let mut forged = wire(&house).await;
    forged.send(&frame(HEADERS, END_HEADERS, 1, &block("bad"))).await;
    let answer = forged.next_of(HEADERS).await;
    assert_eq!((answer.stream, answer.flags & END_STREAM), (1, END_STREAM), "refused at once");
    let mut good = wire(&house).await;
    good.send(&frame(HEADERS, END_HEADERS, 1, &block("good"))).await;
    assert!(good.is_serving().await);
    good.send(&frame(DATA, END_STREAM, 1, &message("echo"))).await;
    good.next_of(DATA).await;
    assert_well(&house).await;
}
