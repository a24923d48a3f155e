//! DescribeCluster: the brokers that are alive, and the controller (KIP-700).

use wire::kafka::messages::describe_cluster_response::DescribeClusterBroker;
use wire::kafka::messages::{DescribeClusterRequest, DescribeClusterResponse};
use wire::kafka::{BrokerId, ErrorCode, StrBytes};

use super::Context;
use crate::broker::Broker;
use crate::util::Authorized;

/// Asks for brokers; 2 would ask for KRaft's controllers.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// Answers from the cache.
pub fn handle(broker: &Broker, context: Context, request: &DescribeClusterRequest) -> DescribeClusterResponse {
    let refused = |error: ErrorCode, message: &'static str| {
        let message = Some(StrBytes::from_static_str(message));
        DescribeClusterResponse::default().with_error_code(error.code()).with_error_message(message)
    };
    match request.endpoint_type {
        _ if context.version == 0 => {}
        BROKERS => {}
        CONTROLLERS => return refused(ErrorCode::MismatchedEndpointType, "this is a broker, not a controller"),
        _ => return refused(ErrorCode::UnsupportedEndpointType, "no such type of endpoint"),
    }
    let cache = broker.metadata.borrow();
    let brokers = cache.alive().iter().map(|(id, node)| {
        DescribeClusterBroker::default()
            .with_broker_id(BrokerId(*id))
            .with_host(StrBytes::from_static_str(node.address.host.as_str()))
            .with_port(i32::from(node.address.port))
            .with_rack(node.rack.clone().map(StrBytes::from_string))
    });
    let described = DescribeClusterResponse::default()
        .with_cluster_id(StrBytes::from_string(broker.cluster_id.borrow().clone().unwrap_or_default()))
        .with_controller_id(BrokerId(cache.controller().unwrap_or(-1)))
        .with_brokers(brokers.collect());
    if request.include_cluster_authorized_operations {
        return described.with_cluster_authorized_operations(Authorized::Cluster.operations());
    }
    described
}
