//! The command `mutextree`, as its users run it: real processes, real servers, a real terminal.

mod directory;
mod exec;
mod pages;
mod running;
mod seeing;
#[path = "../redis/server.rs"]
mod server;
mod several_servers;
mod terminal;
