//! Commits, and what is committed.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::oneshot;
use trace::{EventKind, Name, Partition};

use super::super::Shared;
use super::offsets::{CommitOffset, commit_request, fetch_request};
use super::shell::{About, Commit, Group, Refused};
use crate::error::{ClientError, CommitError, GroupError};
use crate::network::until;

impl Shared {
    /// Where the application stands in each partition: behind what polls have returned.
    pub(in crate::consumer) fn consumed(&self) -> BTreeMap<Partition, CommitOffset> {
        let partitions = self.partitions.borrow();
        let consumed = partitions.iter().filter_map(|(partition, state)| {
            let position = state.consumed()?;
            let leader_epoch = position.epoch.unwrap_or(-1);
            Some((*partition, CommitOffset { offset: position.offset, leader_epoch }))
        });
        consumed.collect()
    }

    /// `enable.auto.commit`: a poll commits what earlier polls have returned.
    pub(super) fn commit_automatically(&self, group: &Group) {
        let Some(interval) = group.config.auto_commit else { return };
        let now = self.host.now();
        if now < group.commit_at.get() || group.core.borrow().identity().is_err() {
            return;
        }
        group.commit_at.set(now + interval);
        // That it fails is told by its events.
        let _ = self.queue_commit(group, self.consumed(), None);
    }

    /// Hands a commit to the member's task.
    ///
    /// # Errors
    /// If this is no time to commit.
    pub(super) fn queue_commit(
        &self,
        group: &Group,
        offsets: BTreeMap<Partition, CommitOffset>,
        report: Option<oneshot::Sender<Result<(), Refused>>>,
    ) -> Result<(), CommitError> {
        if offsets.is_empty() {
            let _ = report.map(|report| report.send(Ok(())));
            return Ok(());
        }
        let identity = group.core.borrow().identity();
        let (member, generation) = match identity {
            Ok(identity) => identity,
            Err(error) => {
                let name = if error == CommitError::Rebalancing { "REBALANCE_IN_PROGRESS" } else { "NOT_A_MEMBER" };
                let generation = group.core.borrow().generation();
                self.report_failed(group, &Commit { offsets, generation, report: None }, name);
                return Err(error);
            }
        };
        let request = commit_request(&group.config, member, generation, &offsets);
        group.ask(group.latest(), request, About::Commit(Commit { offsets, generation, report }));
        Ok(())
    }

    /// A commit that was never sent.
    pub(super) fn report_failed(&self, group: &Group, commit: &Commit, error: &str) {
        let (name, generation, error) = (group.config.id, commit.generation, Name::new(error));
        for (partition, CommitOffset { offset, .. }) in &commit.offsets {
            let (partition, offset) = (*partition, *offset);
            let event = EventKind::CommitFailed { group: name, partition, offset, generation, error };
            self.host.emit(group.latest(), event);
        }
    }

    pub(in crate::consumer) async fn commit_sync(
        &self,
        offsets: Option<BTreeMap<Partition, CommitOffset>>,
        timeout: Duration,
    ) -> Result<(), CommitError> {
        let group = self.group.as_ref().ok_or(GroupError::NoGroup)?;
        let deadline = self.host.now() + timeout;
        let offsets = offsets.unwrap_or_else(|| self.consumed());
        let mut failures = 0;
        loop {
            let (report, outcome) = oneshot::channel();
            self.queue_commit(group, offsets.clone(), Some(report))?;
            match until(&self.host, deadline, outcome).await {
                None => return Err(CommitError::TimedOut),
                Some(Err(_)) => return Err(GroupError::Closed.into()),
                Some(Ok(Ok(()))) => return Ok(()),
                Some(Ok(Err(Refused::Final(error)))) => return Err(error),
                Some(Ok(Err(Refused::Passing))) => failures += 1,
            }
            let wait = self.network.config().retry().after(failures, self.network.random());
            if self.host.now() + wait >= deadline {
                return Err(CommitError::TimedOut);
            }
            self.host.sleep(wait).await;
        }
    }

    pub(in crate::consumer) fn commit_async(
        &self,
        offsets: Option<BTreeMap<Partition, CommitOffset>>,
    ) -> Result<(), CommitError> {
        let group = self.group.as_ref().ok_or(GroupError::NoGroup)?;
        self.queue_commit(group, offsets.unwrap_or_else(|| self.consumed()), None)
    }

    pub(in crate::consumer) async fn committed_offsets(
        &self,
        partitions: &[Partition],
        timeout: Duration,
    ) -> Result<BTreeMap<Partition, CommitOffset>, ClientError> {
        let Some(group) = &self.group else { return Ok(BTreeMap::new()) };
        let asking = async {
            let mut failures = 0;
            loop {
                let (report, answer) = oneshot::channel();
                let request = fetch_request(&group.config, partitions.iter().copied());
                group.ask(group.latest(), request, About::Committed(report));
                let fetched = answer.await.map_err(|_| ClientError::Closed)?;
                let all = fetched.and_then(|fetched| {
                    fetched
                        .into_iter()
                        .map(|(partition, offset)| Ok((partition, offset?)))
                        .collect::<Result<Vec<_>, _>>()
                });
                match all {
                    Ok(all) => return Ok(all.into_iter().filter_map(|(at, offset)| Some((at, offset?))).collect()),
                    Err(error) if error.retriable() => failures += 1,
                    Err(error) => return Err(ClientError::Broker(error)),
                }
                self.host.sleep(self.network.config().retry().after(failures, self.network.random())).await;
            }
        };
        let deadline = self.host.now() + timeout;
        until(&self.host, deadline, asking).await.unwrap_or(Err(ClientError::TimedOut))
    }

    /// Leaves the group; waits until the coordinator has heard of it, at most until the timeout.
    pub(in crate::consumer) async fn leave_group(&self, timeout: Duration) {
        let Some(group) = &self.group else { return };
        let deadline = self.host.now() + timeout;
        if group.config.auto_commit.is_some() {
            // That it fails is told by its events.
            let _ = self.commit_sync(None, timeout).await;
        }
        let owned = group.core.borrow().owned().clone();
        if !owned.is_empty() {
            let lost = group.core.borrow().generation() < 0;
            self.drop_partitions(group, &owned, lost);
        }
        let cause = group.latest();
        let member = group.core.borrow_mut().leave(cause);
        if let Some(member) = member {
            let (report, told) = oneshot::channel();
            group.say_goodbye(member, cause, "the consumer is being closed", Some(report));
            // It leaves all the same if nobody hears.
            let _ = until(&self.host, deadline, told).await;
        }
    }
}
