//! Anomalies of the clients' histories, in the vocabulary of Jepsen's Kafka workload: they see what services see. One file each.

pub(crate) mod duplicate;
pub(crate) mod inconsistent_offsets;
pub(crate) mod lost_write;
pub(crate) mod nonmonotonic_poll;
pub(crate) mod out_of_order;
pub(crate) mod poll_skip;
pub(crate) mod redelivery;
pub(crate) mod unprocessed;
pub(crate) mod unseen;
