//! A service that publishes: MemberService, OrderService and their like.

use std::rc::Rc;
use std::time::Duration;

use broker::Flaw;
use client::{Producer, ProducerConfig, ProducerFlaws, Record};
use host::Host;
use scenario::{IDENTITY_HEADER, Plan};
use trace::Name;

use super::{SharedLedger, bootstrap, direct, settings};

/// Publishes at a constant rate until told to stop; record n depends on (seed, client, n) only.
pub async fn produce(host: Host, plan: &Rc<Plan>, place: usize, index: u32, ledger: SharedLedger) {
    let producer = &plan.producers[place];
    while ledger.topics_ready.get().is_none() {
        host.sleep(Duration::from_millis(50)).await;
    }
    let publish = match &producer.direct {
        None => Publish::ToKafka(kafka(&host, plan, producer)),
        Some(_) => Publish::Directly,
    };
    let interval = Duration::from_nanos(producer.rate.interval().nanos());
    let began = host.now();
    let first = ledger.next.borrow().get(&host.name()).copied().unwrap_or(0);
    for n in first.. {
        let due = interval * u32::try_from(n - first).expect("a run sends fewer than 2^32 records");
        host.sleep_until(began + due).await;
        if ledger.stop_producing.get() {
            break;
        }
        ledger.next.borrow_mut().insert(host.name(), n + 1);
        match &publish {
            // A refused record is told by its event; a service that publishes mails goes on with the next.
            Publish::ToKafka(kafka) => drop(kafka.send(record(plan, producer, index, n)).await),
            Publish::Directly => {
                let (host, plan) = (host.clone(), plan.clone());
                let node = host.clone();
                node.spawn("call", async move { direct::call(host, &plan, &plan.producers[place], (index, n)).await });
            }
        }
    }
    if let Publish::ToKafka(kafka) = &publish {
        kafka.flush().await;
    }
    // The service stays up: it has nothing more to say.
    std::future::pending::<()>().await;
}

/// How a record goes out.
enum Publish {
    ToKafka(Producer),
    /// The other service is called for each.
    Directly,
}

fn kafka(host: &Host, plan: &Plan, producer: &scenario::Producer) -> Producer {
    let mut config = ProducerConfig::from_settings(&settings(&producer.config))
        .unwrap_or_else(|error| panic!("the scenario checked the settings of {}: {error}", producer.name));
    let flaws = crate::nodes::flaws(plan);
    config.flaws = ProducerFlaws {
        resends_in_doubt: flaws.has(Flaw::NoDedupEpochBump),
        metadata_blip_resets_sequences: flaws.has(Flaw::MetadataBlipResetsSeq),
    };
    Producer::new(host.clone(), bootstrap(plan), config)
}

fn record(plan: &Plan, producer: &scenario::Producer, index: u32, n: u64) -> Record {
    let rendered = producer.render(plan.seed, index, n);
    let mut record = Record::new(Name::new(&producer.topic), n).key(rendered.key).value(rendered.value);
    record.headers.push((IDENTITY_HEADER.to_owned(), Some(rendered.identity.into())));
    record
}
