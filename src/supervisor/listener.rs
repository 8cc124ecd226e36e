//! The public listening socket, and who has it when it cannot be had.

use std::io::{BufRead, BufReader, Error as IoError, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};

/// Connections that may wait for a release to accept them.
const BACKLOG: i32 = 1024;
/// State of a listening socket in `/proc/net/tcp`. Source: include/net/tcp_states.h, `TCP_LISTEN`.
const LISTENING: &str = "0A";

/// A process that listens where someone else wants to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortHolder {
    /// Its number.
    pub pid: i32,
    /// Its program, as `nginx`.
    pub program: String,
}

impl std::fmt::Display for PortHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` (process {})", self.program, self.pid)
    }
}

/// Listens on `address`. Never shares the port: with two listeners, closing one resets what waits in its queue.
pub(crate) fn listen_on(address: SocketAddr) -> Result<OwnedFd, IoError> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // For connections of the past that wait out their time, not for listeners of the present.
    set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(socket)
}

/// Where a listener listens.
pub(crate) fn address_of(listener: &OwnedFd) -> Result<SocketAddr, IoError> {
    TcpListener::from(listener.try_clone()?).local_addr()
}

/// Who listens on `address`'s port, as far as this user may see; none when nobody does or it is hidden.
pub fn port_holder(address: SocketAddr) -> Option<PortHolder> {
    let sockets: Vec<u64> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| std::fs::File::open(path).ok())
        .flat_map(|file| BufReader::new(file).lines().map_while(Result::ok))
        .filter_map(|line| listening_socket(&line, address))
        .collect();
    if sockets.is_empty() {
        return None;
    }
    let targets: Vec<String> = sockets.iter().map(|inode| format!("socket:[{inode}]")).collect();
    std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .find(|&pid| holds(pid, &targets))
        .map(|pid| PortHolder { pid, program: program_of(pid) })
}

fn holds(pid: i32, targets: &[String]) -> bool {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    descriptors
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .any(|link| targets.iter().any(|target| link.as_os_str() == target.as_str()))
}

fn program_of(pid: i32) -> String {
    let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    program.trim_end().to_owned()
}

/// Inode of the socket on this line when it stands in the way of `address`. Source: proc(5), `/proc/net/tcp`.
fn listening_socket(line: &str, address: SocketAddr) -> Option<u64> {
    let mut fields = line.split_whitespace();
    let local = parse_address(fields.nth(1)?)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    let overlaps = local.ip() == address.ip() || local.ip().is_unspecified() || address.ip().is_unspecified();
    (state == LISTENING && local.port() == address.port() && overlaps).then_some(inode)
}

/// `0100007F:1F40`: words in the byte order of the machine, port in that of the network.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let words: Vec<u8> = (0..ip.len())
        .step_by(8)
        .map(|at| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok())
        .collect::<Option<Vec<u32>>>()?
        .into_iter()
        .flat_map(u32::to_ne_bytes)
        .collect();
    let ip = match words.len() {
        4 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(words).ok()?)),
        16 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?)).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// Whether an error of [`listen_on`] says that the port is taken.
pub(crate) fn is_taken(error: &IoError) -> bool {
    error.kind() == ErrorKind::AddrInUse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holder_of_a_taken_port_is_named() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        assert!(is_taken(&listen_on(address).unwrap_err()));
        let holder = port_holder(address).unwrap();
        assert_eq!(u32::try_from(holder.pid).unwrap(), std::process::id());
        assert!(!holder.program.is_empty());
        drop(held);
        assert_eq!(port_holder(address), None);
    }

    #[test]
    fn listener_on_all_addresses_stands_in_the_way_too() {
        let held = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0")).unwrap();
        let port = held.local_addr().unwrap().port();
        assert!(port_holder(SocketAddr::from(([127, 0, 0, 1], port))).is_some());
    }

    #[test]
    fn addresses_of_proc_are_read() {
        let expected: SocketAddr = "127.0.0.1:8000".parse().unwrap();
        if cfg!(target_endian = "little") {
            assert_eq!(parse_address("0100007F:1F40"), Some(expected));
            assert_eq!(parse_address("0000000000000000FFFF00000100007F:1F40"), Some(expected));
        }
        assert_eq!(parse_address("nonsense"), None);
    }
}
