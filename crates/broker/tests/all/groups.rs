//! Consumer groups, by raw requests: members come, go and are rebalanced, and offsets survive what happens to brokers. One file
//! however long, since all of it speaks through the same few requests.

use std::time::Duration;

use broker::{Flaw, Flaws};
use bytes::Bytes;
use trace::{EventKind, GroupState, Partition};
use wire::kafka::messages::join_group_request::JoinGroupRequestProtocol;
use wire::kafka::messages::leave_group_request::MemberIdentity;
use wire::kafka::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use wire::kafka::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use wire::kafka::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use wire::kafka::messages::sync_group_request::SyncGroupRequestAssignment;
use wire::kafka::messages::*;
use wire::kafka::{ErrorCode, Response, StrBytes};

use crate::support::*;

const GROUP: &str = "mail";
const OFFSETS: &str = "__consumer_offsets";

/// One partition, so that its leader coordinates every group; quick timers.
const SETTINGS: &[(&str, &str)] = &[
    ("offsets.topic.num.partitions", "1"),
    ("group.initial.rebalance.delay.ms", "500"),
    ("zookeeper.session.timeout.ms", "6000"),
    ("min.insync.replicas", "2"),
];

const ALONE: &[(&str, &str)] = &[
    ("offsets.topic.num.partitions", "1"),
    ("offsets.topic.replication.factor", "1"),
    ("group.initial.rebalance.delay.ms", "500"),
    ("offsets.retention.minutes", "1"),
    ("offsets.retention.check.interval.ms", "5000"),
];

fn error(code: i16) -> Result<(), ErrorCode> {
    match ErrorCode::from_code(code) {
        ErrorCode::None => Ok(()),
        error => Err(error),
    }
}

fn group_id() -> GroupId {
    GroupId(text(GROUP))
}

/// What a JoinGroup was answered.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Joined {
    member: String,
    generation: i32,
    leads: bool,
    members: usize,
}

impl Cluster {
    async fn find_coordinator(&self, at: i32) -> Result<i32, ErrorCode> {
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text(GROUP)]);
        let Some(Response::FindCoordinator(response)) = self.call(at, 4, request).await else {
            return Err(ErrorCode::NetworkException);
        };
        let found = &response.coordinators[0];
        error(found.error_code).map(|()| found.node_id.0)
    }

    /// Who coordinates the group, once it does so.
    async fn coordinator(&mut self, at: i32) -> i32 {
        let mut id = 0;
        self.until("a coordinator", async |cluster| match cluster.find_coordinator(at).await {
            Ok(found) => {
                id = found;
                cluster.beat(found, "nobody", 1).await == Err(ErrorCode::UnknownMemberId)
            }
            Err(_) => false,
        })
        .await;
        id
    }

    async fn join(&self, at: i32, member: &str, instance: Option<&str>) -> Result<Joined, (ErrorCode, String)> {
        let mut subscription = b"\0\0\0\0\0\x01\0\x06orders".to_vec();
        subscription.extend_from_slice(&(-1i32).to_be_bytes());
        let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(subscription.into());
        let request = JoinGroupRequest::default()
            .with_group_id(group_id())
            .with_session_timeout_ms(10_000)
            .with_rebalance_timeout_ms(20_000)
            .with_member_id(text(member))
            .with_group_instance_id(instance.map(text))
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        let Some(Response::JoinGroup(response)) = self.call(at, 9, request).await else {
            return Err((ErrorCode::NetworkException, String::new()));
        };
        let member = response.member_id.to_string();
        error(response.error_code).map_err(|error| (error, member.clone()))?;
        let (leads, members) = (response.leader == response.member_id, response.members.len());
        Ok(Joined { member, generation: response.generation_id, leads, members })
    }

    /// A new member: it is given an id and comes again with it.
    async fn join_new(&self, at: i32) -> Joined {
        let (refusal, id) = self.join(at, "", None).await.expect_err("a new member must know its id first");
        assert_eq!(refusal, ErrorCode::MemberIdRequired);
        self.join(at, &id, None).await.expect("it joins")
    }

    /// The leader gives everything to the first of these members.
    async fn sync(&self, at: i32, who: &Joined, instance: Option<&str>, owners: &[&str]) -> Result<Bytes, ErrorCode> {
        let owned = b"\0\0\0\0\0\x01\0\x06orders\0\0\0\x01\0\0\0\0\xff\xff\xff\xff";
        let nothing = b"\0\0\0\0\0\0\xff\xff\xff\xff";
        let assignment = |(place, id): (usize, &&str)| {
            let assignment = if place == 0 { Bytes::from_static(owned) } else { Bytes::from_static(nothing) };
            SyncGroupRequestAssignment::default().with_member_id(text(id)).with_assignment(assignment)
        };
        let request = SyncGroupRequest::default()
            .with_group_id(group_id())
            .with_generation_id(who.generation)
            .with_member_id(text(&who.member))
            .with_group_instance_id(instance.map(text))
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text("range")))
            .with_assignments(owners.iter().enumerate().map(assignment).collect());
        match self.call(at, 5, request).await {
            Some(Response::SyncGroup(response)) => error(response.error_code).map(|()| response.assignment),
            _ => Err(ErrorCode::NetworkException),
        }
    }

    async fn beat(&self, at: i32, member: &str, generation: i32) -> Result<(), ErrorCode> {
        let request = HeartbeatRequest::default()
            .with_group_id(group_id())
            .with_generation_id(generation)
            .with_member_id(text(member));
        match self.call(at, 4, request).await {
            Some(Response::Heartbeat(response)) => error(response.error_code),
            _ => Err(ErrorCode::NetworkException),
        }
    }

    async fn leave(&self, at: i32, member: &str) -> Result<(), ErrorCode> {
        let identity = MemberIdentity::default().with_member_id(text(member));
        let request = LeaveGroupRequest::default().with_group_id(group_id()).with_members(vec![identity]);
        match self.call(at, 5, request).await {
            Some(Response::LeaveGroup(response)) => error(response.members[0].error_code),
            _ => Err(ErrorCode::NetworkException),
        }
    }

    async fn commit(&self, at: i32, offset: i64, member: &str, generation: i32) -> Result<(), ErrorCode> {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(0)
            .with_committed_offset(offset)
            .with_committed_metadata(Some(text("note")));
        let topic = OffsetCommitRequestTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(group_id())
            .with_member_id(text(member))
            .with_generation_id_or_member_epoch(generation)
            .with_topics(vec![topic]);
        match self.call(at, 8, request).await {
            Some(Response::OffsetCommit(response)) => error(response.topics[0].partitions[0].error_code),
            _ => Err(ErrorCode::NetworkException),
        }
    }

    /// The committed offset, -1 for none.
    async fn committed(&self, at: i32) -> Result<i64, ErrorCode> {
        let topic = OffsetFetchRequestTopics::default().with_name(topic_name(TOPIC)).with_partition_indexes(vec![0]);
        let group = OffsetFetchRequestGroup::default().with_group_id(group_id()).with_topics(Some(vec![topic]));
        match self.call(at, 8, OffsetFetchRequest::default().with_groups(vec![group])).await {
            Some(Response::OffsetFetch(response)) => {
                let group = &response.groups[0];
                error(group.error_code).map(|()| group.topics[0].partitions[0].committed_offset)
            }
            _ => Err(ErrorCode::NetworkException),
        }
    }

    /// The group's state and how many members it has.
    async fn describe(&self, at: i32) -> (String, usize) {
        let request = DescribeGroupsRequest::default().with_groups(vec![group_id()]);
        let Some(Response::DescribeGroups(response)) = self.call(at, 5, request).await else { panic!("no answer") };
        (response.groups[0].group_state.to_string(), response.groups[0].members.len())
    }

    async fn listed(&self, at: i32, states: &[&str]) -> Vec<String> {
        let request = ListGroupsRequest::default().with_states_filter(states.iter().map(|it| text(it)).collect());
        let Some(Response::ListGroups(response)) = self.call(at, 5, request).await else { panic!("no answer") };
        response.groups.iter().map(|group| group.group_id.to_string()).collect()
    }

    async fn delete_group(&self, at: i32) -> Result<(), ErrorCode> {
        let request = DeleteGroupsRequest::default().with_groups_names(vec![group_id()]);
        match self.call(at, 2, request).await {
            Some(Response::DeleteGroups(response)) => error(response.results[0].error_code),
            _ => Err(ErrorCode::NetworkException),
        }
    }

    async fn delete_offset(&self, at: i32) -> Result<(), ErrorCode> {
        let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
        let topic = OffsetDeleteRequestTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
        let request = OffsetDeleteRequest::default().with_group_id(group_id()).with_topics(vec![topic]);
        match self.call(at, 0, request).await {
            Some(Response::OffsetDelete(response)) => {
                error(response.error_code)?;
                error(response.topics[0].partitions[0].error_code)
            }
            _ => Err(ErrorCode::NetworkException),
        }
    }
}

/// One broker, the topic, and a stable group of one member.
async fn alone(world: host::sim::World, flaws: Flaws) -> (Cluster, Joined) {
    let mut cluster = Cluster::start_with(world, 1, ALONE, flaws).await;
    cluster.create_topic(1, 1, &[]).await;
    cluster.coordinator(1).await;
    let member = cluster.join_new(1).await;
    cluster.sync(1, &member, None, &[&member.member]).await.expect("it is assigned");
    (cluster, member)
}

#[test]
fn a_member_joins_syncs_beats_commits_and_leaves() {
    simulate(21, |world| async move {
        let (mut cluster, member) = alone(world, Flaws::NONE).await;
        assert_eq!((member.generation, member.leads, member.members), (1, true, 1));
        let id = member.member.as_str();
        assert_eq!(cluster.beat(1, id, 1).await, Ok(()));
        assert_eq!(cluster.beat(1, id, 0).await, Err(ErrorCode::IllegalGeneration));
        assert_eq!(cluster.committed(1).await, Ok(-1));
        assert_eq!(cluster.commit(1, 5, id, 1).await, Ok(()));
        assert_eq!(cluster.commit(1, 6, id, 0).await, Err(ErrorCode::IllegalGeneration));
        assert_eq!(cluster.commit(1, 6, "", -1).await, Err(ErrorCode::UnknownMemberId));
        assert_eq!(cluster.committed(1).await, Ok(5));
        assert_eq!(cluster.describe(1).await, ("Stable".to_owned(), 1));
        assert_eq!(cluster.listed(1, &["stable"]).await, [GROUP]);
        assert!(cluster.listed(1, &["Empty"]).await.is_empty());
        assert_eq!(cluster.delete_group(1).await, Err(ErrorCode::NonEmptyGroup));
        assert_eq!(cluster.delete_offset(1).await, Err(ErrorCode::GroupSubscribedToTopic));
        assert_eq!(cluster.leave(1, id).await, Ok(()));
        assert_eq!(cluster.describe(1).await, ("Empty".to_owned(), 0));
        assert_eq!(cluster.delete_offset(1).await, Ok(()));
        assert_eq!(cluster.delete_group(1).await, Err(ErrorCode::GroupIdNotFound), "without offsets it died");
        let kinds = cluster.kinds(name(1));
        let orders = Partition::new(TOPIC, 0);
        let assigned = |kind: &EventKind| matches!(kind, EventKind::MemberAssigned { generation: 1, partitions, .. } if **partitions == [orders]);
        assert_eq!(kinds.iter().filter(|kind| assigned(kind)).count(), 1);
    });
}

#[test]
fn the_offsets_topic_is_internal_compacted_and_replicated_as_set() {
    simulate(22, |world| async move {
        let cluster = Cluster::start(world, 2, SETTINGS).await;
        assert_eq!(cluster.find_coordinator(1).await, Err(ErrorCode::CoordinatorNotAvailable));
        cluster.world.sleep(3 * SECOND).await;
        let unavailable = cluster.find_coordinator(1).await;
        assert_eq!(unavailable, Err(ErrorCode::CoordinatorNotAvailable), "three replicas need three brokers");
        assert!(!cluster.metadata(1, &[]).await.unwrap().topics.iter().any(|topic| topic.is_internal));
    });
    simulate(23, |world| async move {
        let mut cluster = Cluster::start(world, 3, SETTINGS).await;
        cluster.coordinator(1).await;
        let metadata = cluster.metadata(2, &[OFFSETS]).await.unwrap();
        let topic = &metadata.topics[0];
        assert!(topic.is_internal);
        assert_eq!((topic.partitions.len(), topic.partitions[0].replica_nodes.len()), (1, 3));
    });
}

#[test]
fn two_members_are_rebalanced_when_the_second_comes() {
    simulate(24, |world| async move {
        let (cluster, first) = alone(world, Flaws::NONE).await;
        let id = first.member.as_str();
        let again = async {
            while cluster.beat(1, id, 1).await == Ok(()) {
                cluster.client.sleep(Duration::from_millis(100)).await;
            }
            cluster.join(1, id, None).await.expect("it joins again")
        };
        let (second, first) = join(cluster.join_new(1), again).await;
        assert_eq!((first.generation, first.leads, first.members), (2, true, 2));
        assert_eq!((second.generation, second.leads, second.members), (2, false, 0));
        let owners = [second.member.as_str(), id];
        let synced = join(cluster.sync(1, &second, None, &[]), cluster.sync(1, &first, None, &owners)).await;
        let (of_second, of_first) = (synced.0.unwrap(), synced.1.unwrap());
        assert!(of_second.len() > of_first.len(), "the leader gave all to the second");
        // The second falls silent: its session ends, and the first is asked to join again.
        let mut asked = Ok(());
        for _ in 0..12 {
            cluster.world.sleep(SECOND).await;
            asked = cluster.beat(1, id, 2).await;
            if asked.is_err() {
                break;
            }
        }
        assert_eq!(asked, Err(ErrorCode::RebalanceInProgress));
        let alone = cluster.join(1, id, None).await.unwrap();
        assert_eq!((alone.generation, alone.members), (3, 1));
    });
}

/// Stops the coordinator and finds the next one, from a broker that lives.
async fn fail_over(cluster: &mut Cluster, coordinator: i32) -> i32 {
    cluster.world.kill(name(coordinator), ROOT);
    let witness = others(coordinator)[0];
    let mut next = coordinator;
    cluster
        .until("another coordinator", async |cluster| {
            next = cluster.find_coordinator(witness).await.unwrap_or(coordinator);
            next != coordinator && cluster.beat(next, "nobody", 1).await == Err(ErrorCode::UnknownMemberId)
        })
        .await;
    next
}

#[test]
fn commits_and_members_survive_their_coordinator() {
    simulate(25, |world| async move {
        let mut cluster = Cluster::start(world, 3, SETTINGS).await;
        cluster.create_topic(1, 3, &[]).await;
        let coordinator = cluster.coordinator(1).await;
        let member = cluster.join_new(coordinator).await;
        let id = member.member.as_str();
        let assignment = cluster.sync(coordinator, &member, None, &[id]).await.unwrap();
        assert_eq!(cluster.commit(coordinator, 41, id, 1).await, Ok(()));
        assert_eq!(cluster.commit(coordinator, 42, id, 1).await, Ok(()));
        assert_eq!(cluster.committed(others(coordinator)[0]).await, Err(ErrorCode::NotCoordinator));
        let next = fail_over(&mut cluster, coordinator).await;
        assert_eq!(cluster.committed(next).await, Ok(42));
        assert_eq!(cluster.beat(next, id, 1).await, Ok(()), "its session goes on");
        assert_eq!(cluster.sync(next, &member, None, &[]).await, Ok(assignment));
        assert_eq!(cluster.commit(next, 43, id, 1).await, Ok(()));
        let loaded = |kind: &EventKind| matches!(kind, EventKind::CoordinatorLoaded { groups: 1, offsets: 1, .. });
        assert!(cluster.kinds(name(next)).iter().any(loaded));
    });
}

#[test]
fn a_commit_without_enough_replicas_is_refused_and_not_served() {
    simulate(26, |world| async move {
        let mut cluster = Cluster::start(world, 3, SETTINGS).await;
        cluster.create_topic(1, 3, &[]).await;
        let coordinator = cluster.coordinator(1).await;
        assert_eq!(cluster.commit(coordinator, 1, "", -1).await, Ok(()));
        for id in others(coordinator) {
            cluster.world.kill(name(id), ROOT);
        }
        assert_eq!(cluster.commit(coordinator, 2, "", -1).await, Err(ErrorCode::RequestTimedOut));
        assert_eq!(cluster.committed(coordinator).await, Ok(1));
    });
}

/// A static member that comes back in a stable group, and what it owns afterwards at the next coordinator.
async fn static_rejoin(world: host::sim::World, flaws: Flaws) -> Result<(), ErrorCode> {
    let mut cluster = Cluster::start_with(world, 3, SETTINGS, flaws).await;
    cluster.create_topic(1, 3, &[]).await;
    let coordinator = cluster.coordinator(1).await;
    let first = cluster.join(coordinator, "", Some("left")).await.unwrap();
    let owned = cluster.sync(coordinator, &first, Some("left"), &[&first.member]).await.unwrap();
    let again = cluster.join(coordinator, "", Some("left")).await.unwrap();
    assert_ne!(again.member, first.member);
    assert_eq!((again.generation, again.leads), (1, true), "no rebalance");
    assert_eq!(cluster.sync(coordinator, &again, Some("left"), &[]).await, Ok(owned));
    let fenced = cluster.sync(coordinator, &first, Some("left"), &[]).await;
    assert_eq!(fenced, Err(ErrorCode::FencedInstanceId));
    let next = fail_over(&mut cluster, coordinator).await;
    cluster.sync(next, &again, Some("left"), &[]).await.map(|_| ())
}

#[test]
fn a_static_member_comes_back_without_a_rebalance_and_the_next_coordinator_knows() {
    assert_eq!(simulate(27, |world| static_rejoin(world, Flaws::NONE)), Ok(()));
    let unwritten = Flaws::NONE.with(Flaw::StaticRejoinNotPersisted);
    let fenced = simulate(27, move |world| static_rejoin(world, unwritten));
    assert_eq!(fenced, Err(ErrorCode::FencedInstanceId));
}

/// Whether the offset of a member that beats for two minutes is still there, and whether it is after it left for two more.
async fn expiry(world: host::sim::World, flaws: Flaws) -> (i64, i64) {
    let (cluster, member) = alone(world, flaws).await;
    let id = member.member.as_str();
    assert_eq!(cluster.commit(1, 5, id, 1).await, Ok(()));
    for _ in 0..24 {
        cluster.world.sleep(5 * SECOND).await;
        assert_eq!(cluster.beat(1, id, 1).await, Ok(()));
    }
    let live = cluster.committed(1).await.unwrap();
    assert_eq!(cluster.leave(1, id).await, Ok(()));
    cluster.world.sleep(50 * SECOND).await;
    let waiting = cluster.committed(1).await.unwrap();
    assert_eq!(waiting, live, "the retention counts from when the group became empty");
    cluster.world.sleep(20 * SECOND).await;
    (live, cluster.committed(1).await.unwrap())
}

#[test]
fn offsets_expire_when_their_group_has_been_empty_for_long_but_for_a_flaw() {
    assert_eq!(simulate(28, |world| expiry(world, Flaws::NONE)), (5, -1));
    let flaws = Flaws::NONE.with(Flaw::OffsetsExpireWhileLive);
    assert_eq!(simulate(28, move |world| expiry(world, flaws)), (-1, -1));
}

#[test]
fn what_was_deleted_does_not_come_back_with_a_restart() {
    simulate(29, |world| async move {
        let (mut cluster, member) = alone(world, Flaws::NONE).await;
        let id = member.member.as_str();
        assert_eq!(cluster.commit(1, 5, id, 1).await, Ok(()));
        assert_eq!(cluster.leave(1, id).await, Ok(()));
        assert_eq!(cluster.delete_group(1).await, Ok(()));
        assert_eq!(cluster.commit(1, 9, "", -1).await, Ok(()), "a group that uses Kafka for offsets alone");
        cluster.world.kill(name(1), ROOT);
        cluster.world.sleep(SECOND).await;
        cluster.world.start(name(1), ROOT);
        cluster.coordinator(1).await;
        assert_eq!(cluster.committed(1).await, Ok(9));
        assert_eq!(cluster.describe(1).await, ("Empty".to_owned(), 0));
        let dead = |kind: &EventKind| matches!(kind, EventKind::GroupStateChanged { state: GroupState::Dead, .. });
        assert_eq!(cluster.kinds(name(1)).iter().filter(|kind| dead(kind)).count(), 1);
    });
}

#[test]
fn the_last_commit_survives_the_cleaning_of_the_offsets_topic() {
    const CLEANED: &[(&str, &str)] = &[
        ("offsets.topic.num.partitions", "1"),
        ("offsets.topic.replication.factor", "1"),
        ("offsets.topic.segment.bytes", "1000"),
        ("log.cleaner.backoff.ms", "1000"),
    ];
    simulate(64, |world| async move {
        let mut cluster = Cluster::start(world, 1, CLEANED).await;
        cluster.create_topic(1, 1, &[]).await;
        cluster.coordinator(1).await;
        for offset in 0..60 {
            assert_eq!(cluster.commit(1, offset, "", -1).await, Ok(()));
        }
        cluster.world.sleep(3 * SECOND).await;
        let removed = cluster.kinds(name(1)).into_iter().map(|kind| match kind {
            EventKind::LogCleaned { removed, .. } => removed,
            _ => 0,
        });
        assert!(removed.sum::<u32>() > 40);
        cluster.world.kill(name(1), ROOT);
        cluster.world.start(name(1), ROOT);
        cluster.coordinator(1).await;
        assert_eq!(cluster.committed(1).await, Ok(59));
    });
}

/// What the first coordinator serves when it coordinates again, and others committed meanwhile.
async fn return_of_the_coordinator(world: host::sim::World, flaws: Flaws) -> i64 {
    let mut cluster = Cluster::start_with(world, 3, SETTINGS, flaws).await;
    cluster.create_topic(1, 3, &[]).await;
    let first = cluster.coordinator(1).await;
    assert_eq!(cluster.commit(first, 10, "", -1).await, Ok(()));
    // Cut off from the others it loses its leadership, but not its memory.
    let mut peers: Vec<trace::Name> = others(first).map(name).into();
    peers.push("zk-1".into());
    let cut = links(first, &peers);
    let fault_began = fault(&cluster, name(first).as_str());
    cluster.world.cut(fault_began, &cut);
    let witness = others(first)[0];
    let mut second = first;
    cluster
        .until("another coordinator", async |cluster| {
            second = cluster.find_coordinator(witness).await.unwrap_or(first);
            second != first && cluster.commit(second, 20, "", -1).await == Ok(())
        })
        .await;
    cluster.world.heal(fault_began);
    cluster
        .until("the first is back in the ISR", async |cluster| {
            let metadata = cluster.metadata(witness, &[OFFSETS]).await;
            metadata.is_some_and(|it| it.topics[0].partitions[0].isr_nodes.len() == 3)
        })
        .await;
    // Both others go; the first is the only one left to lead.
    for id in others(first) {
        cluster.world.kill(name(id), ROOT);
    }
    let mut served = -1;
    cluster
        .until("the first coordinates again", async |cluster| match cluster.committed(first).await {
            Ok(offset) => {
                served = offset;
                true
            }
            Err(_) => false,
        })
        .await;
    served
}

#[test]
fn a_coordinator_that_returns_serves_what_others_committed_meanwhile_but_for_a_flaw() {
    assert_eq!(simulate(30, |world| return_of_the_coordinator(world, Flaws::NONE)), 20);
    let stale = Flaws::NONE.with(Flaw::LoadStaleCache);
    assert_eq!(simulate(30, move |world| return_of_the_coordinator(world, stale)), 10);
}

/// A member's life at one version of each API, as far as the version goes.
async fn life_at(cluster: &Cluster, version: i16) {
    use wire::kafka::messages::offset_fetch_request::OffsetFetchRequestTopic;
    let at_most = |most: i16| version.min(most);
    let id = GroupId(text(&format!("group-{version}")));
    let find = FindCoordinatorRequest::default();
    let find = match at_most(4) {
        4 => find.with_coordinator_keys(vec![id.0.clone()]),
        _ => find.with_key(id.0.clone()),
    };
    assert!(matches!(cluster.call(1, at_most(4), find).await, Some(Response::FindCoordinator(_))));
    let protocol = JoinGroupRequestProtocol::default().with_name(text("p"));
    let join = |member: StrBytes| {
        JoinGroupRequest::default()
            .with_group_id(id.clone())
            .with_session_timeout_ms(10_000)
            .with_rebalance_timeout_ms(if version == 0 { -1 } else { 10_000 })
            .with_member_id(member)
            .with_protocol_type(text("other"))
            .with_protocols(vec![protocol.clone()])
    };
    let Some(Response::JoinGroup(mut joined)) = cluster.call(1, at_most(9), join(text(""))).await else {
        panic!("no answer to JoinGroup {version}")
    };
    if version >= 4 {
        assert_eq!(error(joined.error_code), Err(ErrorCode::MemberIdRequired));
        let Some(Response::JoinGroup(again)) = cluster.call(1, at_most(9), join(joined.member_id)).await else {
            panic!("no answer to JoinGroup {version}")
        };
        joined = again;
    }
    assert_eq!((error(joined.error_code), joined.generation_id), (Ok(()), 1), "version {version}");
    let member = joined.member_id;
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(member.clone())
        .with_assignment(Bytes::from_static(b"all"));
    let sync = SyncGroupRequest::default()
        .with_group_id(id.clone())
        .with_generation_id(1)
        .with_member_id(member.clone())
        .with_assignments(vec![assignment]);
    let sync = if version >= 5 {
        sync.with_protocol_type(Some(text("other"))).with_protocol_name(Some(text("p")))
    } else {
        sync
    };
    let Some(Response::SyncGroup(synced)) = cluster.call(1, at_most(5), sync).await else { panic!("no answer") };
    assert_eq!((error(synced.error_code), &synced.assignment[..]), (Ok(()), &b"all"[..]), "version {version}");
    let beat =
        HeartbeatRequest::default().with_group_id(id.clone()).with_generation_id(1).with_member_id(member.clone());
    let Some(Response::Heartbeat(heard)) = cluster.call(1, at_most(4), beat).await else { panic!("no answer") };
    assert_eq!(error(heard.error_code), Ok(()));

    let partition = OffsetCommitRequestPartition::default().with_committed_offset(i64::from(version));
    let topic = OffsetCommitRequestTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
    let commit = OffsetCommitRequest::default()
        .with_group_id(id.clone())
        .with_member_id(member.clone())
        .with_generation_id_or_member_epoch(1)
        .with_topics(vec![topic]);
    let Some(Response::OffsetCommit(done)) = cluster.call(1, version.clamp(2, 9), commit).await else {
        panic!("no answer")
    };
    assert_eq!(error(done.topics[0].partitions[0].error_code), Ok(()), "version {version}");
    let fetch = OffsetFetchRequest::default();
    let fetch = if version >= 8 {
        fetch.with_groups(vec![OffsetFetchRequestGroup::default().with_group_id(id.clone()).with_topics(None)])
    } else {
        let topic = OffsetFetchRequestTopic::default().with_name(topic_name(TOPIC)).with_partition_indexes(vec![0]);
        fetch.with_group_id(id.clone()).with_topics(Some(vec![topic]))
    };
    let Some(Response::OffsetFetch(fetched)) = cluster.call(1, version.clamp(1, 9), fetch).await else {
        panic!("no answer to OffsetFetch {version}")
    };
    let offset = match version {
        8.. => fetched.groups[0].topics[0].partitions[0].committed_offset,
        _ => fetched.topics[0].partitions[0].committed_offset,
    };
    assert_eq!(offset, i64::from(version));

    let describe = DescribeGroupsRequest::default().with_groups(vec![id.clone()]);
    let Some(Response::DescribeGroups(described)) = cluster.call(1, at_most(5), describe).await else {
        panic!("no answer")
    };
    assert_eq!(&described.groups[0].members[0].member_assignment[..], b"all");
    let listed = cluster.call(1, at_most(5), ListGroupsRequest::default()).await;
    let Some(Response::ListGroups(listed)) = listed else { panic!("no answer") };
    assert!(listed.groups.iter().any(|group| group.group_id == id));
    let leave = LeaveGroupRequest::default().with_group_id(id.clone());
    let leave = match at_most(5) {
        3.. => leave.with_members(vec![MemberIdentity::default().with_member_id(member)]),
        _ => leave.with_member_id(member),
    };
    let Some(Response::LeaveGroup(left)) = cluster.call(1, at_most(5), leave).await else { panic!("no answer") };
    assert_eq!(error(left.error_code), Ok(()));
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![id]);
    let Some(Response::DeleteGroups(deleted)) = cluster.call(1, at_most(2), delete).await else { panic!("no answer") };
    assert_eq!(error(deleted.results[0].error_code), Ok(()));
}

#[test]
fn every_version_of_every_api_carries_a_member_through_its_life() {
    simulate(31, |world| async move {
        let mut cluster = Cluster::start(world, 1, ALONE).await;
        cluster.create_topic(1, 1, &[]).await;
        cluster.coordinator(1).await;
        for version in 0..=9 {
            life_at(&cluster, version).await;
        }
    });
}

#[test]
fn offsets_go_with_their_topic_and_clients_cannot_write_where_they_are_kept() {
    simulate(32, |world| async move {
        let mut cluster = Cluster::start(world, 1, ALONE).await;
        cluster.create_topic(1, 1, &[]).await;
        cluster.coordinator(1).await;
        assert_eq!(cluster.commit(1, 5, "", -1).await, Ok(()));
        let request = DeleteTopicsRequest::default().with_topic_names(vec![topic_name(TOPIC)]).with_timeout_ms(30_000);
        assert!(cluster.call(1, 5, request).await.is_some());
        cluster.until("the offset is gone", async |cluster| cluster.committed(1).await == Ok(-1)).await;
        assert_eq!(cluster.commit(1, 6, "", -1).await, Err(ErrorCode::UnknownTopicOrPartition));

        let partition = produce_request::PartitionProduceData::default().with_records(Some(batch(&["forged"])));
        let topic = produce_request::TopicProduceData::default()
            .with_name(topic_name(OFFSETS))
            .with_partition_data(vec![partition]);
        let request = ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]);
        let Some(Response::Produce(response)) = cluster.call(1, 9, request).await else { panic!("no answer") };
        let refused = error(response.responses[0].partition_responses[0].error_code);
        assert_eq!(refused, Err(ErrorCode::InvalidTopic));
    });
}
