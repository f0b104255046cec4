//! How values are spread: a histogram whose buckets grow with the value.

use serde::{Deserialize, Serialize};

/// How far a quantile can be from the value that it stands for, as a fraction of that value: half of a bucket.
pub const QUANTILE_ERROR: f64 = 1.0 / 128.0;

/// Buckets of each power of two.
const PARTS: u64 = 64;
/// `PARTS` is two to this power.
const PARTS_LOG: u32 = 6;

/// Values of one kind: how many, their sum, the highest, and quantiles with a relative error of at most [`QUANTILE_ERROR`].
///
/// Two of them merge into what all their values together would have given: every number in it is a sum or a maximum. Each
/// power of two is cut into 64 equal buckets, and values below 128 have one each. Only buckets with values take room, and
/// zeros take none; the dense counts of the `hdrhistogram` crate would take 30 kB for each row and measure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution {
    count: u64,
    sum: u64,
    max: u64,
    /// Bucket and how many values, by bucket. Zeros are what is left of `count`.
    buckets: Vec<(u16, u64)>,
}

impl Distribution {
    /// Takes one value in.
    pub(crate) fn add(&mut self, value: u64) {
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(value);
        self.max = self.max.max(value);
        if value > 0 {
            self.add_to(bucket_of(value), 1);
        }
    }

    /// Takes all values of another one in.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
        for (bucket, values) in &other.buckets {
            self.add_to(*bucket, *values);
        }
    }

    fn add_to(&mut self, bucket: u16, values: u64) {
        match self.buckets.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
            Ok(at) => {
                if let Some((_, there)) = self.buckets.get_mut(at) {
                    *there = there.saturating_add(values);
                }
            }
            Err(at) => self.buckets.insert(at, (bucket, values)),
        }
    }

    /// How many values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The highest.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The value that this many of a thousand do not exceed (nearest rank); 0 when there are none.
    #[must_use]
    pub fn quantile(&self, of_thousand: u32) -> u64 {
        let rank = (u128::from(self.count) * u128::from(of_thousand)).div_ceil(1_000).max(1);
        let in_buckets: u64 = self.buckets.iter().map(|(_, values)| *values).sum();
        let mut seen = u128::from(self.count.saturating_sub(in_buckets));
        if seen >= rank {
            return 0;
        }
        for (bucket, values) in &self.buckets {
            seen += u128::from(*values);
            if seen >= rank {
                return middle_of(*bucket).min(self.max);
            }
        }
        self.max
    }
}

/// Of a value above zero.
fn bucket_of(value: u64) -> u16 {
    let power = value.ilog2().saturating_sub(PARTS_LOG);
    // Below 128 this is the value itself; above, 64 to 127 behind the buckets of all smaller powers.
    let bucket = u64::from(power) * PARTS + (value >> power);
    u16::try_from(bucket).unwrap_or(u16::MAX)
}

/// What stands for all values of a bucket: at most half a bucket from each of them.
fn middle_of(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    let power = (bucket / PARTS).saturating_sub(1).min(57);
    let first = bucket.saturating_sub(power * PARTS) << power;
    first.saturating_add((1 << power) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Random;

    fn of(values: &[u64]) -> Distribution {
        let mut made = Distribution::default();
        values.iter().for_each(|value| made.add(*value));
        made
    }

    #[test]
    fn quantiles_are_within_the_stated_error_of_the_values() {
        let mut random = Random(7);
        for shift in [0, 20, 40, 54, 63] {
            let mut values: Vec<u64> = (0..1_000).map(|_| random.next() >> shift >> (random.next() % 8)).collect();
            let made = of(&values);
            values.sort_unstable();
            for of_thousand in [1, 500, 900, 950, 990, 999, 1_000] {
                let exact = values[(values.len() * of_thousand as usize).div_ceil(1_000) - 1];
                let told = made.quantile(of_thousand);
                let error = told.abs_diff(exact) as f64;
                assert!(error <= exact as f64 * QUANTILE_ERROR, "{told} for {exact}, shifted by {shift}");
            }
            assert_eq!(made.max(), values[999]);
        }
    }

    #[test]
    fn every_value_is_near_the_middle_of_its_bucket() {
        let powers = (0..64).map(|power| 1_u64 << power);
        for value in powers.flat_map(|v| [v, v + v / 3, v | (v - 1)]).chain(1..10_000).chain([u64::MAX]) {
            let error = middle_of(bucket_of(value)).abs_diff(value);
            assert!(error as f64 <= value as f64 * QUANTILE_ERROR, "{value} is {error} off");
        }
        assert!((1..128).all(|small| middle_of(bucket_of(small)) == small), "small numbers are exact");
    }

    #[test]
    fn parts_merge_into_the_whole_in_any_order() {
        let mut random = Random(3);
        let values: Vec<u64> = (0..999).map(|_| random.next() >> (random.next() % 64)).collect();
        let parts: Vec<_> = values.chunks(100).map(of).collect();
        let merged = |parts: &mut dyn Iterator<Item = &Distribution>| {
            parts.fold(Distribution::default(), |mut all, part| {
                all.merge(part);
                all
            })
        };
        assert_eq!(merged(&mut parts.iter()), of(&values));
        assert_eq!(merged(&mut parts.iter().rev()), of(&values));
    }

    #[test]
    fn nothing_has_no_quantiles_and_zeros_take_no_room() {
        assert_eq!(of(&[]).quantile(990), 0);
        let zeros = of(&[0, 0, 0, 9]);
        assert_eq!((zeros.quantile(750), zeros.quantile(760), zeros.buckets.len()), (0, 9, 1));
    }
}
