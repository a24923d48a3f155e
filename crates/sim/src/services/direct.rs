//! Direct calls: a service asks another itself, with no broker in between. Not how one should build it, but what Kafka is compared
//! with: the caller learns at once what became of its call, and depends on the other being there.
//!
//! A request is one frame: its length, a correlation id, the record's number and the hash of its key, the caller's name. The answer is
//! its length and the correlation id. The other answers when it has done the work.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use client::key_hash;
use host::{Address, BadFrame, Connection, Framing, Host, Label};
use scenario::{Plan, Producer};
use trace::{CloseReason, EventId, EventKind, Name, Partition, Protocol, RecordText, Text};

use super::SharedLedger;

/// The port of a service that takes calls.
const PORT: u16 = 8080;
const PREFIX: usize = 4;
const LARGEST: usize = 1 << 10;

fn framing() -> Framing {
    Framing { protocol: Protocol::Other, maximum: LARGEST, length, describe }
}

fn length(buffered: &[u8]) -> Result<Option<usize>, BadFrame> {
    let Some(prefix) = buffered.first_chunk::<PREFIX>() else { return Ok(None) };
    Ok(Some(PREFIX + u32::from_be_bytes(*prefix) as usize))
}

fn describe(frame: &[u8], request: bool) -> Label {
    let correlation = frame[PREFIX..].first_chunk().map_or(0, |bytes| i32::from_be_bytes(*bytes));
    Label { api: request.then(|| Name::new("Call")), correlation }
}

fn framed(body: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(PREFIX + body.len());
    frame.put_u32(body.len() as u32);
    frame.put_slice(body);
    frame.freeze()
}

/// What a call asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Call {
    correlation: i32,
    sequence: u64,
    key: u32,
    caller: Name,
}

impl Call {
    fn encode(self) -> Bytes {
        let mut body = BytesMut::new();
        body.put_i32(self.correlation);
        body.put_u64(self.sequence);
        body.put_u32(self.key);
        body.put_slice(self.caller.as_str().as_bytes());
        framed(&body)
    }

    fn decode(frame: &[u8]) -> Option<Call> {
        let mut body = frame.get(PREFIX..)?;
        let correlation = body.try_get_i32().ok()?;
        let sequence = body.try_get_u64().ok()?;
        let key = body.try_get_u32().ok()?;
        Some(Call { correlation, sequence, key, caller: Name::new(std::str::from_utf8(body).ok()?) })
    }
}

/// The service that `producer` calls, and how many nodes it has.
fn called<'a>(plan: &'a Plan, producer: &'a Producer) -> Option<(&'a str, u32)> {
    let name = producer.direct.as_deref()?;
    let consumer = plan.consumers.iter().find(|consumer| consumer.name == name)?;
    Some((name, consumer.count))
}

/// Whether some producer calls this consumer.
pub fn is_called(plan: &Plan, consumer: &scenario::Consumer) -> bool {
    plan.producers.iter().any(|producer| producer.direct.as_ref() == Some(&consumer.name))
}

/// Calls for record `n`, and reports what became of it. One attempt: whoever wants more needs somebody who keeps the record meanwhile.
pub async fn call(host: Host, plan: &Plan, producer: &Producer, (index, n): (u32, u64)) {
    let (service, nodes) = called(plan, producer).expect("the scenario checked whom it calls");
    let rendered = producer.render(plan.seed, index, n);
    let key = key_hash(rendered.key.as_bytes());
    let partition = Partition::new(service, (key % nodes) as i32);
    let text = host.wants_text().then(|| {
        let (key, value, timestamp) = (rendered.key.clone(), rendered.value.clone(), host.wall());
        Box::new(RecordText { key, value, timestamp })
    });
    let sent = host.emit(EventId::ROOT, EventKind::RecordSent { partition, sequence: n, key, text: Text(text) });
    let timeout = Duration::from_nanos(producer.config.duration("request.timeout.ms").nanos());
    let call = Call { correlation: n as i32 & i32::MAX, sequence: n, key, caller: host.name() };
    let mut asked = None;
    let answer = host.timeout(timeout, exchange(&host, partition, call, sent, &mut asked)).await;
    let outcome = match answer {
        Ok(Ok(answered)) => {
            host.emit(answered, EventKind::RecordAcked { partition, offset: -1, sequence: n });
            return;
        }
        Ok(Err(error)) => error,
        Err(_elapsed) => "request.timeout.ms",
    };
    let error = Name::new(outcome);
    match asked {
        // The other may have done the work before it went silent.
        Some(asked) => host.emit(asked, EventKind::RecordUnknown { partition, sequence: n, error }),
        None => host.emit(sent, EventKind::RecordFailed { partition, sequence: n, error }),
    };
}

async fn exchange(
    host: &Host,
    partition: Partition,
    call: Call,
    cause: EventId,
    asked: &mut Option<EventId>,
) -> Result<EventId, &'static str> {
    let address = Address::new(&format!("{}-{}", partition.topic, partition.index), PORT);
    let mut connection = host.connect(address, framing(), cause).await.map_err(|_| "NO_CONNECTION")?;
    let broken = |_: CloseReason| "CONNECTION_LOST";
    *asked = Some(connection.sender.send(cause, call.encode()).await.map_err(broken)?);
    Ok(connection.receiver.next().await.map_err(broken)?.cause)
}

/// Takes calls, of several callers at once, and works `process` for each.
pub async fn serve(host: Host, consumer: String, process: Duration, ledger: SharedLedger) {
    let Ok(listener) = host.listen(PORT, framing()).await else { return };
    loop {
        let connection = listener.accept().await;
        let (node, consumer, ledger) = (host.clone(), consumer.clone(), ledger.clone());
        host.spawn("call", async move {
            // A caller that has hung up does not want the answer.
            let _ = answer(&node, &consumer, process, &ledger, connection).await;
        });
    }
}

async fn answer(
    host: &Host,
    consumer: &str,
    process: Duration,
    ledger: &SharedLedger,
    mut connection: Connection,
) -> Result<(), CloseReason> {
    loop {
        let frame = connection.receiver.next().await?;
        let Some(Call { correlation, sequence, key, caller }) = Call::decode(&frame.bytes) else { return Ok(()) };
        let index = host.name().as_str().rsplit('-').next().and_then(|index| index.parse().ok()).unwrap_or(0);
        let partition = Partition::new(consumer, index);
        let offset = {
            let mut taken = ledger.next.borrow_mut();
            let next = taken.entry(host.name()).or_default();
            *next += 1;
            (*next - 1) as i64
        };
        let (producer, leader_epoch) = (caller, 0);
        let polled = EventKind::RecordPolled { partition, offset, sequence, producer, leader_epoch, key };
        let polled = host.emit(frame.cause, polled);
        ledger.work(host, process).await;
        let processed = host.emit(polled, EventKind::RecordProcessed { partition, offset, sequence, producer, key });
        connection.sender.send(processed, framed(&correlation.to_be_bytes())).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_read_as_it_was_written_and_anything_else_is_refused() {
        let call = Call { correlation: 7, sequence: 1 << 40, key: 9, caller: Name::new("order-service-0") };
        let frame = call.encode();
        assert_eq!(length(&frame), Ok(Some(frame.len())));
        assert_eq!(Call::decode(&frame), Some(call));
        assert_eq!((0..16).find_map(|end| Call::decode(&frame[..end])), None);
        assert_eq!(describe(&frame, true), Label { api: Some(Name::new("Call")), correlation: 7 });
    }
}
