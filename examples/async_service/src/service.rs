//! The handlers: a lock, the work, and the guard held across its `.await`s.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use mutextree::{LockError, LockStore, OwnedTreeMutexGuard, TreeMutex};

use crate::App;

type Answer = Result<String, (StatusCode, String)>;

pub(crate) fn router(app: App) -> Router {
    Router::new().route("/{tenant}/{project}/{document}", get(read).put(write)).with_state(app)
}

async fn read(State(app): State<App>, Path(path): Path<[String; 3]>) -> Answer {
    let _guard = app.lock(&path, TreeMutex::shared).await?;
    Ok(app.documents.read(&path).await.to_string())
}

async fn write(State(app): State<App>, Path(path): Path<[String; 3]>) -> Answer {
    let _guard = app.lock(&path, TreeMutex::exclusive).await?;
    Ok(app.documents.write(&path).await.to_string())
}

impl App {
    /// The lock of a document, if it can be had in time. Should the client hang up, axum drops the
    /// handler wherever it is: waiting, then the wait is as if it had never been; or with the guard
    /// in its hands, then the lock is released.
    async fn lock(
        &self,
        path: &[String; 3],
        how: impl FnOnce(TreeMutex) -> TreeMutex,
    ) -> Result<Option<OwnedTreeMutexGuard>, (StatusCode, String)> {
        if !self.documents.exists(path) {
            return Err((StatusCode::NOT_FOUND, "there is no such document".into()));
        }
        if !self.lock {
            return Ok(None);
        }
        // Made of components, so that a name may contain whatever it likes.
        let mutex = how(self.locks.mutex(path).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?);
        let locked = tokio::time::timeout(self.patience, mutex.lock_owned_async()).await;
        let busy = |_| (StatusCode::SERVICE_UNAVAILABLE, format!("`{}` is busy", mutex.path()));
        let failed = |error: LockError| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
        locked.map_err(busy)?.map(Some).map_err(failed)
    }
}
