//! Sending the request and reading the whole answer; an answer that never comes is told apart by whose
//! fault it is.

use std::io::ErrorKind;
use std::time::Instant;

use super::{Filled, Http};
use crate::assertion::{Answer, Body};
use crate::client::with_causes;
use crate::kind::{Attempt, Mismatch};
use crate::scene::Scene;

/// The largest body that is read, in bytes.
const LARGEST_BODY: usize = 8 << 20;

/// Asks and reads the answer to its last byte.
///
/// # Errors
/// `Failed` when the subject did not answer, `Errored` when it was never asked.
pub(super) async fn ask(check: &Http, filled: Filled, scene: &Scene<'_>) -> Result<Answer, Attempt> {
    let url = scene.subject.address(&filled.path).map_err(|error| {
        Attempt::Errored(format!(
            "`{}` and `{}` make no address: {error}",
            scene.subject.base_url, filled.path
        ))
    })?;
    let client = scene.client().map_err(Attempt::Errored)?;
    let mut request =
        client.request(check.method.clone(), url).headers(filled.headers).timeout(check.timeout);
    if let Some(body) = filled.body {
        request = request.body(body);
    }
    let start = Instant::now();
    let mut response = request.send().await.map_err(|error| unanswered(check, error))?;
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unanswered(check, error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LARGEST_BODY {
            return Err(failed("a body of at most 8 MiB", "a larger one".to_owned()));
        }
    }
    let duration = start.elapsed();
    let status = response.status().as_u16();
    Ok(Answer { status, headers: std::mem::take(response.headers_mut()), body: Body::new(&bytes), duration })
}

/// Whose fault it is that no answer came: the subject's (refused, reset, too slow, a bad certificate),
/// or of the machine that asks (no name service, no permission, no file descriptors).
fn unanswered(check: &Http, error: reqwest::Error) -> Attempt {
    let error = error.without_url();
    let sentence = with_causes(&error);
    if is_ours(&error) || error.is_builder() {
        return Attempt::Errored(format!("the request could not be made: {sentence}"));
    }
    let actual = match io_kind(&error) {
        _ if error.is_timeout() && error.is_connect() => "no connection in time".to_owned(),
        _ if error.is_timeout() => format!("no answer within {} ms", check.timeout.as_millis()),
        Some(ErrorKind::ConnectionRefused) => "connection refused".to_owned(),
        Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => "connection reset".to_owned(),
        Some(ErrorKind::NotFound) => "no such socket".to_owned(),
        _ => sentence,
    };
    failed("an answer", actual)
}

fn failed(expected: &str, actual: String) -> Attempt {
    Attempt::Failed(vec![Mismatch { expected: expected.to_owned(), actual, note: None }])
}

fn causes<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

fn io_kind(error: &reqwest::Error) -> Option<ErrorKind> {
    causes(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind).last()
}

fn is_ours(error: &reqwest::Error) -> bool {
    /// Too many open files: of the process, of the system.
    const FILES: [i32; 2] = [24, 23];
    let io = causes(error).filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    let mut io = io.map(|error| (error.kind(), error.raw_os_error()));
    // The resolver's errors carry no type that reqwest hands on.
    let unresolved = causes(error).any(|cause| cause.to_string().contains("dns error"));
    unresolved
        || io.any(|(kind, code)| {
            kind == ErrorKind::PermissionDenied || code.is_some_and(|code| FILES.contains(&code))
        })
}
