//! The runs of a sweep.

use std::ops::Range;
use std::path::Path;

use scenario::Scenario;

use super::Key;
use crate::arguments::Changes;
use crate::commands::again;
use crate::failure::Failure;

/// One seed of one scenario.
pub struct Item<'a> {
    /// The scenario's file.
    pub file: &'a Path,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The seed.
    pub seed: u64,
    /// The words of the command that repeats it.
    pub again: String,
}

impl Item<'_> {
    /// Its key, under which a finished run is found.
    pub fn key(&self) -> Result<Key, Failure> {
        Ok(Key::of(&self.scenario.resolve(self.seed, None)?.to_toml(), self.scenario.variant()))
    }
}

/// Every scenario under every seed, seed by seed. An item is made when it is asked for: seeds need no memory.
pub struct Items<'a> {
    /// The scenarios, and the variants, with their files.
    pub scenarios: &'a [(&'a Path, Scenario)],
    /// The seeds.
    pub seeds: Range<u64>,
    /// Which part of how many.
    pub shard: (u64, u64),
    /// What the command line changes.
    pub changes: &'a Changes,
}

impl<'a> Items<'a> {
    /// How many there are in all parts.
    pub fn whole(&self) -> u64 {
        (self.seeds.end - self.seeds.start) * self.scenarios.len() as u64
    }

    /// How many there are in this part.
    pub fn len(&self) -> u64 {
        let (part, of) = self.shard;
        self.whole().saturating_sub(part).div_ceil(of)
    }

    /// One of this part's, counted from 0.
    pub fn get(&self, place: u64) -> Option<Item<'a>> {
        if place >= self.len() {
            return None;
        }
        let (part, of) = self.shard;
        let (place, width) = (place * of + part, self.scenarios.len() as u64);
        let (file, scenario) = &self.scenarios[(place % width) as usize];
        let seed = self.seeds.start + place / width;
        let again = format!("odradek {}", again(file, self.changes, scenario.variant(), seed, None));
        Some(Item { file, scenario, seed, again })
    }

    /// All of this part's.
    pub fn iter(&self) -> impl Iterator<Item = Item<'a>> + '_ {
        (0..self.len()).filter_map(|place| self.get(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_share_the_runs_of_a_sweep_and_lose_none() {
        let scenario = |name: &str| {
            let text =
                format!("schema = 1\nname = \"{name}\"\nintent = \"i\"\n[cluster]\nbrokers = 1\nzookeepers = 1\n");
            Scenario::parse(name, &text).unwrap_or_else(|error| panic!("{error}"))
        };
        let scenarios = [(Path::new("a.toml"), scenario("a")), (Path::new("b.toml"), scenario("b"))];
        let changes = Changes::default();
        let items = |shard| Items { scenarios: &scenarios, seeds: 3..7, shard, changes: &changes };
        let named = |shard| items(shard).iter().map(|it| (it.seed, it.file)).collect::<Vec<_>>();
        let all = named((0, 1));
        let [a, b] = ["a.toml", "b.toml"].map(Path::new);
        assert_eq!(all, [(3, a), (3, b), (4, a), (4, b), (5, a), (5, b), (6, a), (6, b)]);
        let parts: Vec<_> = (0..3).map(|part| named((part, 3))).collect();
        assert_eq!(parts[1], [(3, b), (5, a), (6, b)]);
        assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), all.len());
        assert!(all.iter().all(|it| parts.iter().flatten().any(|own| own == it)));
        assert_eq!((items((8, 9)).len(), items((0, 9)).whole()), (0, 8), "a part may be empty");
        assert_eq!(items((0, 1)).get(1).unwrap().again, "odradek run b.toml --seed 3");
    }
}
