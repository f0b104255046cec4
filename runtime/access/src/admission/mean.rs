//! A moving average.

/// Each new value counts for an eighth.
const SHARE: u64 = 8;

/// A mean in which older values fade. Zero until the first.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mean(Option<u64>);

impl Mean {
    pub(super) fn learn(&mut self, value: u64) {
        let Some(mean) = self.0 else {
            self.0 = Some(value);
            return;
        };
        let step = value.abs_diff(mean).div_ceil(SHARE);
        self.0 = Some(if value > mean { mean.saturating_add(step) } else { mean.saturating_sub(step) });
    }

    pub(super) fn get(self) -> Option<u64> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_starts_at_the_first_value_and_arrives_at_the_last() {
        let mut mean = Mean::default();
        assert_eq!(mean.get(), None);
        mean.learn(1_000);
        assert_eq!(mean.get(), Some(1_000));
        for _ in 0..100 {
            mean.learn(8);
        }
        assert_eq!(mean.get(), Some(8));
        mean.learn(u64::MAX);
        assert!(mean.get().unwrap() >= u64::MAX / 8);
    }
}
