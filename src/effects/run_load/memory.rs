//! The memory of a release while it is under load. A load knows an address only; this knows the process behind it.

use std::time::Duration;

use checks::MemoryUse;
use phases::release::ReleaseId;
use tokio::time::sleep;

use crate::platform::Resident;
use crate::site::Site;

/// How often it is looked at.
const PERIOD: Duration = Duration::from_millis(250);
/// Bytes of a megabyte.
const MEGABYTE: u64 = 1_000_000;

/// What was seen so far. A process that is started again begins anew, so the growth of each counts for itself.
#[derive(Debug, Default)]
struct Watched {
    process: String,
    before: u64,
    most: u64,
    /// The largest growth of an earlier process, with what it began and ended at.
    earlier: Option<(u64, u64)>,
    samples: u64,
}

impl Watched {
    fn see(&mut self, resident: Resident) {
        if self.process != resident.process {
            self.earlier = self.largest();
            (self.process, self.before, self.most) = (resident.process, resident.bytes, resident.bytes);
        }
        self.most = self.most.max(resident.bytes);
        self.samples += 1;
    }

    fn largest(&self) -> Option<(u64, u64)> {
        let current = (self.samples > 0).then_some((self.before, self.most));
        self.earlier.into_iter().chain(current).max_by_key(|(before, most)| most - before)
    }

    fn result(&self) -> Option<MemoryUse> {
        let (before, most) = self.largest()?;
        let samples = self.samples;
        Some(MemoryUse { before_mb: before / MEGABYTE, most_mb: most.div_ceil(MEGABYTE), samples })
    }
}

/// Does `work` and watches the memory of `release` from before it to after it; none when nobody could tell.
pub(super) async fn during<T>(
    site: &Site,
    release: Option<&ReleaseId>,
    work: impl Future<Output = T>,
) -> (T, Option<MemoryUse>) {
    let Some(release) = release else { return (work.await, None) };
    let mut watched = Watched::default();
    if let Some(resident) = site.platform.resident(release).await {
        watched.see(resident);
    }
    let mut work = std::pin::pin!(work);
    let done = loop {
        tokio::select! {
            done = work.as_mut() => break done,
            () = sleep(PERIOD) => {
                if let Some(resident) = site.platform.resident(release).await {
                    watched.see(resident);
                }
            }
        }
    };
    if let Some(resident) = site.platform.resident(release).await {
        watched.see(resident);
    }
    (done, watched.result())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_counted_from_the_first_look_at_each_process() {
        let mut watched = Watched::default();
        assert_eq!(watched.result(), None);
        let mut see = |number: u32, megabytes: u64| {
            watched.see(Resident { process: number.to_string(), bytes: megabytes * MEGABYTE });
            watched.result().unwrap()
        };
        see(1, 40);
        see(1, 300);
        let shrunk = see(1, 60);
        assert_eq!(shrunk, MemoryUse { before_mb: 40, most_mb: 300, samples: 3 });
        let restarted = see(2, 50);
        assert_eq!((restarted.before_mb, restarted.most_mb), (40, 300), "the first one is not forgotten");
        let worse = see(2, 400);
        assert_eq!((worse.before_mb, worse.most_mb), (50, 400));
    }
}
