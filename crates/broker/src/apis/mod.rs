//! One file an API. A handler gets the request and the event it came by; it returns the response and what made it so.

pub mod alter_configs;
pub mod api_versions;
pub mod controlled_shutdown;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_groups;
pub mod delete_topics;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_groups;
pub mod describe_log_dirs;
pub mod fetch;
pub mod find_coordinator;
pub mod heartbeat;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod join_group;
pub mod leader_and_isr;
pub mod leave_group;
pub mod list_groups;
pub mod list_offsets;
pub mod metadata;
pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
pub mod offset_for_leader_epoch;
pub mod produce;
pub mod stop_replica;
pub mod sync_group;
pub mod update_metadata;

use std::rc::Rc;

use trace::{EventId, EventKind, Name};
use wire::kafka::{ErrorCode, Request, Response};

use crate::broker::Broker;
use crate::flaws::Flaw;
use crate::framing::api_name;

/// A request's circumstances.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The API version.
    pub version: i16,
    /// The frame that carried it.
    pub cause: EventId,
    /// The node it comes from.
    pub peer: Name,
}

/// A response and the event that made it possible.
pub type Reply = (Response, EventId);

/// Why what was asked for was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// For programs.
    pub error: ErrorCode,
    /// For people.
    pub message: String,
}

impl Refused {
    /// A refusal.
    pub fn new(error: ErrorCode, message: impl Into<String>) -> Refused {
        Refused { error, message: message.into() }
    }
}

/// What becomes of a request.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it is matched at once")]
pub enum Handled {
    /// It is answered.
    Answer(Reply),
    /// Nothing is answered: Produce with acks=0.
    Silence,
    /// The connection is closed: Produce with acks=0 that failed has no other way to tell.
    Close,
}

/// Handles a request of the client that calls itself `client_id`, which is perhaps empty. (It is not interned: a client may
/// choose another one each time.)
pub async fn handle(broker: &Rc<Broker>, context: Context, client_id: &str, request: Request) -> Handled {
    if let Request::Produce(request) = request {
        return produce::handle(broker, context, request).await;
    }
    match answer(broker, context, client_id, request).await {
        Some(reply) => Handled::Answer(reply),
        None => Handled::Close,
    }
}

async fn answer(broker: &Rc<Broker>, context: Context, client_id: &str, request: Request) -> Option<Reply> {
    let now = |response: Response| Some((response, context.cause));
    match request {
        Request::Fetch(request) => Some(fetch::handle(broker, context, request).await),
        Request::ListOffsets(request) => Some(list_offsets::handle(broker, context, &request)),
        Request::Metadata(request) => now(metadata::handle(broker, context, &request).await.into()),
        Request::LeaderAndIsr(request) => now(leader_and_isr::handle(broker, context, &request).await.into()),
        Request::StopReplica(request) => now(stop_replica::handle(broker, context, &request).await.into()),
        Request::UpdateMetadata(request) => now(update_metadata::handle(broker, context, &request).await.into()),
        Request::ControlledShutdown(request) => Some(controlled_shutdown::handle(broker, context, &request).await),
        Request::FindCoordinator(request) => now(find_coordinator::handle(broker, context, &request).await.into()),
        Request::JoinGroup(request) => Some(join_group::handle(broker, context, client_id, request).await),
        Request::SyncGroup(request) => Some(sync_group::handle(broker, context, request).await),
        Request::Heartbeat(request) => Some(heartbeat::handle(broker, context, &request)),
        Request::LeaveGroup(request) => Some(leave_group::handle(broker, context, &request)),
        Request::OffsetCommit(request) => Some(offset_commit::handle(broker, context, &request).await),
        Request::OffsetFetch(request) => Some(offset_fetch::handle(broker, context, &request)),
        Request::OffsetDelete(request) => Some(offset_delete::handle(broker, context, &request).await),
        Request::DescribeGroups(request) => now(describe_groups::handle(broker, &request).into()),
        Request::ListGroups(request) => now(list_groups::handle(broker, &request).into()),
        Request::DeleteGroups(request) => Some(delete_groups::handle(broker, context, &request).await),
        Request::ApiVersions(_) => now(api_versions::handle().into()),
        Request::CreateTopics(request) => Some(create_topics::handle(broker, context, request).await),
        Request::DeleteTopics(request) => Some(delete_topics::handle(broker, context, request).await),
        Request::InitProducerId(request) => Some(init_producer_id::handle(broker, context, &request).await),
        Request::OffsetForLeaderEpoch(request) => now(offset_for_leader_epoch::handle(broker, &request).into()),
        Request::DescribeConfigs(request) => Some(describe_configs::handle(broker, context, &request).await),
        Request::AlterConfigs(request) => Some(alter_configs::handle(broker, context, &request).await),
        Request::IncrementalAlterConfigs(request) => {
            Some(incremental_alter_configs::handle(broker, context, &request).await)
        }
        Request::CreatePartitions(request) => Some(create_partitions::handle(broker, context, &request).await),
        Request::DescribeLogDirs(request) => now(describe_log_dirs::handle(broker, &request).into()),
        Request::DescribeCluster(request) => now(describe_cluster::handle(broker, context, &request).into()),
        Request::Produce(_) => unreachable!("handled where it may stay unanswered"),
    }
}

/// Whether a control request is to be obeyed; known when this incarnation is registered. The event says what was decided; what follows is caused by it.
async fn admit(
    broker: &Broker,
    context: Context,
    api_key: i16,
    controller_epoch: i32,
    broker_epoch: i64,
) -> Result<EventId, ErrorCode> {
    let meant_for = if broker.flaws.has(Flaw::BouncedBrokerControlRequest) {
        -1
    } else {
        broker.registered().await;
        broker_epoch
    };
    let (api, own_broker_epoch) = (api_name(api_key), broker.broker_epoch.get());
    match broker.fence.borrow_mut().admit(controller_epoch, meant_for, own_broker_epoch, broker.flaws) {
        Ok(()) => {
            let applied = EventKind::ControlApplied { api, controller_epoch, broker_epoch, own_broker_epoch };
            Ok(broker.host.emit(context.cause, applied))
        }
        Err(error) => {
            let refused =
                EventKind::ControlRefused { api, controller_epoch, broker_epoch, error: Name::new(error.name()) };
            broker.host.emit(context.cause, refused);
            Err(error)
        }
    }
}
