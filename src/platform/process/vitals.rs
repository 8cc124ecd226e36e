//! How the process of a release is: the memory it holds, and whether it died. Looks only.

use chrono::{DateTime, Utc};
use phases::engine::platform::{PlatformUnreadable, Role};
use phases::release::ReleaseId;

use super::{ProcessPlatform, unreadable};
use crate::platform::{Death, Resident};

/// Kilobytes of `/proc` are of 1024 bytes.
const KILOBYTE: u64 = 1024;

impl ProcessPlatform {
    /// The memory of what runs `release`; none while it does not run, or while nobody can tell.
    pub async fn resident(&self, release: &ReleaseId) -> Option<Resident> {
        let state = self.supervised().read().await.ok()?;
        let pid = state.usable(release)?.process.pid;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Some(Resident { process: pid.to_string(), bytes: resident_bytes(&status)? })
    }

    /// The last time that `release` died by itself since then, be it that it was started again.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn death_of(
        &self,
        release: &ReleaseId,
        since: DateTime<Utc>,
    ) -> Result<Option<Death>, PlatformUnreadable> {
        let state = self.supervised().read().await.map_err(unreadable)?;
        let recent = |at: &str| DateTime::parse_from_rfc3339(at).is_ok_and(|at| at >= since);
        let exit = state.exits.iter().find(|exit| exit.release == *release && recent(&exit.at));
        if let Some(exit) = exit {
            let what = format!("it {} at {}", exit.exit, exit.at);
            return Ok(Some(Death { what, last_words: exit.lines.clone() }));
        }
        let mut instances = state.instances.iter();
        let serving = instances.find(|found| found.release == *release && found.role == Role::Serving);
        // Its supervisor has not noticed yet, or is gone too.
        let is_dead = serving.is_some_and(|found| !found.process.is_alive());
        let what = "it is meant to serve and is not alive".to_owned();
        Ok(is_dead.then(|| Death { what, last_words: Vec::new() }))
    }
}

/// `VmRSS` of a `/proc/<pid>/status`.
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(KILOBYTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_memory_is_read_as_the_kernel_writes_it() {
        let status = "Name:\tcrm-server\nVmHWM:\t   50000 kB\nVmRSS:\t   36864 kB\nThreads:\t4\n";
        assert_eq!(resident_bytes(status), Some(36_864 * 1024));
        assert_eq!(resident_bytes("Name:\tkthreadd\n"), None);
        let own = std::fs::read_to_string("/proc/self/status").unwrap();
        assert!(resident_bytes(&own).unwrap() > 1_000_000);
    }
}
