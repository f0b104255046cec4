//! What the writer knows of a disk that is full.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{StoreError, queue::Queue, reserve::Reserve};

/// How often the writer looks whether there is room again.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The room that is kept for open calls, and whether new ones are refused for the want of it.
pub(crate) struct Room {
    reserve: Reserve,
    queue: Arc<Queue>,
    is_short: bool,
    looked: Instant,
}

impl Room {
    pub(crate) fn new(reserve: Reserve, queue: &Arc<Queue>) -> Self {
        let mut room = Self { reserve, queue: Arc::clone(queue), is_short: false, looked: Instant::now() };
        if !room.reserve.take() {
            room.set_short(true);
        }
        room
    }

    /// A write found no room: no call begins from here on. Whether what was kept makes room for those that are open.
    pub(crate) fn make(&mut self) -> bool {
        self.set_short(true);
        self.looked = Instant::now();
        self.reserve.release()
    }

    /// Whether it is time to look for room.
    pub(crate) fn is_to_look(&self) -> bool {
        self.is_short && self.looked.elapsed() >= LOOK_EVERY
    }

    /// Takes the room for open calls again, if it is there.
    pub(crate) fn take(&mut self) -> bool {
        self.looked = Instant::now();
        self.reserve.take()
    }

    /// Room is kept, and a write went through: calls begin again.
    pub(crate) fn is_back(&mut self) {
        self.set_short(false);
    }

    fn set_short(&mut self, short: bool) {
        if self.is_short == short {
            return;
        }
        self.is_short = short;
        self.queue.set_full(short);
        match short {
            true => tracing::error!("{}; no call begins until then", StoreError::DiskFull),
            false => tracing::info!("there is room again for the state directory; calls are taken"),
        }
    }
}
