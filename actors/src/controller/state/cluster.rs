//! Producer ids, features, and the first boot.

use odeon_metadata::{
    ConfigResource, LATEST_METADATA_VERSION, METADATA_VERSION_FEATURE, MetadataImage,
};
use odeon_model::{BrokerEpoch, ErrorCode, NodeId};
use odeon_schema::metadata::{
    AbortTransactionRecord, ConfigRecord, FeatureLevelRecord, NoOpRecord, ProducerIdsRecord,
};

use super::{Decisions, Draft};
use crate::controller::message::{
    FeatureUpdate, FeatureUpdateResult, ProducerIdBlock, Refusal, UpdateType,
};

/// How many producer ids a broker gets at a time.
pub const PRODUCER_ID_BLOCK: i32 = 1_000;

impl Decisions {
    /// Gives a broker a block of producer ids that nobody else ever gets.
    pub(in crate::controller) fn allocate_producer_ids(
        &self,
        draft: &mut Draft,
        broker_id: NodeId,
        broker_epoch: BrokerEpoch,
    ) -> Result<ProducerIdBlock, Refusal> {
        self.check_broker_epoch(&draft.image, broker_id, broker_epoch)?;
        let first = draft.image.next_producer_id();
        let Some(next_producer_id) = first.checked_add(i64::from(PRODUCER_ID_BLOCK)) else {
            let message = "All producer ids have been given away";
            return Err(Refusal::new(ErrorCode::UnknownServerError, message));
        };
        draft.push(ProducerIdsRecord {
            broker_id,
            broker_epoch,
            next_producer_id,
            ..Default::default()
        });
        Ok(ProducerIdBlock {
            first,
            len: PRODUCER_ID_BLOCK,
        })
    }

    /// UpdateFeatures. All or nothing: if one is refused, none is applied.
    pub(in crate::controller) fn update_features(
        &self,
        draft: &mut Draft,
        updates: &[FeatureUpdate],
        validate_only: bool,
    ) -> Vec<FeatureUpdateResult> {
        let mut next = Draft::new(&draft.image);
        let results: Vec<FeatureUpdateResult> = updates
            .iter()
            .map(|update| {
                let outcome = self.update_feature(&mut next, update);
                let (error, message) = match outcome {
                    Ok(()) => (ErrorCode::None, None),
                    Err(refusal) => (refusal.code, refusal.message),
                };
                FeatureUpdateResult {
                    name: update.name.clone(),
                    error,
                    message,
                }
            })
            .collect();
        if !validate_only && results.iter().all(|result| result.error.is_none()) {
            draft.adopt(next);
        }
        results
    }

    fn update_feature(&self, draft: &mut Draft, update: &FeatureUpdate) -> Result<(), Refusal> {
        let FeatureUpdate { name, level, .. } = update;
        let refuse = |reason: String| {
            let message = format!("Feature {name} cannot have level {level}. {reason}");
            Err(Refusal::new(ErrorCode::InvalidUpdateVersion, message))
        };
        let current = draft.image.feature(name);
        let (min, max) = self.settings.supported(name);
        if max == 0 {
            return refuse("The controller does not know it.".to_owned());
        }
        if *level < 0 {
            return refuse("A feature's level is not negative.".to_owned());
        }
        let switches_off = *level == 0 && name != METADATA_VERSION_FEATURE;
        if !switches_off && !(min..=max).contains(level) {
            return refuse(format!("The controller supports {min} to {max}."));
        }
        for broker in draft.image.brokers() {
            let range = broker.features.iter().find(|feature| feature.name == *name);
            let (min, max) = range.map_or((0, 0), |range| (range.min, range.max));
            if !switches_off && !(min..=max).contains(level) {
                return refuse(format!("Broker {} supports {min} to {max}.", broker.id));
            }
        }
        match update.update {
            UpdateType::Upgrade if *level < current => {
                return refuse("To lower it, ask for a downgrade.".to_owned());
            }
            UpdateType::SafeDowngrade | UpdateType::UnsafeDowngrade if *level > current => {
                return refuse("That is not a downgrade.".to_owned());
            }
            _ => {}
        }
        if *level != current {
            draft.push(feature_level(name, *level));
        }
        Ok(())
    }

    /// What a controller writes first: an entry of its own term, before which it answers nothing.
    /// It ends a bracket that its predecessor left open, and gives a new cluster its features.
    pub(in crate::controller) fn activate(
        settings: &super::ControllerSettings,
        image: &MetadataImage,
    ) -> Vec<odeon_metadata::MetadataRecord> {
        let mut records = vec![NoOpRecord::default().into()];
        if image.has_open_transaction() {
            let reason = Some("the controller that began it was replaced".to_owned());
            records = vec![
                AbortTransactionRecord {
                    reason,
                    ..Default::default()
                }
                .into(),
            ];
        }
        if image.metadata_version() == 0 {
            let version = feature_level(METADATA_VERSION_FEATURE, LATEST_METADATA_VERSION);
            records.push(version.into());
            let others = settings.bootstrap_features.iter();
            records.extend(others.map(|(name, level)| feature_level(name, *level).into()));
            records.extend(min_insync(settings).map(Into::into));
        }
        records
    }
}

/// The configured `min.insync.replicas`, for the whole cluster: which replicas are eligible to lead
/// follows from it, so leaders and controllers have to agree.
fn min_insync(settings: &super::ControllerSettings) -> Option<ConfigRecord> {
    let name = "min.insync.replicas";
    let value = settings.properties.get(name)?;
    let of = ConfigResource::default_broker();
    Some(ConfigRecord {
        resource_type: of.kind as i8,
        resource_name: of.name.to_string(),
        name: name.to_owned(),
        value: Some(value.clone()),
        ..Default::default()
    })
}

fn feature_level(name: &str, level: i16) -> FeatureLevelRecord {
    FeatureLevelRecord {
        name: name.to_owned(),
        feature_level: level,
        ..Default::default()
    }
}
