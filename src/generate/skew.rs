//! How traffic is spread over links: a few carry most of it.

use super::chance::Chance;

/// Draws ranks by Zipf's law: rank `r`, counted from 1, has the weight `1 / r^exponent`.
///
/// The first ranks have their exact weight; behind them stand blocks of ranks, an eighth longer each, within which
/// all are alike. That keeps the table at about 160 entries for ten million ranks, with an error that no count shows.
#[derive(Debug)]
pub(super) struct Skew {
    // INVARIANT: at least one block; `until` and `weight_until` grow from block to block.
    blocks: Vec<Block>,
    weight: u64,
}

#[derive(Debug)]
struct Block {
    /// The first rank, counted from 0.
    from: u64,
    /// The number of ranks.
    length: u64,
    /// The weight of this block and of all before it.
    weight_until: u64,
}

/// How many ranks have a block of their own.
const EXACT: u64 = 64;

/// The weight of rank 1. Ten million ranks of this weight still fit in 64 bits, and the last of ten million ranks
/// under an exponent of 1.5 still has a weight above 30.
const UNIT: f64 = 1_099_511_627_776.0;

impl Skew {
    /// Makes the table for `ranks` ranks, at least one.
    pub(super) fn new(ranks: u64, exponent: f64) -> Self {
        let ranks = ranks.max(1);
        let mut blocks = Vec::new();
        let (mut from, mut weight) = (0, 0_u64);
        while from < ranks {
            let length = if from < EXACT { 1 } else { (from / 8).min(ranks - from) };
            let middle = from + 1 + length / 2;
            weight = weight.saturating_add(weight_of(middle, exponent).saturating_mul(length));
            blocks.push(Block { from, length, weight_until: weight });
            from += length;
        }
        Self { blocks, weight }
    }

    /// Draws a rank, counted from 0.
    pub(super) fn draw(&self, chance: &mut Chance) -> u64 {
        let point = chance.below(self.weight);
        let place = self.blocks.partition_point(|it| it.weight_until <= point);
        match self.blocks.get(place) {
            Some(block) if block.length > 1 => block.from + chance.below(block.length),
            Some(block) => block.from,
            None => 0,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "ranks are below 2^53, and the weight is between 0 and 2^40"
)]
fn weight_of(rank: u64, exponent: f64) -> u64 {
    ((UNIT * exp(-exponent * ln(rank as f64))) as u64).max(1)
}

/// The natural logarithm of a number of at least 1, from basic operations alone: those give the same bits on every
/// machine, the system's library does not.
fn ln(number: f64) -> f64 {
    let (mut mantissa, mut twos) = (number, 0.0);
    while mantissa > 1.5 {
        mantissa /= 2.0;
        twos += 1.0;
    }
    // 2 artanh((m - 1) / (m + 1)); with m from 0.75 to 1.5 the argument is at most 0.2.
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let (mut term, mut sum, mut odd) = (ratio, 0.0, 1.0);
    for _ in 0..12 {
        sum += term / odd;
        term *= square;
        odd += 2.0;
    }
    twos * std::f64::consts::LN_2 + 2.0 * sum
}

/// The exponential of a number of at most 0, from basic operations alone.
fn exp(number: f64) -> f64 {
    let mut halvings = 0;
    let mut rest = number;
    while rest < -0.5 && halvings < 64 {
        rest /= 2.0;
        halvings += 1;
    }
    let (mut term, mut sum, mut place) = (1.0, 1.0, 1.0);
    for _ in 0..14 {
        term *= rest / place;
        sum += term;
        place += 1.0;
    }
    for _ in 0..halvings {
        sum *= sum;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handmade_functions_agree_with_the_library() {
        for number in [1.0, 1.5, 2.0, 10.0, 12_345.0, 1e7] {
            assert!((ln(number) - f64::ln(number)).abs() < 1e-12, "{number}");
            let small = -f64::ln(number);
            assert!((exp(small) * number - 1.0).abs() < 1e-9, "{number}");
        }
    }

    #[test]
    fn the_first_rank_gets_its_share() {
        let (skew, mut chance) = (Skew::new(1_000, 1.0), Chance::new(3));
        let mut counts = vec![0_u32; 1_000];
        for _ in 0..100_000 {
            counts[usize::try_from(skew.draw(&mut chance)).unwrap()] += 1;
        }
        // The 1000th harmonic number is 7.485.
        assert!((13_000..13_800).contains(&counts[0]), "{}", counts[0]);
        assert!((6_400..7_000).contains(&counts[1]), "{}", counts[1]);
        let tail: u32 = counts[500..].iter().sum();
        assert!((8_700..9_800).contains(&tail), "{tail}");
    }

    #[test]
    fn without_skew_every_rank_is_alike_and_none_is_out_of_reach() {
        let (skew, mut chance) = (Skew::new(500, 0.0), Chance::new(3));
        let mut counts = vec![0_u32; 500];
        for _ in 0..100_000 {
            counts[usize::try_from(skew.draw(&mut chance)).unwrap()] += 1;
        }
        assert!(counts.iter().all(|it| (120..290).contains(it)), "{counts:?}");
    }

    #[test]
    fn ten_million_ranks_need_a_small_table() {
        assert!(Skew::new(10_000_000, 1.1).blocks.len() < 200);
    }
}
