//! The commented scenario that `odradek new` writes.

/// A scenario called `name` that explains itself.
pub fn template(name: &str) -> String {
    TEMPLATE.replace("NAME", &toml::Value::String(name.to_string()).to_string())
}

const TEMPLATE: &str = r#"# A scenario: a cluster, its clients, what happens to them, and what must hold.
# Run it:        odradek run THIS-FILE --seed 1
# See the plan:  odradek plan THIS-FILE
# Any word:      odradek explain WORD        (faults, selectors, conditions, settings, oracles, flaws)

schema = 1
name   = NAME
intent = "No acked order is lost while the leader of a partition is away."

[cluster]
brokers    = 3                      # broker-1, broker-2, broker-3
zookeepers = 3                      # zk-1, zk-2, zk-3
# Kafka's own names, units and defaults; *.ms also take durations.
config = { replica.lag.time.max.ms = "10s", zookeeper.session.timeout.ms = "6s" }
# flaws = ["hw-truncation-loss"]    # a historical bug, by its name in `odradek flaws`

[[topic]]
name        = "orders"
partitions  = 3
replication = 3
config      = { min.insync.replicas = 2 }

[[producer]]                        # writes until half of settle
name   = "order-service"            # its node is order-service-0
topic  = "orders"
rate   = "20/s"
keys   = 16
template = "order {n} of {key}"     # or value = "100B", or fields = { to = "{key}@example.org" }
config = { acks = "all" }

[[consumer]]                        # without a group: reads every partition
name   = "mail-service"
topics = ["orders"]
config = { auto.offset.reset = "earliest" }

[network]
latency = { p50 = "1ms", p99 = "10ms" }

[disk]
sync = { p50 = "2ms", p99 = "20ms" }

[phases]
warmup = "10s"                      # no faults yet
chaos  = "60s"                      # fault times count from its start
settle = "30s"                      # all is healed at its start

[[fault]]
at   = "5s"
kind = "crash"
node = "leader(orders/0)"           # resolved when the fault fires
down = "20s"

[[fault]]
id   = "cut"
when = "done(crash-1)"              # once, when it turns true
after = "5s"
kind = "isolate"
node = "controller"
for  = "20s"

[[note]]                            # explains what is going on, in the digest and the visualizer
when = "isr(orders/0) == 2"
text = { en = "One replica has left the ISR; two are enough for min.insync.replicas." }

[expect]
always     = ["default"]            # every oracle
sometimes  = ["leader-changed", "isr-shrunk"]
eventually = [{ that = "isr(orders/*) == 3", within = "25s" }]
# violation = ["lost-write"]        # for a hazard: what must go wrong

# [[variant]]                       # the same with other settings; `run` compares all variants in one table
# name = "acks-1"
# set  = { "producer.order-service.config.acks" = "1" }
"#;
