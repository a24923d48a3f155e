use client::{Producer, ProducerConfig, Record};
use crate::fake::*;
#[test]
fn perf() {
    let latency = host::sim::Latency { p50_ns: 1_000_000, p99_ns: 1_000_000 };
    let options = host::sim::WorldOptions { trace: trace::Mode::None, latency, ..Default::default() };
    host::sim::run(options, move |world| Box::pin(async move {
        let _fake = Fake::start(&world, 2, 3);
        on_client(&world, |host| async move {
            let producer = Producer::new(host.clone(), bootstrap(), ProducerConfig::default());
            eprintln!("start {:?}", host.now()); let value = bytes::Bytes::from(vec![7u8; 100]);
            for n in 0..200_000u64 {
                let key = bytes::Bytes::from(format!("key-{}", n % 64));
                producer.send(Record::new("t", n).key(key).value(value.clone())).await.unwrap();
                if n % 30 == 29 { host.sleep(std::time::Duration::from_millis(1)).await; }
            }
            producer.flush().await;
            eprintln!("done at {:?}", host.now());
        }).await;
    })).unwrap_or_else(|p| panic!("{p}"));
}
