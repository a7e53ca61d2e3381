//! Turns on the module `simulator` of the store over Redis, for this package alone.

fn main() {
    println!("cargo::rustc-cfg=mutextree_sim");
    println!("cargo::rerun-if-changed=build.rs");
}
