//! The image as records: the shortest list that rebuilds it.

use odeon_schema::metadata::client_quota_record::EntityData;
use odeon_schema::metadata::register_broker_record::{BrokerEndpoint, BrokerFeature};
use odeon_schema::metadata::register_controller_record::{ControllerEndpoint, ControllerFeature};
use odeon_schema::metadata::{
    BeginTransactionRecord, ClientQuotaRecord, ConfigRecord, FeatureLevelRecord, ProducerIdsRecord,
    RegisterBrokerRecord, RegisterControllerRecord, TopicRecord,
};

use super::{BrokerImage, ControllerImage, Endpoint, FeatureRange, MetadataImage};
use crate::METADATA_VERSION_FEATURE;
use crate::record::MetadataRecord;

impl MetadataImage {
    /// Records that rebuild this image from an empty one of the same cluster, in a fixed order:
    /// `metadata.version` first. An open bracket stays open.
    pub fn snapshot_records(&self) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        self.feature_records(&mut records);
        records.extend(self.controllers.values().map(|c| c.to_record().into()));
        records.extend(self.brokers.values().map(|b| b.to_record().into()));
        for topic in self.topics() {
            let record = TopicRecord {
                name: topic.name.to_string(),
                topic_id: topic.id,
                ..Default::default()
            };
            records.push(record.into());
            for (index, partition) in &topic.partitions {
                records.push(partition.to_record(topic.id, *index).into());
            }
        }
        self.config_records(&mut records);
        if self.next_producer_id > 0 {
            let record = ProducerIdsRecord {
                broker_id: -1,
                next_producer_id: self.next_producer_id,
                ..Default::default()
            };
            records.push(record.into());
        }
        self.quota_records(&mut records);
        records.extend(self.scram.values().map(|r| r.as_ref().clone().into()));
        records.extend(self.tokens.values().map(|r| r.as_ref().clone().into()));
        records.extend(self.acls.values().map(|r| r.as_ref().clone().into()));
        if let Some(open) = &self.open_transaction {
            records.push(BeginTransactionRecord::default().into());
            records.extend(open.iter().cloned());
        }
        records
    }

    fn feature_records(&self, records: &mut Vec<MetadataRecord>) {
        let level = |name: &str, level: i16| {
            let name = name.to_owned();
            FeatureLevelRecord {
                name,
                feature_level: level,
                ..Default::default()
            }
            .into()
        };
        if self.metadata_version() != 0 {
            records.push(level(METADATA_VERSION_FEATURE, self.metadata_version()));
        }
        let others = self
            .features
            .iter()
            .filter(|(name, _)| &***name != METADATA_VERSION_FEATURE);
        records.extend(others.map(|(name, feature_level)| level(name, *feature_level)));
    }

    fn config_records(&self, records: &mut Vec<MetadataRecord>) {
        for (resource, configs) in &self.configs {
            records.extend(configs.iter().map(|(name, value)| {
                MetadataRecord::from(ConfigRecord {
                    resource_type: resource.kind.code(),
                    resource_name: resource.name.to_string(),
                    name: name.to_string(),
                    value: Some(value.to_string()),
                    ..Default::default()
                })
            }));
        }
    }

    fn quota_records(&self, records: &mut Vec<MetadataRecord>) {
        for (entity, values) in &self.quotas {
            let entity: Vec<_> = entity
                .iter()
                .map(|(entity_type, entity_name)| EntityData {
                    entity_type: entity_type.clone(),
                    entity_name: entity_name.clone(),
                    ..Default::default()
                })
                .collect();
            records.extend(values.iter().map(|(key, value)| {
                MetadataRecord::from(ClientQuotaRecord {
                    entity: entity.clone(),
                    key: key.clone(),
                    value: *value,
                    remove: false,
                    ..Default::default()
                })
            }));
        }
    }
}

impl BrokerImage {
    /// The broker that a record registers.
    pub fn from_record(record: &RegisterBrokerRecord) -> Self {
        Self {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: record
                .end_points
                .iter()
                .map(|e| Endpoint {
                    name: e.name.clone(),
                    host: e.host.clone(),
                    port: e.port,
                    security_protocol: e.security_protocol,
                })
                .collect(),
            features: record
                .features
                .iter()
                .map(|f| FeatureRange {
                    name: f.name.clone(),
                    min: f.min_supported_version,
                    max: f.max_supported_version,
                })
                .collect(),
            rack: record.rack.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            log_dirs: record.log_dirs.clone(),
            cordoned_log_dirs: record.cordoned_log_dirs.clone(),
        }
    }

    /// The record that registers this broker.
    pub fn to_record(&self) -> RegisterBrokerRecord {
        RegisterBrokerRecord {
            broker_id: self.id,
            incarnation_id: self.incarnation_id,
            broker_epoch: self.epoch,
            end_points: self
                .endpoints
                .iter()
                .map(|e| BrokerEndpoint {
                    name: e.name.clone(),
                    host: e.host.clone(),
                    port: e.port,
                    security_protocol: e.security_protocol,
                    ..Default::default()
                })
                .collect(),
            features: self
                .features
                .iter()
                .map(|f| BrokerFeature {
                    name: f.name.clone(),
                    min_supported_version: f.min,
                    max_supported_version: f.max,
                    ..Default::default()
                })
                .collect(),
            rack: self.rack.clone(),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: self.log_dirs.clone(),
            cordoned_log_dirs: self.cordoned_log_dirs.clone(),
            ..Default::default()
        }
    }
}

impl ControllerImage {
    /// The controller that a record registers.
    pub fn from_record(record: &RegisterControllerRecord) -> Self {
        Self {
            id: record.controller_id,
            incarnation_id: record.incarnation_id,
            zk_migration_ready: record.zk_migration_ready,
            endpoints: record
                .end_points
                .iter()
                .map(|e| Endpoint {
                    name: e.name.clone(),
                    host: e.host.clone(),
                    port: e.port,
                    security_protocol: e.security_protocol,
                })
                .collect(),
            features: record
                .features
                .iter()
                .map(|f| FeatureRange {
                    name: f.name.clone(),
                    min: f.min_supported_version,
                    max: f.max_supported_version,
                })
                .collect(),
        }
    }

    /// The record that registers this controller.
    pub fn to_record(&self) -> RegisterControllerRecord {
        RegisterControllerRecord {
            controller_id: self.id,
            incarnation_id: self.incarnation_id,
            zk_migration_ready: self.zk_migration_ready,
            end_points: self
                .endpoints
                .iter()
                .map(|e| ControllerEndpoint {
                    name: e.name.clone(),
                    host: e.host.clone(),
                    port: e.port,
                    security_protocol: e.security_protocol,
                    ..Default::default()
                })
                .collect(),
            features: self
                .features
                .iter()
                .map(|f| ControllerFeature {
                    name: f.name.clone(),
                    min_supported_version: f.min,
                    max_supported_version: f.max,
                    ..Default::default()
                })
                .collect(),
            ..Default::default()
        }
    }
}
