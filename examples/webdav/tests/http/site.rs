//! A server for a directory of its own, and a client for it.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use mutextree::{LockStore, MemoryStore};
use mutextree_webdav::Server;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use ureq::http::Request;

/// One server, and all that it needs to run.
pub(crate) struct Site<S: LockStore = MemoryStore> {
    /// Its address: `http://127.0.0.1:4918`.
    pub(crate) url: String,
    pub(crate) store: S,
    root: Arc<TempDir>,
    client: ureq::Agent,
    /// Stops the server when it is dropped.
    _runtime: Runtime,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    /// The `Lock-Token` header without its brackets.
    pub(crate) token: String,
}

impl Site {
    /// A server with its locks in memory.
    pub(crate) fn new() -> Self {
        Self::on(MemoryStore::new())
    }
}

impl<S: LockStore> Site<S> {
    /// A server with the files `docs/a`, `docs/b` and `docs/deep/c`.
    pub(crate) fn on(store: S) -> Self {
        let root = TempDir::new().unwrap();
        fs::create_dir_all(root.path().join("docs/deep")).unwrap();
        for file in ["docs/a", "docs/b", "docs/deep/c"] {
            fs::write(root.path().join(file), "old").unwrap();
        }
        Self::start(Arc::new(root), store)
    }

    /// Another server for the same directory.
    pub(crate) fn twin(&self, store: S) -> Self {
        Self::start(self.root.clone(), store)
    }

    fn start(root: Arc<TempDir>, store: S) -> Self {
        let runtime = Runtime::new().unwrap();
        let bound = Server::bind(root.path(), store.clone(), (Ipv4Addr::LOCALHOST, 0).into());
        let server = runtime.block_on(bound).unwrap();
        let url = format!("http://{}", server.address().unwrap());
        runtime.spawn(server.run());
        let config = ureq::Agent::config_builder().http_status_as_error(false).allow_non_standard_methods(true);
        Self { url, store, root, client: config.build().into(), _runtime: runtime }
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = self.client.run(request.body(body.to_owned()).unwrap()).unwrap();
        let token = response.headers().get("lock-token").map(|token| token.to_str().unwrap());
        let token = token.unwrap_or_default().trim_matches(['<', '>']).to_owned();
        Reply { status: response.status().as_u16(), token, body: response.body_mut().read_to_string().unwrap() }
    }

    /// The status of a request without a body.
    pub(crate) fn status(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
        self.send(method, path, headers, "").status
    }

    /// Writes a file; with a token in an `If` header, unless it is empty. The status.
    pub(crate) fn put(&self, path: &str, token: &str) -> u16 {
        let condition = format!("(<{token}>)");
        let headers = [("if", condition.as_str())];
        self.send("PUT", path, if token.is_empty() { &[] } else { &headers }, "new").status
    }

    /// Asks for a lock.
    pub(crate) fn try_lock(&self, path: &str, scope: &str, depth: &str, timeout: &str) -> Reply {
        let body = format!(
            r#"<?xml version="1.0"?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:{scope}/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner><D:href>mailto:ada@example.org</D:href></D:owner></D:lockinfo>"#
        );
        self.send("LOCK", path, &[("depth", depth), ("timeout", timeout)], &body)
    }

    /// Takes a lock for as long as a test may run. Its token.
    pub(crate) fn lock(&self, path: &str, scope: &str, depth: &str) -> String {
        let reply = self.try_lock(path, scope, depth, "Second-600");
        assert_eq!(reply.status, 200, "LOCK {path}: {}", reply.body);
        assert!(reply.token.starts_with("urn:uuid:"), "{reply:?}");
        reply.token
    }

    /// Whether somebody else's lock could be had. It is given back.
    pub(crate) fn can_lock(&self, path: &str, scope: &str, depth: &str) -> bool {
        let reply = self.try_lock(path, scope, depth, "Second-600");
        match reply.status {
            200 => assert_eq!(self.unlock(path, &reply.token), 204),
            status => assert_eq!(status, 423, "LOCK {path}: {}", reply.body),
        }
        reply.status == 200
    }

    pub(crate) fn unlock(&self, path: &str, token: &str) -> u16 {
        self.status("UNLOCK", path, &[("lock-token", &format!("<{token}>"))])
    }

    /// What an `If` header says when the lock is not on the request's own path.
    pub(crate) fn tagged(&self, path: &str, token: &str) -> String {
        format!("<{}{path}> (<{token}>)", self.url)
    }

    /// What a PROPFIND for the locks on `path` answers.
    pub(crate) fn discover(&self, path: &str) -> String {
        let body = r#"<D:propfind xmlns:D="DAV:"><D:prop><D:lockdiscovery/></D:prop></D:propfind>"#;
        let reply = self.send("PROPFIND", path, &[("depth", "0")], body);
        assert_eq!(reply.status, 207, "{}", reply.body);
        reply.body
    }
}
