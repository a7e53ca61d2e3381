//! TLS, with certificates made here, to a real server.

use std::fs;
use std::net::TcpListener;
use std::process::Command as Process;
use std::thread;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use super::server::Server;
use super::{echo, is_down, is_unsure, soon, wire, within};
use crate::redis::value::Value;

/// Where the child of this test finds its server.
const URL: &str = "MUTEXTREE_TEST_TLS_URL";

/// An authority `ca.crt`, and a certificate for `localhost` alone.
fn make_certificates(dir: &TempDir) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    fs::write(dir.path().join("ca.crt"), authority.self_signed(&authority_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &issuer).unwrap();
    fs::write(dir.path().join("server.crt"), certificate.pem()).unwrap();
    fs::write(dir.path().join("server.key"), key.serialize_pem()).unwrap();
}

/// `SSL_CERT_FILE` is for a whole process, so this test runs itself in one of its own.
#[test]
fn a_server_that_the_named_certificates_vouch_for() {
    if let Ok(url) = std::env::var(URL) {
        return calls(&url);
    }
    let dir = TempDir::new().unwrap();
    make_certificates(&dir);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port_text = port.to_string();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (authority, certificate, key) = (file("ca.crt"), file("server.crt"), file("server.key"));
    let _server = Server::with(&[
        "--tls-port",
        &port_text,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &authority,
        "--tls-auth-clients",
        "no",
    ]);
    let this = "redis::wire::tests::tls::a_server_that_the_named_certificates_vouch_for";
    let child = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", this, "--nocapture"])
        .env("SSL_CERT_FILE", authority)
        .env(URL, format!("rediss://localhost:{port}/"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && text.contains("1 passed"), "{text}");

    // We trust other authorities than the child does.
    let stranger = wire(&format!("rediss://localhost:{port}/")).call(&echo("one"), soon()).unwrap_err();
    assert!(is_down(&stranger), "{stranger:?}");
    let text = stranger.into_error().to_string();
    assert!(text.contains("certificate") && text.contains(&format!("localhost:{port}")), "{text}");
}

fn calls(url: &str) {
    let wire = wire(url);
    thread::scope(|scope| {
        for thread in 0..4 {
            let wire = &wire;
            scope.spawn(move || {
                for number in 0..100 {
                    let text = format!("{thread} {number}");
                    assert_eq!(wire.call(&echo(&text), soon()), Ok(Value::Bytes(text.into())));
                }
            });
        }
    });
    // Longer than TLS takes at once, and than the buffers of sockets hold.
    let long = "x".repeat(900_000);
    for _ in 0..3 {
        assert_eq!(wire.call(&echo(&long), soon()), Ok(Value::Bytes(long.clone().into())));
    }
    // A deadline in the middle, and the connection goes on.
    let sleep = super::command(&[b"DEBUG", b"SLEEP", b"0.2"]);
    let late = wire.call(&sleep, within(Duration::from_millis(20)));
    assert!(late.is_err(), "the command is allowed or not, and either way this is an error: {late:?}");
    assert_eq!(wire.call(&echo("next"), soon()), Ok(Value::Bytes(b"next".into())));
    let mut own = wire.open(soon()).unwrap();
    let block = super::command(&[b"BLPOP", b"no such list", b"1"]);
    assert!(is_unsure(&own.call(&block, within(Duration::from_millis(20))).unwrap_err()));
    // Its certificate is for another name.
    let other = super::wire(&url.replace("localhost", "127.0.0.1")).open(soon()).err().unwrap();
    assert!(is_down(&other) && other.clone().into_error().to_string().contains("certificate"), "{other:?}");
}
