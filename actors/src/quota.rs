//! Bounds on bytes per second: pure and told the time, and one that follows a broker's setting.
//!
//! As with Kafka's replication quotas, work of any size may begin while the quota is not used up, and what
//! it took too much is waited for afterwards. A second's worth may be saved up.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use odeon_kernel::{SharedClock, Watch};
use odeon_metadata::MetadataImage;
use odeon_model::NodeId;
use odeon_model::config::ConfigMap;

use crate::settings::broker_setting;

/// How many bytes may go.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// Bytes a second; [`Quota::UNLIMITED`] for no bound.
    rate: u64,
    /// Bytes that may go now; below zero after too many went.
    left: i128,
    /// When that was so.
    at: Duration,
}

impl Quota {
    /// No bound.
    pub const UNLIMITED: u64 = i64::MAX as u64;

    /// A quota of which nothing is used.
    pub fn new(rate: u64, now: Duration) -> Self {
        Self {
            rate,
            left: i128::from(rate),
            at: now,
        }
    }

    /// Goes on with another rate; a second's worth of it at most is left.
    pub fn set_rate(&mut self, rate: u64, now: Duration) {
        if rate != self.rate {
            self.earn(now);
            self.rate = rate;
            self.left = self.left.min(i128::from(rate));
        }
    }

    /// Notes that bytes went.
    pub fn spend(&mut self, bytes: u64, now: Duration) {
        self.earn(now);
        self.left -= i128::from(bytes);
    }

    /// How long nothing may go; `None` when something may. A rate of 0 is looked at once a second.
    pub fn wait(&mut self, now: Duration) -> Option<Duration> {
        self.earn(now);
        if self.rate >= Self::UNLIMITED || self.left > 0 {
            return None;
        }
        if self.rate == 0 {
            return Some(Duration::from_secs(1));
        }
        let missing = u128::try_from(1 - self.left).unwrap_or(u128::MAX);
        let nanos = missing.saturating_mul(1_000_000_000) / u128::from(self.rate) + 1;
        Some(Duration::from_nanos(
            u64::try_from(nanos).unwrap_or(u64::MAX),
        ))
    }

    fn earn(&mut self, now: Duration) {
        let since = now.saturating_sub(self.at);
        let earned = since.as_nanos().saturating_mul(u128::from(self.rate)) / 1_000_000_000;
        let earned = i128::try_from(earned).unwrap_or(i128::MAX);
        // What is less than a byte is earned by the next look.
        if earned > 0 || self.rate == 0 {
            self.left = self.left.saturating_add(earned).min(i128::from(self.rate));
            self.at = now;
        }
    }
}

/// A quota whose rate is a setting of this broker that may change at any time.
#[derive(Debug)]
pub struct BrokerQuota {
    setting: &'static str,
    node_id: NodeId,
    image: Watch<MetadataImage>,
    properties: Arc<ConfigMap>,
    clock: SharedClock,
    quota: Mutex<Quota>,
}

impl BrokerQuota {
    /// A quota by a setting's name.
    pub fn new(
        setting: &'static str,
        node_id: NodeId,
        image: Watch<MetadataImage>,
        properties: Arc<ConfigMap>,
        clock: SharedClock,
    ) -> Self {
        let quota = Mutex::new(Quota::new(Quota::UNLIMITED, clock.monotonic()));
        Self {
            setting,
            node_id,
            image,
            properties,
            clock,
            quota,
        }
    }

    /// The quota at the rate of now.
    fn quota(&self, now: Duration) -> MutexGuard<'_, Quota> {
        let image = self.image.get();
        let rate = broker_setting(&image, self.node_id, &self.properties, self.setting);
        let rate = rate.and_then(|text| text.parse().ok());
        let mut quota = self.quota.lock().unwrap_or_else(PoisonError::into_inner);
        quota.set_rate(rate.unwrap_or(Quota::UNLIMITED), now);
        quota
    }

    /// How long nothing may go; `None` when something may. Look again after a tenth of a second: the rate
    /// may have changed.
    pub fn wait(&self) -> Option<Duration> {
        const LOOK: Duration = Duration::from_millis(100);
        if self.image.get().broker(self.node_id).is_none() {
            // The rate is not known yet.
            return Some(LOOK);
        }
        let now = self.clock.monotonic();
        self.quota(now).wait(now).map(|wait| wait.min(LOOK))
    }

    /// Notes that bytes went.
    pub fn spend(&self, bytes: usize) {
        let now = self.clock.monotonic();
        self.quota(now).spend(bytes as u64, now);
    }
}

/// What bounds the copying of replicas on a broker.
#[derive(Debug, Clone)]
pub struct ReplicationQuotas {
    /// What its leaders send to throttled followers: `leader.replication.throttled.rate`.
    pub leader: Arc<BrokerQuota>,
    /// What its throttled followers take: `follower.replication.throttled.rate`.
    pub follower: Arc<BrokerQuota>,
    /// Moves between its directories: `replica.alter.log.dirs.io.max.bytes.per.second`.
    pub directories: Arc<BrokerQuota>,
}

impl ReplicationQuotas {
    /// The quotas of a broker.
    pub fn new(
        node_id: NodeId,
        image: &Watch<MetadataImage>,
        properties: &Arc<ConfigMap>,
        clock: &SharedClock,
    ) -> Self {
        let quota = |setting| {
            let (image, properties) = (image.clone(), properties.clone());
            let quota = BrokerQuota::new(setting, node_id, image, properties, clock.clone());
            Arc::new(quota)
        };
        Self {
            leader: quota("leader.replication.throttled.rate"),
            follower: quota("follower.replication.throttled.rate"),
            directories: quota("replica.alter.log.dirs.io.max.bytes.per.second"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_second_may_be_saved_up_and_what_is_too_much_is_waited_for() {
        let mut quota = Quota::new(1_000, SECOND);
        assert_eq!(quota.wait(SECOND), None);
        quota.spend(999, SECOND);
        assert_eq!(
            quota.wait(SECOND),
            None,
            "a byte is left: anything may begin"
        );
        quota.spend(2_001, SECOND);
        let wait = quota.wait(SECOND).unwrap();
        assert!(
            wait > SECOND * 2 && wait < SECOND * 2 + SECOND / 100,
            "{wait:?}"
        );
        assert_eq!(quota.wait(SECOND + wait), None);
        // A long silence saves up no more than a second.
        quota.spend(1_001, SECOND * 100);
        assert!(quota.wait(SECOND * 100).is_some());
    }

    #[test]
    fn another_rate_holds_at_once() {
        let mut quota = Quota::new(Quota::UNLIMITED, SECOND);
        quota.spend(1 << 40, SECOND);
        assert_eq!(quota.wait(SECOND), None);
        quota.set_rate(10, SECOND);
        quota.spend(10, SECOND);
        assert!(quota.wait(SECOND).is_some());
        quota.set_rate(0, SECOND * 2);
        quota.spend(100, SECOND * 2);
        assert!(
            quota.wait(SECOND * 1_000).is_some(),
            "nothing may go at all"
        );
        quota.set_rate(Quota::UNLIMITED, SECOND * 1_000);
        assert_eq!(quota.wait(SECOND * 1_000), None);
    }

    proptest! {
        #[test]
        fn over_any_time_no_more_goes_than_the_rate_allows(
            rate in 1..1_000_000u64,
            sizes in prop::collection::vec(1..100_000u64, 1..200),
        ) {
            let (mut quota, mut now, mut sent) = (Quota::new(rate, SECOND), SECOND, 0u64);
            for size in &sizes {
                if let Some(wait) = quota.wait(now) {
                    now += wait;
                }
                prop_assert_eq!(quota.wait(now), None);
                quota.spend(*size, now);
                sent += size;
            }
            let seconds = (now - SECOND).as_secs_f64();
            // A second was saved up, and the last piece is paid for later.
            let allowed = (seconds + 1.0) * rate as f64 + 100_000.0;
            prop_assert!(sent as f64 <= allowed + 1.0, "{sent} in {seconds} s");
        }
    }
}
