//! The program: see the library's documentation.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use mutextree::{LockStore, MemoryStore};
use mutextree_webdav::{LOCKS, Server};

/// Serves a directory over WebDAV to the file managers of this machine, with locks that hold.
#[derive(Parser)]
#[command(name = "mutextree-webdav")]
struct Options {
    /// The directory to serve
    #[arg(default_value = ".", value_name = "DIR")]
    root: PathBuf,
    /// The port to listen at; 0 takes any that is free
    #[arg(long, default_value_t = 4918, value_name = "N")]
    port: u16,
    /// Keep the locks in this Redis, and share them with all servers that do
    #[cfg(feature = "redis")]
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    #[cfg(feature = "redis")]
    if let Some(url) = &options.redis {
        return match mutextree::RedisStore::connect(url) {
            // Not the URL, which may hold a password.
            Ok(store) => serve(&options, store, "Redis").await,
            Err(error) => fail(&mutextree_webdav::in_full(&error)),
        };
    }
    serve(&options, MemoryStore::new(), "memory").await
}

async fn serve<S: LockStore>(options: &Options, store: S, place: &str) -> ExitCode {
    let root = options.root.display();
    match options.root.metadata() {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return fail(&format!("`{root}` is not a directory")),
        Err(error) => return fail(&format!("cannot serve `{root}`: {error}")),
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let bound = Server::bind(&options.root, store, address).await;
    let (server, at) = match bound.and_then(|server| server.address().map(|at| (server, at))) {
        Ok(bound) => bound,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let port = options.port;
            return fail(&format!(
                "port {port} is in use: choose another with --port, or --port 0 for any that is free"
            ));
        }
        Err(error) => return fail(&format!("cannot listen at {address}: {error}")),
    };
    println!("Serving `{root}`, with its locks in {place}. Point a file manager at it:");
    println!();
    println!("  GNOME, Xfce, Cinnamon   dav://{at}/        (Other Locations, or the address bar)");
    println!("  KDE                     webdav://{at}/");
    println!("  macOS Finder            http://{at}/       (Go > Connect to Server)");
    println!("  Windows Explorer        http://{at}/       (Map network drive)");
    println!("  a browser, to read      http://{at}/");
    println!();
    println!("Live locks: http://{at}{LOCKS}");
    println!("Ctrl-C ends it.");
    match server.run().await {}
}

fn fail(message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::FAILURE
}
