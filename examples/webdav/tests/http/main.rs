//! The server as its clients see it: real requests to real servers.

mod locks;
mod requests;
mod site;
