//! One HTTP/1 connection: opened when first needed, kept alive, opened anew when the subject closed it.

use std::io;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::http::HeaderValue;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;

use super::failure::Cause;
use super::server_timing::Spent;
use super::target::{Address, Place, Route};
use crate::variables::RELEASE;

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A connection, or the place for one.
pub(crate) struct Connection<'a> {
    address: &'a Address,
    open: Option<Open>,
    /// How often it was opened.
    pub(crate) opened: u64,
}

struct Open {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        // A request that was given up must not go on being answered into the void.
        self.driver.abort();
    }
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    /// The release that says it answered.
    pub(crate) release: Option<HeaderValue>,
    pub(crate) spent: Spent,
    /// When the request was handed to the connection.
    pub(crate) left: Instant,
}

impl<'a> Connection<'a> {
    pub(crate) fn to(address: &'a Address) -> Self {
        Self { address, open: None, opened: 0 }
    }

    /// Forgets the connection, so that the next request opens one.
    pub(crate) fn close(&mut self) {
        self.open = None;
    }

    /// Asks and reads the answer to its last byte. A request is written once: only one that never
    /// reached the wire, because the subject had closed the idle connection, goes over a new one.
    pub(crate) async fn ask(&mut self, route: &Route) -> Result<Answered, Cause> {
        let (left, response) = self.send(route.request()).await?;
        let status = response.status().as_u16();
        let release = response.headers().get(RELEASE).cloned();
        let spent = Spent::read(response.headers());
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            if let Err(error) = frame {
                self.close();
                return Err(Cause::from(&error));
            }
        }
        Ok(Answered { status, release, spent, left })
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<(Instant, Response<Incoming>), Cause> {
        let reused = self.is_usable().await;
        if !reused {
            self.connect().await.map_err(|_| Cause::Connect)?;
        }
        let sender = &mut self.open.as_mut().expect("a connection was just opened").sender;
        let left = Instant::now();
        let mut error = match sender.try_send_request(request).await {
            Ok(response) => return Ok((left, response)),
            Err(error) => error,
        };
        let unsent = error.take_message().filter(|_| reused);
        let cause = Cause::from(error.error());
        self.close();
        match unsent {
            Some(request) => Box::pin(self.send(request)).await,
            None => Err(cause),
        }
    }

    async fn is_usable(&mut self) -> bool {
        let usable = match &mut self.open {
            Some(open) => open.sender.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            self.close();
        }
        usable
    }

    async fn connect(&mut self) -> io::Result<()> {
        self.opened += 1;
        let wire = dial(&self.address.place).await?;
        let wire: Box<dyn Wire> = match &self.address.tls {
            Some((connector, name)) => Box::new(connector.connect(name.clone(), wire).await?),
            None => wire,
        };
        let (sender, driver) = handshake(TokioIo::new(wire)).await.map_err(io::Error::other)?;
        // Errors of the connection reach whoever waits for an answer.
        let driver = tokio::task::spawn_local(async move { drop(driver.await) }).abort_handle();
        self.open = Some(Open { sender, driver });
        Ok(())
    }
}

async fn dial(place: &Place) -> io::Result<Box<dyn Wire>> {
    match place {
        Place::Socket(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        Place::Net(addresses) => {
            let stream = TcpStream::connect(addresses.as_slice()).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        }
    }
}
