//! A directory served as it is. The properties that clients set are kept as extended attributes of
//! its files, so they survive a restart and go along with a rename by themselves.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::SystemTime;

use dav_server::davpath::DavPath;
use dav_server::fs::{
    DavDirEntry, DavFile, DavFileSystem, DavMetaData, DavProp, FsError, FsFuture, FsStream, OpenOptions, ReadDirMeta,
};
use dav_server::localfs::LocalFs;
use http::StatusCode;
use tokio::task::spawn_blocking;

/// What the attributes' names start with; then come the namespace, a bar, which no XML name holds,
/// and the name.
const PREFIX: &str = "user.webdav:";

/// The directory.
#[derive(Clone)]
pub(crate) struct Files {
    files: Box<LocalFs>,
    root: PathBuf,
}

impl Files {
    pub(crate) fn new(root: &Path) -> Box<Self> {
        Box::new(Self { files: LocalFs::new(root, true, false, false), root: root.to_owned() })
    }

    fn file(&self, path: &DavPath) -> PathBuf {
        self.root.join(path.as_rel_ospath())
    }
}

/// Runs what may wait for the disk elsewhere.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, FsError> + Send + 'static) -> Result<T, FsError> {
    spawn_blocking(work).await.unwrap_or(Err(FsError::GeneralFailure))
}

fn attribute(prop: &DavProp) -> String {
    format!("{PREFIX}{}|{}", prop.namespace.as_deref().unwrap_or_default(), prop.name)
}

fn property(attribute: &str, xml: Option<Vec<u8>>) -> Option<DavProp> {
    let (namespace, name) = attribute.strip_prefix(PREFIX)?.rsplit_once('|')?;
    let namespace = (!namespace.is_empty()).then(|| namespace.to_owned());
    Some(DavProp { name: name.to_owned(), prefix: None, namespace, xml })
}

/// The attributes of a file that are ours. A file system that has none has no properties.
fn attributes(file: &Path) -> Vec<String> {
    let names = xattr::list_deref(file).into_iter().flatten();
    names.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with(PREFIX)).collect()
}

fn change(file: &Path, set: bool, prop: &DavProp) -> StatusCode {
    let name = attribute(prop);
    let done = if set {
        xattr::set_deref(file, &name, prop.xml.as_deref().unwrap_or_default())
    } else if attributes(file).contains(&name) {
        xattr::remove_deref(file, &name)
    } else {
        Ok(()) // RFC 4918, 14.23: removing what is not there is no error
    };
    match done {
        Ok(()) => StatusCode::OK,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
        // Too long, too many, or a file system without attributes.
        Err(_) => StatusCode::INSUFFICIENT_STORAGE,
    }
}

fn copy_properties(from: &Path, to: &Path) -> io::Result<()> {
    for stale in attributes(to) {
        xattr::remove_deref(to, stale)?;
    }
    for name in attributes(from) {
        if let Some(xml) = xattr::get_deref(from, &name)? {
            xattr::set_deref(to, &name, &xml)?;
        }
    }
    Ok(())
}

impl DavFileSystem for Files {
    fn open<'a>(&'a self, path: &'a DavPath, options: OpenOptions) -> FsFuture<'a, Box<dyn DavFile>> {
        self.files.open(path, options)
    }

    fn read_dir<'a>(&'a self, path: &'a DavPath, meta: ReadDirMeta) -> FsFuture<'a, FsStream<Box<dyn DavDirEntry>>> {
        self.files.read_dir(path, meta)
    }

    fn metadata<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, Box<dyn DavMetaData>> {
        self.files.metadata(path)
    }

    fn symlink_metadata<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, Box<dyn DavMetaData>> {
        self.files.symlink_metadata(path)
    }

    fn create_dir<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, ()> {
        self.files.create_dir(path)
    }

    fn remove_dir<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, ()> {
        self.files.remove_dir(path)
    }

    fn remove_file<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, ()> {
        self.files.remove_file(path)
    }

    fn rename<'a>(&'a self, from: &'a DavPath, to: &'a DavPath) -> FsFuture<'a, ()> {
        self.files.rename(from, to)
    }

    fn copy<'a>(&'a self, from: &'a DavPath, to: &'a DavPath) -> FsFuture<'a, ()> {
        Box::pin(async move {
            self.files.copy(from, to).await?;
            let (from, to) = (self.file(from), self.file(to));
            blocking(move || copy_properties(&from, &to).map_err(|_| FsError::InsufficientStorage)).await
        })
    }

    fn set_accessed<'a>(&'a self, path: &'a DavPath, time: SystemTime) -> FsFuture<'a, ()> {
        self.files.set_accessed(path, time)
    }

    fn set_modified<'a>(&'a self, path: &'a DavPath, time: SystemTime) -> FsFuture<'a, ()> {
        self.files.set_modified(path, time)
    }

    fn have_props<'a>(&'a self, _path: &'a DavPath) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(std::future::ready(xattr::SUPPORTED_PLATFORM))
    }

    fn patch_props<'a>(
        &'a self,
        path: &'a DavPath,
        patch: Vec<(bool, DavProp)>,
    ) -> FsFuture<'a, Vec<(StatusCode, DavProp)>> {
        let file = self.file(path);
        let apply = move |(set, mut prop): (bool, DavProp)| {
            let status = change(&file, set, &prop);
            prop.xml = None; // the answer names it and does not repeat it
            (status, prop)
        };
        Box::pin(blocking(move || Ok(patch.into_iter().map(apply).collect())))
    }

    fn get_props<'a>(&'a self, path: &'a DavPath, do_content: bool) -> FsFuture<'a, Vec<DavProp>> {
        let file = self.file(path);
        let read = move |name: String| {
            let xml = if do_content { xattr::get_deref(&file, &name).ok()? } else { None };
            property(&name, xml)
        };
        let file = self.file(path);
        Box::pin(blocking(move || Ok(attributes(&file).into_iter().filter_map(read).collect())))
    }

    fn get_prop<'a>(&'a self, path: &'a DavPath, prop: DavProp) -> FsFuture<'a, Vec<u8>> {
        let file = self.file(path);
        Box::pin(blocking(move || xattr::get_deref(&file, attribute(&prop)).ok().flatten().ok_or(FsError::NotFound)))
    }

    fn get_quota(&self) -> FsFuture<'_, (u64, Option<u64>)> {
        self.files.get_quota()
    }
}
