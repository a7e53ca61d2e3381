//! The HTTP side: a listener, dav-server behind it, and the page at `/.locks`.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dav_server::body::Body;
use dav_server::{DavConfig, DavHandler};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mutextree::LockStore;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

use crate::listing::render;
use crate::locks::RequestLocks;
use crate::properties::Files;
use crate::report::in_full;

/// Where the live locks are listed.
pub const LOCKS: &str = "/.locks";

/// A WebDAV server for one directory, with its locks in `S`.
pub struct Server<S: LockStore> {
    listener: TcpListener,
    site: Arc<Site<S>>,
}

struct Site<S> {
    store: S,
    root: PathBuf,
    handler: DavHandler,
}

impl<S: LockStore> Server<S> {
    /// A server for the directory `root` that listens at `address`; port 0 is any that is free.
    ///
    /// # Errors
    /// If `root` is no directory, or nobody can listen there.
    pub async fn bind(root: &Path, store: S, address: SocketAddr) -> io::Result<Self> {
        if !root.metadata()?.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let handler = DavHandler::builder().filesystem(Files::new(root)).autoindex(true).build_handler();
        let listener = TcpListener::bind(address).await?;
        Ok(Self { listener, site: Arc::new(Site { store, root: root.to_owned(), handler }) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers requests for ever.
    pub async fn run(self) -> Infallible {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let site = self.site.clone();
                    let service = service_fn(move |request| {
                        let site = site.clone();
                        async move { Ok::<_, Infallible>(site.answer(request).await) }
                    });
                    // What fails here is a connection that breaks, which is the client's affair.
                    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
                }
                Err(error) => {
                    eprintln!("cannot accept a connection: {error}");
                    // Out of file descriptors, most likely.
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        }
    }
}

impl<S: LockStore> Site<S> {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        if request.uri().path() == LOCKS && [Method::GET, Method::HEAD].contains(request.method()) {
            return self.list().await;
        }
        let locks = RequestLocks::new(self.store.clone(), self.root.clone(), &request);
        self.handler.handle_with(DavConfig::new().locksystem(Box::new(locks)), request).await
    }

    async fn list(&self) -> Response<Body> {
        let store = self.store.clone();
        let (status, text) = match spawn_blocking(move || store.snapshot()).await {
            Ok(Ok(snapshot)) => (StatusCode::OK, render(&snapshot)),
            Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", in_full(&error))),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        response.headers_mut().insert("content-type", http::HeaderValue::from_static("text/plain; charset=utf-8"));
        response
    }
}
