//! Processor-bound work, compiled twice from this one file: for the machine in the benchmarks, for WebAssembly in the guest
//! `work`. Nothing but the standard library, serde and serde_json, so that both sides run the same code: a library would
//! choose the processor's own SHA instructions on one side only.

use std::hint::black_box;

use serde::{Deserialize, Serialize};

/// Bytes of one digest.
const BLOCK_BYTES: usize = 64 << 10;

/// Digests 64 KiB `times` times, each time with the digest before in front.
pub(crate) fn sha256(times: u32) -> u32 {
    let mut text: Vec<u8> = (0..BLOCK_BYTES).map(|index| (index % 251) as u8).collect();
    let mut sum = 0_u32;
    for _ in 0..times {
        let digest = sha256_of(black_box(&text));
        for (byte, new) in text.iter_mut().zip(digest) {
            *byte = new;
        }
        sum = digest.iter().fold(sum, |sum, byte| sum.rotate_left(5) ^ u32::from(*byte));
    }
    sum
}

/// FIPS 180-4 section 6.2, in plain Rust.
pub(crate) fn sha256_of(text: &[u8]) -> [u8; 32] {
    let mut state = INITIAL;
    let blocks = text.chunks_exact(64);
    let rest = blocks.remainder();
    blocks.for_each(|block| compress(&mut state, block));
    let mut tail = [0_u8; 128];
    let used = rest.len() + 1;
    let length = if used + 8 <= 64 { 64 } else { 128 };
    let bits = (text.len() as u64) * 8;
    let ending = rest.iter().copied().chain([0x80]).chain(std::iter::repeat_n(0, length - used - 8));
    for (slot, byte) in tail.iter_mut().zip(ending.chain(bits.to_be_bytes())) {
        *slot = byte;
    }
    tail.chunks_exact(64).take(length / 64).for_each(|block| compress(&mut state, block));
    let mut digest = [0; 32];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

#[allow(clippy::indexing_slicing, reason = "constant bounds, and the loop is what is measured")]
fn compress(state: &mut [u32; 8], block: &[u8]) {
    let mut schedule = [0_u32; 64];
    for (word, bytes) in schedule.iter_mut().zip(block.chunks_exact(4)) {
        *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    for t in 16..64 {
        let (early, late) = (schedule[t - 15], schedule[t - 2]);
        let s0 = early.rotate_right(7) ^ early.rotate_right(18) ^ (early >> 3);
        let s1 = late.rotate_right(17) ^ late.rotate_right(19) ^ (late >> 10);
        schedule[t] = schedule[t - 16].wrapping_add(s0).wrapping_add(schedule[t - 7]).wrapping_add(s1);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for t in 0..64 {
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let choice = (e & f) ^ (!e & g);
        let one = h.wrapping_add(s1).wrapping_add(choice).wrapping_add(ROUNDS[t]).wrapping_add(schedule[t]);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let two = s0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
        (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(one), c, b, a, one.wrapping_add(two));
    }
    for (word, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *word = word.wrapping_add(new);
    }
}

const INITIAL: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

#[rustfmt::skip]
const ROUNDS: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    customer: String,
    total: f64,
    paid: bool,
    note: Option<String>,
    items: Vec<Item>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    sku: String,
    quantity: u32,
    tags: Vec<String>,
}

/// Reads a document of orders, changes it and writes it, `times` times.
pub(crate) fn json(times: u32) -> Result<u32, serde_json::Error> {
    let mut text = serde_json::to_string(&orders())?;
    let mut sum = 0_u32;
    for turn in 0..times {
        let mut orders: Vec<Order> = serde_json::from_str(black_box(&text))?;
        for order in &mut orders {
            order.id = order.id % 100_000 + u64::from(turn % 7);
            order.paid = !order.paid;
        }
        text = serde_json::to_string(&orders)?;
        sum = sum.rotate_left(5) ^ text.len() as u32;
    }
    Ok(sum)
}

/// About 16 KiB of text with escapes, numbers of both kinds and nesting.
fn orders() -> Vec<Order> {
    let item = |number: u32| Item {
        sku: format!("sku-{number:05}"),
        quantity: number % 9 + 1,
        tags: vec!["new".to_owned(), format!("size \"{}\"", number % 4)],
    };
    let order = |number: u32| Order {
        id: u64::from(number) * 7 + 10_000,
        customer: format!("Zoë Müller the {number}th\n"),
        total: f64::from(number * 1_999 + 5) / 100.0,
        paid: number & 1 == 0,
        note: matches!(number % 3, 0).then(|| "leave it at the door, please; the bell does not ring".to_owned()),
        items: (number..number + 3).map(item).collect(),
    };
    (0..50).map(order).collect()
}
