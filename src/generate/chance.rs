//! The random source: seeded, and the same numbers on every machine and in every release.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::identity::{below, mix};

/// A share from none to all, as a threshold: integers draw the same everywhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Share {
    threshold: u64,
}

impl Share {
    /// One, as a threshold.
    const ALL: u64 = 1 << 32;

    /// Makes a share; nothing for a number below 0, above 1, or none at all.
    pub(super) fn new(share: f64) -> Option<Self> {
        if !(0.0..=1.0).contains(&share) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "at most 2^32, which both types hold"
        )]
        let threshold = (share * Self::ALL as f64) as u64;
        Some(Self { threshold })
    }
}

/// Draws numbers. Only the raw 64-bit output of ChaCha8 is used, so that no release of a crate of distributions can
/// change what is drawn.
#[derive(Clone, Debug)]
pub(super) struct Chance(ChaCha8Rng);

impl Chance {
    /// Makes the source for a seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut bytes = [0; 32];
        let mut word = seed;
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&word.to_le_bytes());
            word = mix(word);
        }
        Self(ChaCha8Rng::from_seed(bytes))
    }

    /// Draws any number.
    pub(super) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Draws a number below `bound`; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        below(self.number(), bound)
    }

    /// Draws a number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Tells whether something of that share happens now.
    pub(super) fn happens(&mut self, share: Share) -> bool {
        (self.number() >> 32) < share.threshold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_seed_never_change() {
        let mut chance = Chance::new(7);
        let drawn = [chance.number(), chance.number(), chance.below(1000), chance.between(3, 4)];
        expect_test::expect!["[9721503836700242984, 14254689481061415056, 904, 3]"]
            .assert_eq(&format!("{drawn:?}"));
    }

    #[test]
    fn shares_are_met_and_the_extremes_are_sure() {
        let mut chance = Chance::new(1);
        let mut count = |share: f64| {
            let share = Share::new(share).unwrap();
            (0..10_000).filter(|_| chance.happens(share)).count()
        };
        assert_eq!(count(0.0), 0);
        assert_eq!(count(1.0), 10_000);
        assert!((2_300..2_700).contains(&count(0.25)));
        assert!([-0.1, 1.1, f64::NAN].into_iter().all(|it| Share::new(it).is_none()));
    }
}
