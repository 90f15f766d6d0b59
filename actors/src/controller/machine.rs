//! The committed side: the quorum's state machine, which publishes the image to the node.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use odeon_kernel::{View, Watch};
use odeon_metadata::{MetadataImage, Position, entry, snapshot};
use odeon_quorum::{SnapshotJob, StateMachine};

/// Applies committed entries to the image and shows the result to the whole node.
///
/// It panics on an entry or a snapshot that it cannot read, which stops the replica and with it
/// the node: nobody can go on with metadata that it does not understand.
pub struct ImageStateMachine {
    image: MetadataImage,
    view: View<MetadataImage>,
}

impl ImageStateMachine {
    /// A machine before its first entry, and the view of what it will apply.
    pub fn new(cluster_id: Arc<str>) -> (Self, Watch<MetadataImage>) {
        let image = MetadataImage::new(cluster_id);
        let view = View::new(image.clone());
        let watch = view.watch();
        (Self { image, view }, watch)
    }
}

impl StateMachine for ImageStateMachine {
    fn apply(&mut self, index: u64, term: u64, entry: &[u8]) {
        let records = match entry::decode(Bytes::copy_from_slice(entry)) {
            Ok(records) => records,
            Err(error) => panic!("entry {index}: {error}"),
        };
        let ignored = self.image.apply_entry(&records, Position { index, term });
        if ignored > 0 {
            tracing::warn!(
                index,
                ignored,
                "metadata records refer to nothing and were ignored"
            );
        }
        self.view.publish(self.image.clone());
    }

    fn snapshot(&self) -> Bytes {
        encode(&self.image)
    }

    fn snapshot_job(&self) -> SnapshotJob {
        let image = self.image.clone();
        Box::new(move || encode(&image))
    }

    fn restore(&mut self, index: u64, term: u64, bytes: &[u8]) {
        match snapshot::decode(Bytes::copy_from_slice(bytes)) {
            Ok(image) => self.image = image,
            Err(error) => panic!("the snapshot at {index}: {error}"),
        }
        self.image.set_position(Position { index, term });
        self.view.publish(self.image.clone());
    }
}

fn encode(image: &MetadataImage) -> Bytes {
    snapshot::encode(image).expect("what was read from an entry can be written again")
}

impl fmt::Debug for ImageStateMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageStateMachine")
            .field("position", &self.image.position())
            .finish_non_exhaustive()
    }
}
