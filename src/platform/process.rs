//! The process platform.
pub mod postgres;
use phases::engine::effects::*;
use phases::engine::platform::*;
use phases::release::ReleaseId;
pub struct ProcessPlatform;
pub struct O;
impl ProcessPlatform {
    pub fn new(_: crate::state_directory::StateDirectory, _: O) -> Self {
        Self
    }
    pub fn listening_port(_: &crate::state_directory::StateDirectory) -> Option<u16> {
        None
    }
    pub fn private_socket(&self, _: &ReleaseId) -> Option<std::path::PathBuf> {
        None
    }
    pub fn last_log_lines(&self, _: &ReleaseId, _: usize) -> Vec<String> {
        vec![]
    }
    pub fn log_file(&self) -> std::path::PathBuf {
        "".into()
    }
    pub async fn listens_on(&self, _: std::net::SocketAddr) -> bool {
        false
    }
    pub async fn down(&self, _: u64) -> Result<(), std::io::Error> {
        Ok(())
    }
}
#[async_trait::async_trait]
impl Platform for ProcessPlatform {
    async fn state(&self) -> Result<PlatformState, PlatformUnreadable> {
        panic!()
    }
    async fn start(&self, _: &ReleaseId, _: &EffectContext<'_>) -> EffectOutcome {
        panic!()
    }
    async fn await_ready(&self, _: &ReleaseId, _: &EffectContext<'_>) -> EffectOutcome {
        panic!()
    }
    async fn shift(&self, _: &ReleaseId, _: &EffectContext<'_>) -> EffectOutcome {
        panic!()
    }
    async fn restore(&self, _: Option<&ReleaseId>, _: &ReleaseId, _: &EffectContext<'_>) -> EffectOutcome {
        panic!()
    }
    async fn stop(&self, _: &ReleaseId, _: &EffectContext<'_>) -> EffectOutcome {
        panic!()
    }
    async fn retire(&self, _: &[ReleaseId], _: &EffectContext<'_>) -> EffectOutcome {
        panic!()
    }
}
