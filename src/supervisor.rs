//! The supervisor.
pub(crate) mod lock;
pub(crate) mod logs;
pub(crate) mod process;
pub(crate) mod spawn;
pub struct PortHolder;
impl std::fmt::Display for PortHolder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("x")
    }
}
pub fn port_holder(_: std::net::SocketAddr) -> Option<PortHolder> {
    None
}
