//! Historical flaws that a run can switch on. All are off by default; each changes one decision at one place.

use thiserror::Error;

/// A flaw Kafka once had.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Flaw {
    /// A new follower truncates to its own high watermark, which lags the leader's by a fetch round trip, instead of
    /// asking the leader where its epoch ended (KIP-101, KAFKA-1211). Loses committed records.
    HwTruncationLoss,
    /// The answer to OffsetForLeaderEpoch carries an end offset but not the epoch it belongs to, so a follower whose
    /// epoch the leader never knew keeps records the leader does not have (KIP-279, KAFKA-6361). Logs diverge.
    FastFailoverDivergence,
    /// A leader writes its ISR without comparing the znode's version, and so over what the controller decided
    /// meanwhile (the bug that conditional ISR writes prevent; see KIP-497, KAFKA-8836).
    IsrBlindWrite,
    /// A new segment's bytes are synced, its directory entry is not (KAFKA-3968): power loss removes the whole file.
    NoDirFsync,
    /// The marker of a clean shutdown is deleted after the logs are loaded, not before (KAFKA-10471): a crash in between
    /// leaves it, and the next start skips recovery.
    CleanShutdownMarkerLateDelete,
    /// The epoch cache is rebuilt from the log without epoch 0 (KAFKA-10432).
    EpochZeroLostInRecovery,
    /// A follower whose log goes on where its leader's ends halts its process instead of truncating (KAFKA-3410,
    /// KAFKA-3924).
    HaltOnAheadFollower,
    /// A repeated batch is refused as out of order (Redpanda #3039), and the producer takes that as proof that it was never
    /// written, as Kafka's does (KIP-360): it sends the batch again under a new epoch.
    NoDedupEpochBump,
    /// A producer whose topic is missing in one answer about metadata numbers its batches from 0 again, without a new epoch
    /// (librdkafka before 1.9.0): brokers take new records for repeated ones.
    MetadataBlipResetsSeq,
}

impl Flaw {
    /// All flaws.
    pub const ALL: &[Flaw] = &[
        Flaw::HwTruncationLoss,
        Flaw::FastFailoverDivergence,
        Flaw::IsrBlindWrite,
        Flaw::NoDirFsync,
        Flaw::CleanShutdownMarkerLateDelete,
        Flaw::EpochZeroLostInRecovery,
        Flaw::HaltOnAheadFollower,
        Flaw::NoDedupEpochBump,
        Flaw::MetadataBlipResetsSeq,
    ];

    /// Its name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Flaw::HwTruncationLoss => "hw-truncation-loss",
            Flaw::FastFailoverDivergence => "fast-failover-divergence",
            Flaw::IsrBlindWrite => "isr-blind-write",
            Flaw::NoDirFsync => "no-dir-fsync",
            Flaw::CleanShutdownMarkerLateDelete => "clean-shutdown-marker-late-delete",
            Flaw::EpochZeroLostInRecovery => "epoch-zero-lost-in-recovery",
            Flaw::HaltOnAheadFollower => "halt-on-ahead-follower",
            Flaw::NoDedupEpochBump => "no-dedup-epoch-bump",
            Flaw::MetadataBlipResetsSeq => "metadata-blip-resets-seq",
        }
    }

    /// The flaw of this name, if there is one.
    pub fn parse(name: &str) -> Option<Flaw> {
        Flaw::ALL.iter().copied().find(|flaw| flaw.name() == name)
    }
}

/// No flaw has this name.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("there is no flaw `{0}`")]
pub struct UnknownFlaw(pub String);

/// The flaws of a broker.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flaws(u64);

impl Flaws {
    /// None: a broker as it should be.
    pub const NONE: Flaws = Flaws(0);

    /// The set of the flaws with these names.
    ///
    /// # Errors
    /// If a name stands for no flaw.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Flaws, UnknownFlaw> {
        let mut flaws = Flaws::NONE;
        for name in names {
            flaws = flaws.with(Flaw::parse(name).ok_or_else(|| UnknownFlaw(name.to_owned()))?);
        }
        Ok(flaws)
    }

    /// This set and `flaw`.
    #[must_use]
    pub const fn with(self, flaw: Flaw) -> Flaws {
        Flaws(self.0 | 1u64 << flaw as u32)
    }

    /// Whether `flaw` is on.
    pub const fn has(self, flaw: Flaw) -> bool {
        self.0 & 1u64 << flaw as u32 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_exactly_the_flaws_it_names() {
        let flaws = Flaws::parse(["isr-blind-write", "no-dir-fsync"]).unwrap();
        let on: Vec<&str> = Flaw::ALL.iter().filter(|flaw| flaws.has(**flaw)).map(|flaw| flaw.name()).collect();
        assert_eq!(on, ["isr-blind-write", "no-dir-fsync"]);
        assert_eq!(Flaws::parse(["no-such"]), Err(UnknownFlaw("no-such".to_owned())));
        assert!(Flaw::ALL.iter().all(|flaw| Flaw::parse(flaw.name()) == Some(*flaw) && !Flaws::NONE.has(*flaw)));
    }
}
