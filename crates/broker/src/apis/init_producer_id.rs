//! InitProducerId: ids for idempotent producers, from blocks of a thousand that brokers take in ZooKeeper.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use trace::EventId;
use wire::kafka::messages::{InitProducerIdRequest, InitProducerIdResponse};
use wire::kafka::{ErrorCode, ProducerId};
use zookeeper::{CreateMode, ZkError};

use super::{Context, Reply};
use crate::broker::Broker;
use crate::znodes::{self, Content, ProducerIdBlock};

/// How many ids a block has.
const BLOCK: i64 = 1_000;

/// Answers with a new id at epoch 0. Transactional producers need a transaction coordinator; there is none yet.
pub async fn handle(broker: &Rc<Broker>, context: Context, request: &InitProducerIdRequest) -> Reply {
    let mut cause = context.cause;
    let id = match &request.transactional_id {
        Some(empty) if empty.is_empty() => Err(ErrorCode::InvalidRequest),
        Some(_) => Err(ErrorCode::CoordinatorNotAvailable),
        None => next_id(broker, &mut cause).await,
    };
    let response = match id {
        Ok(id) => InitProducerIdResponse::default().with_producer_id(ProducerId(id)).with_producer_epoch(0),
        Err(error) => InitProducerIdResponse::default()
            .with_error_code(error.code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1),
    };
    (response.into(), cause)
}

async fn next_id(broker: &Broker, cause: &mut EventId) -> Result<i64, ErrorCode> {
    // One at a time: two requests must not both take a block.
    let mut ids = broker.producer_ids.lock().await;
    if ids.is_empty() {
        *ids = take_block(broker, cause).await?;
    }
    let id = ids.start;
    ids.start += 1;
    Ok(id)
}

/// Takes the next block. A block whose write may or may not have happened is left alone: ids must be unique, not dense.
async fn take_block(broker: &Broker, cause: &mut EventId) -> Result<std::ops::Range<i64>, ErrorCode> {
    const TRIES: usize = 50;
    const RETRY: Duration = Duration::from_millis(100);
    for _ in 0..TRIES {
        match try_block(broker, cause).await {
            Ok(Some(block)) => return Ok(block),
            Ok(None) => {}
            Err(_) => broker.host.sleep(RETRY).await,
        }
    }
    Err(ErrorCode::CoordinatorLoadInProgress)
}

/// One try; none if somebody else was faster.
async fn try_block(broker: &Broker, cause: &mut EventId) -> Result<Option<std::ops::Range<i64>>, ZkError> {
    let zookeeper = &broker.zookeeper;
    let (start, version) = match zookeeper.get_data(*cause, znodes::PRODUCER_IDS, false).await {
        Ok(reply) => {
            let (data, stat) = reply.value;
            *cause = reply.cause;
            let last = ProducerIdBlock::decode(&data).and_then(|block| block.block_end.parse::<i64>().ok());
            (last.map_or(0, |last| last + 1), Some(stat.version))
        }
        Err(ZkError::NoNode) => (0, None),
        Err(error) => return Err(error),
    };
    let Some(end) = start.checked_add(BLOCK) else { return Ok(None) };
    let block = ProducerIdBlock {
        version: 1,
        broker: broker.id,
        block_start: start.to_string(),
        block_end: (end - 1).to_string(),
    };
    let data: Bytes = block.encode();
    let written = match version {
        Some(version) => zookeeper.set_data(*cause, znodes::PRODUCER_IDS, data, version).await.map(|it| it.cause),
        None => zookeeper.create(*cause, znodes::PRODUCER_IDS, data, CreateMode::Persistent).await.map(|it| it.cause),
    };
    match written {
        Ok(reply) => {
            *cause = reply;
            Ok(Some(start..end))
        }
        Err(ZkError::BadVersion | ZkError::NodeExists) => Ok(None),
        Err(error) => Err(error),
    }
}
