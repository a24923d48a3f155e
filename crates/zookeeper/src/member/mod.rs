//! One member of the ensemble: the shell around its cores.

use std::collections::BTreeMap;

use host::Host;
use trace::Name;

/// How a member is set up. All members of an ensemble have equal `members`, ports and limits.
#[derive(Clone, Debug)]
pub struct MemberConfig {
    /// The own id.
    pub id: u32,
    /// All members and their nodes, the own included. An odd number up to 7.
    pub members: BTreeMap<u32, Name>,
    /// Where clients connect.
    pub client_port: u16,
    /// Where followers connect.
    pub quorum_port: u16,
    /// Where votes are received.
    pub election_port: u16,
    /// The unit of time, in milliseconds. Sessions last 2 to 20 of it.
    pub tick_time_ms: u32,
    /// Ticks that discovery and synchronization may take.
    pub init_limit: u32,
    /// Ticks that a leader or follower may be silent.
    pub sync_limit: u32,
    /// Transactions between two snapshots.
    pub snap_count: u32,
    /// The directory of log, snapshots and epochs.
    pub data_dir: String,
}

impl MemberConfig {
    /// Member `id` of `members` with ZooKeeper's sample configuration: ticks of 2 s, initLimit 10, syncLimit 5.
    pub fn new(id: u32, members: BTreeMap<u32, Name>) -> MemberConfig {
        MemberConfig {
            id,
            members,
            client_port: 2181,
            quorum_port: 2888,
            election_port: 3888,
            tick_time_ms: 2000,
            init_limit: 10,
            sync_limit: 5,
            snap_count: 10_000,
            data_dir: "zk".to_owned(),
        }
    }
}

/// A member's process. Never returns while its node lives.
pub async fn run_member(host: Host, config: MemberConfig) {
    let _ = (host, config);
}
