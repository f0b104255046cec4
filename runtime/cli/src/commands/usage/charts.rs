//! Small charts of characters: blocks on a terminal, plain ones elsewhere.

use anstream::{AutoStream, ColorChoice};

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const PLAIN: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];

/// Which characters charts are made of.
#[derive(Clone, Copy)]
pub struct Charts {
    levels: [char; 8],
    full: char,
}

impl Charts {
    /// As colours are decided: plain when standard output is no terminal, or `NO_COLOR` is set.
    pub fn here() -> Self {
        match AutoStream::choice(&std::io::stdout()) {
            ColorChoice::Never => Self::plain(),
            _ => Self { levels: BLOCKS, full: '█' },
        }
    }

    fn plain() -> Self {
        Self { levels: PLAIN, full: '#' }
    }

    /// A bar as long as the value is of the highest; any value above none is seen.
    pub fn bar(self, value: u64, highest: u64, width: u64) -> String {
        let long = u128::from(value) * u128::from(width) / u128::from(highest.max(1));
        let long = usize::try_from(long).unwrap_or(0).max(usize::from(value > 0));
        self.full.to_string().repeat(long)
    }

    /// One character for each value, as high as it is of the highest of them; a space for none at all.
    pub fn line(self, values: &[u64]) -> String {
        let highest = values.iter().copied().max().unwrap_or(0).max(1);
        let level = |value: &u64| {
            if *value == 0 {
                return ' ';
            }
            let at = u128::from(*value) * 8 / u128::from(highest);
            let at = usize::try_from(at).unwrap_or(8).saturating_sub(1);
            self.levels.get(at).copied().unwrap_or(self.full)
        };
        values.iter().map(level).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_show_small_values_and_no_more_than_there_is() {
        let charts = Charts::plain();
        assert_eq!([0, 1, 50, 100].map(|value| charts.bar(value, 100, 10)), ["", "#", "#####", "##########"]);
        assert_eq!(charts.line(&[0, 1, 50, 100]), " _-#");
        assert_eq!(charts.line(&[]), "");
        assert_eq!(charts.bar(u64::MAX, u64::MAX, 4), "####");
        assert_eq!(charts.bar(0, 0, 4), "");
    }
}
