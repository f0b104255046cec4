//! A perceptual hash of a grayscale image: 64 bits that change little when the picture changes little.
//!
//! The difference hash: shrink the picture to nine by eight cells, then one bit for each pair of neighbours in a row that
//! says whether it gets darker. The picture is in the input or drawn from a seed. Pure computation, no resource: the
//! handler is a plain `fn`.

mod picture;

use airlock_guest::Error;
use serde::{Deserialize, Serialize};

use picture::Picture;

/// Cells in a row; one more than bits, because a bit compares two.
const COLUMNS: usize = 9;
const ROWS: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    width: u32,
    height: u32,
    /// Base64 of one byte per pixel, row by row.
    pixels: Option<String>,
    /// Draws a picture instead.
    seed: Option<u32>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Output {
    /// Sixteen hexadecimal digits.
    hash: String,
}

#[airlock_guest::function]
fn handle(input: Input) -> Result<Output, Error> {
    let picture = match (&input.pixels, input.seed) {
        (Some(text), None) => Picture::decode(input.width, input.height, text)?,
        (None, Some(seed)) => Picture::draw(input.width, input.height, seed)?,
        _ => return Err(Error::new("source_invalid", "give either `pixels` or `seed`")),
    };
    Ok(Output { hash: format!("{:016x}", difference_hash(&picture)) })
}

fn difference_hash(picture: &Picture) -> u64 {
    let cells = shrink(picture);
    let pairs = cells.iter().flat_map(|row| row.iter().zip(row.iter().skip(1)));
    pairs.fold(0, |hash, (left, right)| (hash << 1) | u64::from(left > right))
}

/// The mean brightness of each cell. A picture with fewer pixels than cells leaves some of them black.
fn shrink(picture: &Picture) -> [[u64; COLUMNS]; ROWS] {
    let mut sums = [[(0_u64, 0_u64); COLUMNS]; ROWS];
    for (y, line) in picture.lines().enumerate() {
        let Some(row) = sums.get_mut(y * ROWS / picture.height()) else { continue };
        for (x, brightness) in line.iter().enumerate() {
            if let Some((sum, count)) = row.get_mut(x * COLUMNS / picture.width()) {
                *sum += u64::from(*brightness);
                *count += 1;
            }
        }
    }
    sums.map(|row| row.map(|(sum, count)| sum.checked_div(count).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u32) -> Result<Output, Error> {
        handle(Input { width: 320, height: 200, pixels: None, seed: Some(seed) })
    }

    #[test]
    fn falling_brightness_sets_every_bit_and_rising_none() {
        let falling = Picture::from_rows(9, 8, (0..72).map(|i| 200 - 10 * (i % 9)).collect());
        let rising = Picture::from_rows(9, 8, (0..72).map(|i| 10 * (i % 9)).collect());
        assert_eq!((difference_hash(&falling), difference_hash(&rising)), (u64::MAX, 0));
    }

    #[test]
    fn same_picture_same_hash_other_picture_other_hash() {
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn source_is_one_of_two() {
        let both = Input { width: 1, height: 1, pixels: Some("AA==".into()), seed: Some(1) };
        assert_eq!(handle(both).err().map(|error| error.code().to_owned()).as_deref(), Some("source_invalid"));
    }
}
