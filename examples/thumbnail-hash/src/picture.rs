//! A grayscale picture, from the input or from a seed.

use airlock_guest::Error;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Sixteen megapixels: more would not fit beside its base64 text in the function's memory limit.
const PIXELS_MAX: usize = 16 << 20;

/// One byte per pixel, row by row.
pub(crate) struct Picture {
    /// INVARIANT: not zero, and the number of pixels is a multiple of it.
    width: usize,
    pixels: Vec<u8>,
}

impl Picture {
    /// Reads base64 of exactly `width` times `height` bytes.
    pub(crate) fn decode(width: u32, height: u32, text: &str) -> Result<Self, Error> {
        let (width, count) = size(width, height)?;
        let pixels = BASE64_STANDARD.decode(text);
        let pixels = pixels.map_err(|error| Error::new("pixels_invalid", format!("not base64: {error}")))?;
        if pixels.len() != count {
            let found = pixels.len();
            return Err(Error::new("pixels_invalid", format!("{count} pixels announced, {found} sent")));
        }
        Ok(Self { width, pixels })
    }

    /// Draws soft discs on a gradient. The same seed draws the same picture at every size.
    pub(crate) fn draw(width: u32, height: u32, seed: u32) -> Result<Self, Error> {
        let (width, count) = size(width, height)?;
        let height = count / width;
        let discs = discs(seed);
        let mut pixels = Vec::with_capacity(count);
        for y in 0..height {
            let v = y as f32 / height as f32;
            pixels.extend((0..width).map(|x| brightness(&discs, x as f32 / width as f32, v)));
        }
        Ok(Self { width, pixels })
    }

    #[cfg(test)]
    pub(crate) fn from_rows(width: usize, height: usize, pixels: Vec<u8>) -> Self {
        assert_eq!(width * height, pixels.len());
        Self { width, pixels }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn height(&self) -> usize {
        self.pixels.len() / self.width
    }

    pub(crate) fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.pixels.chunks_exact(self.width)
    }
}

/// The width and the number of pixels, when there are some and not too many.
fn size(width: u32, height: u32) -> Result<(usize, usize), Error> {
    let width = width as usize;
    match width.checked_mul(height as usize) {
        Some(count) if (1..=PIXELS_MAX).contains(&count) => Ok((width, count)),
        _ => Err(Error::new("size_invalid", format!("a picture has 1 to {PIXELS_MAX} pixels"))),
    }
}

struct Disc {
    x: f32,
    y: f32,
    radius: f32,
    light: f32,
}

fn discs(seed: u32) -> [Disc; 6] {
    let mut state = seed;
    let mut next = || {
        // The generator of Numerical Recipes: enough for a picture, the same on every machine.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    std::array::from_fn(|_| Disc { x: next(), y: next(), radius: 0.1 + 0.3 * next(), light: 400.0 * next() - 200.0 })
}

fn brightness(discs: &[Disc], x: f32, y: f32) -> u8 {
    let shade = |disc: &Disc| {
        // Unlike `hypot`, these operations give the same bits on every machine.
        let (right, down) = (x - disc.x, y - disc.y);
        let distance = (right * right + down * down).sqrt();
        disc.light * (1.0 - distance / disc.radius).max(0.0)
    };
    // A float becomes a byte by saturation, so no clamp is needed.
    (128.0 + 60.0 * (x - y) + discs.iter().map(shade).sum::<f32>()) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_must_match_the_size() {
        let picture = Picture::decode(2, 1, "AP8=").expect("two bytes");
        assert_eq!(picture.lines().collect::<Vec<_>>(), [[0, 255]]);
        assert!(Picture::decode(3, 1, "AP8=").is_err());
    }

    #[test]
    fn empty_and_huge_pictures_are_refused() {
        for (width, height) in [(0, 1), (1, 0), (1 << 16, 1 << 16)] {
            assert!(Picture::draw(width, height, 1).is_err());
        }
    }
}
