//! Releases that run and are not in the notes, or under another process: their supervisor was killed between
//! starting them and writing it down. They are found by the control socket they hold.

use std::collections::BTreeMap;

use crate::state_directory::SocketDirectory;
use crate::supervisor::process::ProcessIdentity;

/// `__SO_ACCEPTCON` in `/proc/net/unix`: the socket listens. Source: include/linux/net.h.
const LISTENING: &str = "00010000";
/// What every release finds in its environment. Nothing without it is ever taken for one.
const MARK: &[u8] = b"LISTEN_FDNAMES=public:private:control";

/// A release by the number of its instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stranger {
    pub(crate) number: u64,
    pub(crate) process: ProcessIdentity,
}

/// Every process that holds the control socket of an instance in `sockets`.
pub(crate) fn holders(sockets: &SocketDirectory) -> Vec<Stranger> {
    let listening = control_sockets(sockets);
    if listening.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Some(process) = ProcessIdentity::of(pid).filter(|_| is_release(pid)) else { continue };
        let numbers = descriptors(pid).filter_map(|link| listening.get(&link).copied());
        found.extend(numbers.map(|number| Stranger { number, process: process.clone() }));
    }
    found.sort_by_key(|stranger| (stranger.number, stranger.process.started));
    found.dedup();
    found
}

/// `socket:[inode]` to number, of every control socket that somebody listens on. Source: proc(5).
fn control_sockets(sockets: &SocketDirectory) -> BTreeMap<String, u64> {
    let place = sockets.supervisor();
    let place = format!("{}/", place.parent().expect("a socket in a directory").display());
    let number = |path: &str| path.strip_prefix(&place)?.strip_suffix(".control")?.parse::<u64>().ok();
    let table = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let read = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, flags, _, _, inode, path] = fields.as_slice() else { return None };
        (*flags == LISTENING).then_some((format!("socket:[{inode}]"), number(path)?))
    };
    table.lines().filter_map(read).collect()
}

fn descriptors(pid: i32) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| std::fs::read_link(entry.path()).ok()?.to_str().map(str::to_owned))
}

fn is_release(pid: i32) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|&byte| byte == 0).any(|entry| entry == MARK)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;
    use crate::state_directory::StateDirectory;
    use crate::supervisor::spawn::spawn_detached;

    #[test]
    fn only_a_release_that_holds_a_control_socket_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateDirectory::new(directory.path().join("state"), "local").unwrap();
        state.ensure().unwrap();
        let sockets = state.sockets().unwrap();
        sockets.ensure().unwrap();
        assert!(holders(&sockets).is_empty());
        let control = UnixListener::bind(sockets.instance_socket(7, "control")).unwrap();
        let _private = UnixListener::bind(sockets.instance_socket(7, "private")).unwrap();
        let start = |names: &str| {
            let mut command = Command::new("sleep");
            command.arg("60").env("LISTEN_FDNAMES", names);
            spawn_detached(&mut command, &[control.as_fd()]).unwrap()
        };
        let (mut release, mut other) = (start("public:private:control"), start("something"));
        // This very process holds the socket as well, and is no release.
        assert_eq!(holders(&sockets), [Stranger { number: 7, process: release.identity.clone() }]);
        for spawned in [&mut release, &mut other] {
            spawned.child.kill().unwrap();
            spawned.child.wait().unwrap();
        }
        std::fs::remove_dir_all(sockets.path()).unwrap();
    }
}
