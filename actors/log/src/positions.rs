//! Remembers where a few offsets lie, so that a consumer that reads on, or reads what was just
//! written, needs no index.

use std::sync::Mutex;

use odeon_model::Offset;

use crate::files::lock;

const PLACES: usize = 16;

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    offset: Offset,
    base_offset: Offset,
    position: u64,
}

#[derive(Debug, Default)]
struct State {
    generation: u64,
    places: [Place; PLACES],
    filled: usize,
    next: usize,
}

/// A ring of known places; positions of batches' beginnings.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    state: Mutex<State>,
}

impl Positions {
    /// The segment and position of the batch that begins at `offset`.
    pub(crate) fn get(&self, offset: Offset) -> Option<(Offset, u64)> {
        let state = lock(&self.state);
        let known = state.places.iter().take(state.filled);
        known
            .filter(|place| place.offset == offset)
            .map(|p| (p.base_offset, p.position))
            .next()
    }

    /// Remembers a place seen in `generation`; ignored if the log was truncated since.
    pub(crate) fn put(&self, generation: u64, offset: Offset, base_offset: Offset, position: u64) {
        let mut state = lock(&self.state);
        if state.generation != generation {
            return;
        }
        let filled = state.filled;
        if state
            .places
            .iter()
            .take(filled)
            .any(|place| place.offset == offset)
        {
            return;
        }
        let next = state.next;
        if let Some(place) = state.places.get_mut(next) {
            *place = Place {
                offset,
                base_offset,
                position,
            };
        }
        state.next = (next + 1) % PLACES;
        state.filled = (filled + 1).min(PLACES);
    }

    /// Forgets everything: the log has been truncated.
    pub(crate) fn clear(&self, generation: u64) {
        *lock(&self.state) = State {
            generation,
            ..State::default()
        };
    }
}
