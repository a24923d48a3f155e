//! What counts as a detection, and what a flaw's results come to.

use scenario::Flaw;
use serde::{Deserialize, Serialize};
use sim::{RunRecord, Verdict};

/// What is kept of a finished run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Run {
    /// Names what was run: a hash of the plan and the build.
    pub key: String,
    /// Wall time.
    pub seconds: f64,
    /// The verdict.
    pub verdict: Verdict,
    /// Oracle and signature of each violation that the scenario did not expect, in their order.
    pub findings: Vec<(String, String)>,
}

impl Run {
    /// What is kept of this record.
    pub fn of(key: String, record: &RunRecord) -> Run {
        let unexpected = record.violations.iter().filter(|violation| !violation.expected);
        let findings = unexpected.map(|violation| (violation.oracle.clone(), violation.signature.clone())).collect();
        Run { key, seconds: record.wall_seconds, verdict: record.verdict, findings }
    }

    /// How this run gives the flaw away: by an oracle that is known to catch it, else by any other finding.
    pub fn catch(&self, flaw: &Flaw) -> Option<Catch> {
        let known = self.findings.iter().find(|(oracle, _)| catches(flaw, oracle));
        let (oracle, signature) = known.or(self.findings.first())?;
        Some(Catch { by_known_oracle: known.is_some(), oracle: oracle.clone(), signature: signature.clone() })
    }
}

/// Whether the catalogue names this oracle, by slug or number, among those that catch the flaw.
fn catches(flaw: &Flaw, slug: &str) -> bool {
    let number = scenario::ORACLES.iter().find(|oracle| oracle.slug == slug).map_or("", |oracle| oracle.number);
    flaw.caught_by.split(", ").any(|name| name == slug || (name == number && !number.is_empty()))
}

/// What gave a flaw away.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Catch {
    /// Whether it is an oracle that the catalogue names for this flaw.
    pub by_known_oracle: bool,
    /// The oracle.
    pub oracle: String,
    /// The violation's signature.
    pub signature: String,
}

/// What came of one range of seeds under the chaos set.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RangeScore {
    /// Its seeds.
    pub seeds: String,
    /// How many runs were needed: up to the detection and with it, or all.
    pub runs: u64,
    /// Their wall time in seconds, on one core each.
    pub core_seconds: f64,
    /// Runs that found something which the same plan finds without the flaw too: they count for nothing.
    pub discounted: u64,
    /// The detection.
    pub found: Option<Detection>,
}

/// The first run of a range that gives the flaw away.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Detection {
    /// The scenario.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// What gave it away.
    pub catch: Catch,
    /// The plan.
    #[serde(skip)]
    pub plan: scenario::Plan,
}

/// What a failing plan came to when it was shrunk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shrunk {
    /// The plan and the signature that were shrunk.
    pub key: String,
    /// How many faults are left.
    pub faults: usize,
    /// Their kinds.
    pub kinds: Vec<String>,
}

/// All that was seen of a flaw.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Score {
    /// Always `flaw`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Its name.
    pub flaw: &'static str,
    /// Its number in the catalogue.
    pub number: u32,
    /// Seeds of its directed scenario that found it, of how many; none without a scenario.
    pub directed: Option<(u64, u64)>,
    /// Seeds that were clean without it, of how many.
    pub control: Option<(u64, u64)>,
    /// The chaos set, range by range.
    pub ranges: Vec<RangeScore>,
    /// The first detection, shrunk.
    pub shrunk: Option<Shrunk>,
}

impl Score {
    /// The first detection, by range.
    pub fn first(&self) -> Option<&Detection> {
        self.ranges.iter().find_map(|range| range.found.as_ref())
    }

    /// In how many ranges it was found.
    pub fn found(&self) -> usize {
        self.ranges.iter().filter(|range| range.found.is_some()).count()
    }

    /// Whether its scenario finds it under every seed, and finds nothing without it.
    pub fn holds(&self) -> bool {
        let all = |part: Option<(u64, u64)>| part.is_none_or(|(good, of)| good == of);
        all(self.directed) && all(self.control)
    }

    /// Median, least and most of a figure over the ranges; a range without a detection counts as more than any.
    pub fn over_ranges(&self, figure: impl Fn(&RangeScore) -> f64) -> [Option<f64>; 3] {
        let mut values: Vec<f64> =
            self.ranges.iter().map(|range| if range.found.is_some() { figure(range) } else { f64::INFINITY }).collect();
        values.sort_by(f64::total_cmp);
        let at = |place: usize| values.get(place).copied().filter(|value| value.is_finite());
        [at(values.len() / 2), at(0), at(values.len().saturating_sub(1))]
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A run with these findings.
    pub fn run(findings: &[(&str, &str)]) -> Run {
        let findings = findings.iter().map(|(oracle, signature)| ((*oracle).into(), (*signature).into())).collect();
        Run { key: String::new(), seconds: 1.0, verdict: Verdict::Fail, findings }
    }

    /// A score whose ranges found the flaw after so many runs, or not.
    pub fn score(runs: &[Option<u64>]) -> Score {
        let range = |runs: &Option<u64>| RangeScore {
            seeds: "0..9".into(),
            runs: runs.unwrap_or(27),
            core_seconds: 1.5,
            discounted: 0,
            found: runs.map(|runs| Detection {
                scenario: "storage".into(),
                seed: runs,
                catch: Catch { by_known_oracle: true, oracle: "recovery".into(), signature: "recovery/x".into() },
                plan: plan(),
            }),
        };
        Score {
            kind: "flaw",
            flaw: "no-dir-fsync",
            number: 28,
            directed: Some((3, 3)),
            control: Some((3, 3)),
            ranges: runs.iter().map(range).collect(),
            shrunk: Some(Shrunk { key: String::new(), faults: 1, kinds: vec!["power-loss".into()] }),
        }
    }

    /// A plan.
    pub fn plan() -> scenario::Plan {
        let text = "schema = 1\nname = \"x\"\nintent = \"x\"\nseed = 1\n[cluster]\nbrokers = 1\nzookeepers = 1\n[[topic]]\n\
                    name = \"t\"\npartitions = 1\nreplication = 1\n[phases]\nwarmup = \"1s\"\nchaos = \"1s\"\nsettle = \"9s\"\n";
        scenario::Plan::parse("x.toml", text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn an_oracle_that_catches_the_flaw_counts_before_any_other_finding() {
        let flaw = scenario::flaw("hw-truncation-loss").expect("it is in the catalogue");
        let caught = |findings: &[(&str, &str)]| run(findings).catch(flaw).map(|it| (it.by_known_oracle, it.oracle));
        assert_eq!(caught(&[]), None);
        assert_eq!(caught(&[("liveness", "liveness/x")]), Some((false, "liveness".into())), "named as another");
        let both = [("liveness", "liveness/x"), ("committed-durability", "committed-durability/x")];
        assert_eq!(caught(&both), Some((true, "committed-durability".into())), "O1 is its number");
        assert_eq!(caught(&[("lost-write", "lost-write/x")]), Some((true, "lost-write".into())));
    }

    #[test]
    fn a_range_without_a_detection_is_worse_than_any_other() {
        let runs = |score: &Score| score.over_ranges(|range| range.runs as f64);
        assert_eq!(runs(&score(&[Some(5), Some(1), Some(3)])), [Some(3.0), Some(1.0), Some(5.0)]);
        assert_eq!(runs(&score(&[Some(5), None, Some(3)])), [Some(5.0), Some(3.0), None]);
        assert_eq!(runs(&score(&[None, None, Some(3)])), [None, Some(3.0), None]);
        assert_eq!(score(&[None, Some(2), Some(3)]).first().map(|it| it.seed), Some(2));
    }
}
