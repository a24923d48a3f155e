//! Log-normal latencies from two percentiles, drawn with integers only.

use std::sync::OnceLock;

use rand::Rng;

use super::Latency;
use crate::Entropy;

/// Quantiles that a distribution is tabulated at; between them it is interpolated.
const POINTS: usize = 257;
/// The standard normal distribution's 99th percentile.
const Z99: f64 = 2.326_347_874_040_841;

/// A latency distribution, ready to draw from.
#[derive(Clone, Debug)]
pub(crate) struct Table(Box<[u64; POINTS]>);

impl Table {
    pub fn new(latency: Latency) -> Table {
        assert!(latency.p50_ns <= latency.p99_ns, "the median is over the 99th percentile: {latency:?}");
        let median = latency.p50_ns.max(1) as f64;
        // libm, not std: the C library picks CPU-specific variants, and the last bit would differ between machines.
        let sigma = libm::log(latency.p99_ns.max(1) as f64 / median) / Z99;
        let mut table = Box::new([0; POINTS]);
        for (quantile, z) in table.iter_mut().zip(normal_quantiles()) {
            *quantile = (median * libm::exp(sigma * z)) as u64;
        }
        Table(table)
    }

    /// A latency in nanoseconds.
    pub fn draw(&self, entropy: &mut Entropy) -> u64 {
        let random = entropy.next_u64();
        let place = (random >> 56) as usize;
        let fraction = (random >> 24) & 0xffff_ffff;
        let (low, high) = (self.0[place], self.0[place + 1]);
        low + ((u128::from(high - low) * u128::from(fraction)) >> 32) as u64
    }
}

/// The standard normal distribution's quantiles in the middles of `POINTS` equal parts: tails end at about 2.9 sigma.
fn normal_quantiles() -> &'static [f64; POINTS] {
    static QUANTILES: OnceLock<[f64; POINTS]> = OnceLock::new();
    QUANTILES.get_or_init(|| {
        std::array::from_fn(|place| {
            let wanted = (place as f64 + 0.5) / POINTS as f64;
            let (mut low, mut high) = (-8.0, 8.0);
            for _ in 0..60 {
                let middle = (low + high) / 2.0;
                let probability = 0.5 * libm::erfc(-middle / std::f64::consts::SQRT_2);
                if probability < wanted { low = middle } else { high = middle }
            }
            (low + high) / 2.0
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_percentiles_asked_for() {
        let table = Table::new(Latency { p50_ns: 1_000_000, p99_ns: 10_000_000 });
        let mut entropy = Entropy::new(1, &["test"]);
        let mut draws: Vec<u64> = (0..20_000).map(|_| table.draw(&mut entropy)).collect();
        draws.sort_unstable();
        let (median, p99) = (draws[10_000], draws[19_800]);
        assert!((900_000..1_100_000).contains(&median), "{median}");
        assert!((8_500_000..11_500_000).contains(&p99), "{p99}");
    }

    #[test]
    fn equal_percentiles_are_a_constant() {
        let table = Table::new(Latency { p50_ns: 5_000, p99_ns: 5_000 });
        let mut entropy = Entropy::new(1, &["test"]);
        assert!((0..100).all(|_| table.draw(&mut entropy).abs_diff(5_000) <= 1));
    }
}
