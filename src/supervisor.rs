//! The supervisor of the process platform: owns the public listening socket, starts releases on it, switches
//! between them, restarts what serves. Lives beside crmctl, not under it; decides nothing about deployments.
//!
//! Invariant: no release dies because its supervisor does. Whoever comes next reads `state.json`, finds the
//! living releases and gets the public socket back from one of them.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

mod adopt;
pub(crate) mod client;
mod control;
mod core;
mod error;
pub(crate) mod http;
mod instance;
pub(crate) mod kept_environment;
pub mod listener;
pub(crate) mod lock;
pub(crate) mod logs;
mod options;
pub(crate) mod process;
pub(crate) mod protocol;
pub(crate) mod retire;
mod revive;
mod server;
pub(crate) mod spawn;
pub(crate) mod state;
mod stop;
pub(crate) mod strangers;
mod switch;

pub(crate) use error::Failure;
pub use error::SupervisorError;
pub use options::SuperviseOptions;
pub use state::StateFileError;

/// Runs the supervisor of one environment until it is told to shut down, is terminated, or has nothing left
/// to run. Terminated (SIGTERM, SIGINT) it leaves every release alive. Its process is to end with it: the lock
/// on the state is held until then.
///
/// # Errors
/// When another supervisor runs, the port is taken or the state cannot be used. The error is also left in
/// `supervisor/failure.json` for whoever started it.
pub async fn supervise(options: SuperviseOptions) -> Result<(), SupervisorError> {
    let state = options.state()?;
    state.ensure()?;
    let result = run(options).await;
    if let Err(error) = &result {
        Failure::of(error).leave(&state);
    }
    result
}

async fn run(options: SuperviseOptions) -> Result<(), SupervisorError> {
    let state = options.state()?;
    let sockets = state.sockets()?;
    sockets.ensure()?;
    let lock = state::lock(&state).await.map_err(SupervisorError::from_lock)?;
    // Freed by the end of the process, never before: tasks that watch an instance write the state until then,
    // and whoever gets the lock next writes the same file.
    std::mem::forget(lock);
    let supervisor = adopt::take_over(options, state, sockets).await?;
    let server = server::bind(&supervisor)?;
    tokio::spawn(logs::collect::run(Arc::downgrade(&supervisor)));
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // A closing terminal concerns nobody here.
    let _hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        () = server::run(&supervisor, server) => {}
        _ = terminate.recv() => tracing::info!("terminated; releases live on"),
        _ = interrupt.recv() => tracing::info!("interrupted; releases live on"),
    }
    server::unbind(&supervisor);
    supervisor.collect_logs();
    Ok(())
}
