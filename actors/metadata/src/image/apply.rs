//! How a record changes the image. Total: a record that refers to something that is not there
//! changes nothing, and says so.

use std::sync::Arc;

use odeon_model::NodeId;
use odeon_schema::metadata::{
    BrokerRegistrationChangeRecord, ClearElrRecord, ClientQuotaRecord, ConfigRecord,
    FeatureLevelRecord, PartitionChangeRecord, PartitionRecord, ProducerIdsRecord, TopicRecord,
    UnregisterBrokerRecord,
};

use super::{
    BrokerImage, ConfigResource, ConfigResourceType, ControllerImage, MetadataImage,
    PartitionImage, TopicImage,
};
use crate::record::MetadataRecord;

/// What applying a record did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It was applied, or kept until its bracket ends.
    Applied,
    /// It refers to something that is not there, or is of another epoch. A controller never writes
    /// such a record, so it is worth a warning.
    Ignored,
}

impl Effect {
    fn of(done: Option<()>) -> Self {
        if done.is_some() {
            Self::Applied
        } else {
            Self::Ignored
        }
    }
}

impl MetadataImage {
    /// Applies one record. Between a begin and its end, records are only collected.
    pub fn apply(&mut self, record: &MetadataRecord) -> Effect {
        match record {
            MetadataRecord::BeginTransaction(_) => {
                let was_open = self.open_transaction.replace(Arc::default()).is_some();
                Effect::of((!was_open).then_some(()))
            }
            MetadataRecord::EndTransaction(_) => {
                let Some(records) = self.open_transaction.take() else {
                    return Effect::Ignored;
                };
                let ignored = records
                    .iter()
                    .filter(|r| self.change(r) == Effect::Ignored)
                    .count();
                Effect::of((ignored == 0).then_some(()))
            }
            MetadataRecord::AbortTransaction(_) => {
                Effect::of(self.open_transaction.take().map(drop))
            }
            record => match &mut self.open_transaction {
                Some(records) => {
                    Arc::make_mut(records).push(record.clone());
                    Effect::Applied
                }
                None => self.change(record),
            },
        }
    }

    /// Applies all records of an entry and takes its position. Returns how many were ignored.
    pub fn apply_entry(&mut self, records: &[MetadataRecord], position: super::Position) -> usize {
        self.position = position;
        records
            .iter()
            .filter(|record| self.apply(record) == Effect::Ignored)
            .count()
    }

    fn change(&mut self, record: &MetadataRecord) -> Effect {
        use MetadataRecord as R;
        Effect::of(match record {
            R::Topic(record) => self.create_topic(record),
            R::RemoveTopic(record) => self.topics.remove(&record.topic_id).map(|topic| {
                self.topic_ids.remove(&topic.name);
                self.configs
                    .remove(&ConfigResource::topic(Arc::clone(&topic.name)));
            }),
            R::Partition(record) => self.create_partition(record),
            R::PartitionChange(record) => self.change_partition(record),
            R::ClearElr(record) => self.clear_elr(record),
            R::Config(record) => self.set_config(record),
            R::RegisterBroker(record) => {
                self.brokers
                    .insert(record.broker_id, Arc::new(BrokerImage::from_record(record)));
                Some(())
            }
            R::UnregisterBroker(record) => self.unregister_broker(record),
            R::FenceBroker(record) => self.change_broker(record.id, record.epoch, |broker| {
                broker.fenced = true;
            }),
            R::UnfenceBroker(record) => self.change_broker(record.id, record.epoch, |broker| {
                broker.fenced = false;
            }),
            R::BrokerRegistrationChange(record) => self.change_registration(record),
            R::RegisterController(record) => {
                let controller = Arc::new(ControllerImage::from_record(record));
                self.controllers.insert(record.controller_id, controller);
                Some(())
            }
            R::UnregisterController(record) => {
                self.controllers.remove(&record.controller_id).map(drop)
            }
            R::FeatureLevel(record) => self.set_feature(record),
            R::ProducerIds(record) => self.set_next_producer_id(record),
            R::ClientQuota(record) => self.set_quota(record),
            R::AccessControlEntry(record) => {
                self.acls.insert(record.id, Arc::new(record.clone()));
                Some(())
            }
            R::RemoveAccessControlEntry(record) => self.acls.remove(&record.id).map(drop),
            R::UserScramCredential(record) => {
                let key = (record.mechanism, record.name.clone());
                self.scram.insert(key, Arc::new(record.clone()));
                Some(())
            }
            R::RemoveUserScramCredential(record) => self
                .scram
                .remove(&(record.mechanism, record.name.clone()))
                .map(drop),
            R::DelegationToken(record) => {
                self.tokens
                    .insert(record.token_id.clone(), Arc::new(record.clone()));
                Some(())
            }
            R::RemoveDelegationToken(record) => self.tokens.remove(&record.token_id).map(drop),
            R::NoOp(_) | R::ZkMigrationState(_) => Some(()),
            R::BeginTransaction(_) | R::EndTransaction(_) | R::AbortTransaction(_) => None,
        })
    }

    fn create_topic(&mut self, record: &TopicRecord) -> Option<()> {
        if self.topics.contains_key(&record.topic_id)
            || self.topic_ids.contains_key(record.name.as_str())
        {
            return None;
        }
        let name: Arc<str> = record.name.as_str().into();
        self.topic_ids.insert(Arc::clone(&name), record.topic_id);
        let topic = TopicImage {
            name,
            id: record.topic_id,
            partitions: Default::default(),
        };
        self.topics.insert(record.topic_id, Arc::new(topic));
        Some(())
    }

    fn create_partition(&mut self, record: &PartitionRecord) -> Option<()> {
        let topic = Arc::make_mut(self.topics.get_mut(&record.topic_id)?);
        let partition = Arc::new(PartitionImage::from_record(record));
        topic.partitions.insert(record.partition_id, partition);
        Some(())
    }

    fn change_partition(&mut self, record: &PartitionChangeRecord) -> Option<()> {
        let topic = self.topics.get_mut(&record.topic_id)?;
        let changed = topic.partitions.get(&record.partition_id)?.merge(record);
        Arc::make_mut(topic)
            .partitions
            .insert(record.partition_id, Arc::new(changed));
        Some(())
    }

    fn clear_elr(&mut self, record: &ClearElrRecord) -> Option<()> {
        let ids: Vec<_> = if record.topic_name.is_empty() {
            self.topics.keys().copied().collect()
        } else {
            vec![*self.topic_ids.get(record.topic_name.as_str())?]
        };
        for id in ids {
            let topic = self.topics.get_mut(&id)?;
            let eligible =
                |p: &Arc<PartitionImage>| !p.elr.is_empty() || !p.last_known_elr.is_empty();
            if !topic.partitions.values().any(eligible) {
                continue;
            }
            let partitions = topic.partitions.iter().map(|(index, partition)| {
                let mut cleared = Arc::clone(partition);
                if eligible(partition) {
                    let cleared = Arc::make_mut(&mut cleared);
                    cleared.elr.clear();
                    cleared.last_known_elr.clear();
                }
                (*index, cleared)
            });
            let partitions = partitions.collect();
            Arc::make_mut(topic).partitions = partitions;
        }
        Some(())
    }

    fn set_config(&mut self, record: &ConfigRecord) -> Option<()> {
        let kind = ConfigResourceType::from_code(record.resource_type)?;
        let resource = ConfigResource::new(kind, record.resource_name.as_str());
        let mut configs = self.configs.get(&resource).cloned().unwrap_or_default();
        match &record.value {
            Some(value) => {
                configs.insert(record.name.as_str().into(), value.as_str().into());
            }
            None => {
                configs.remove(record.name.as_str());
            }
        }
        if configs.is_empty() {
            self.configs.remove(&resource);
        } else {
            self.configs.insert(resource, configs);
        }
        Some(())
    }

    fn unregister_broker(&mut self, record: &UnregisterBrokerRecord) -> Option<()> {
        self.brokers
            .get(&record.broker_id)
            .filter(|b| b.epoch == record.broker_epoch)?;
        self.brokers.remove(&record.broker_id).map(drop)
    }

    fn change_broker(
        &mut self,
        id: NodeId,
        epoch: i64,
        change: impl FnOnce(&mut BrokerImage),
    ) -> Option<()> {
        let broker = self.brokers.get_mut(&id)?;
        if broker.epoch != epoch {
            return None;
        }
        change(Arc::make_mut(broker));
        Some(())
    }

    fn change_registration(&mut self, record: &BrokerRegistrationChangeRecord) -> Option<()> {
        self.change_broker(record.broker_id, record.broker_epoch, |broker| {
            match record.fenced {
                1 => broker.fenced = true,
                -1 => broker.fenced = false,
                _ => {}
            }
            if record.in_controlled_shutdown == 1 {
                broker.in_controlled_shutdown = true;
            }
            if !record.log_dirs.is_empty() {
                broker.log_dirs.clone_from(&record.log_dirs);
            }
            if record.cordoned_log_dirs.is_some() {
                broker
                    .cordoned_log_dirs
                    .clone_from(&record.cordoned_log_dirs);
            }
        })
    }

    fn set_feature(&mut self, record: &FeatureLevelRecord) -> Option<()> {
        if record.feature_level == 0 {
            self.features.remove(record.name.as_str());
        } else {
            self.features
                .insert(record.name.as_str().into(), record.feature_level);
        }
        Some(())
    }

    fn set_next_producer_id(&mut self, record: &ProducerIdsRecord) -> Option<()> {
        // Ids are never given twice: the mark never falls.
        if record.next_producer_id < self.next_producer_id {
            return None;
        }
        self.next_producer_id = record.next_producer_id;
        Some(())
    }

    fn set_quota(&mut self, record: &ClientQuotaRecord) -> Option<()> {
        let mut entity: Vec<_> = record
            .entity
            .iter()
            .map(|part| (part.entity_type.clone(), part.entity_name.clone()))
            .collect();
        entity.sort();
        let mut values = self.quotas.get(&entity).cloned().unwrap_or_default();
        if record.remove {
            values.remove(&record.key);
        } else {
            values.insert(record.key.clone(), record.value);
        }
        if values.is_empty() {
            self.quotas.remove(&entity);
        } else {
            self.quotas.insert(entity, values);
        }
        Some(())
    }
}
