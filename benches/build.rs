//! Tells the table which compiler and which profile built it.

use std::env::var;
use std::process::Command;

fn main() {
    let rustc = Command::new(var("RUSTC").expect("cargo sets it")).arg("--version").output();
    let version = rustc.ok().and_then(|out| String::from_utf8(out.stdout).ok());
    let version = version.as_deref().and_then(|text| text.split(' ').nth(1)).unwrap_or("of unknown version").trim();
    println!("cargo::rustc-env=BUILT_BY=rustc {version}");
    println!(
        "cargo::rustc-env=BUILT_AS={} profile, opt-level {}",
        var("PROFILE").unwrap_or_default(),
        var("OPT_LEVEL").unwrap_or_default()
    );
    println!("cargo::rerun-if-changed=build.rs");
}
