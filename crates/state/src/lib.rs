//! What a cluster looks like at an instant, folded from its events; the digest that people review; and causality.
//!
//! One fold serves oracles' triggers, `odradek show` and the visualizer, so that they can never disagree.

mod batches;
mod causality;
mod cluster;
mod describe;
mod difference;
mod digest;
mod divergence;
mod groups;
mod key_frames;
mod replica;

pub use batches::Batches;
pub use causality::{Causes, chain};
pub use cluster::{
    ClientPartition, ClientState, ClusterState, FaultState, MemberState, NodeState, PartitionState, SessionState,
};
pub use describe::describe;
pub use difference::{Change, difference};
pub use digest::{Chapter, Digest, DigestBuilder, Line};
pub use divergence::{Divergence, Side, StoryDivergence, divergence, story_divergence};
pub use groups::{CommittedOffset, ConsumerGroup, GroupMember, Membership};
pub use key_frames::KeyFrames;
pub use replica::{BatchState, ReplicaRole, ReplicaState};
