//! Sentinels and servers over TLS only, with certificates made here, and users that may do what is
//! needed and no more.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use mutextree::{LockError, LockStore, RedisStore, RedisStoreBuilder, RedisStoreError};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::node::{Node, free_port};
use crate::replicated::{Extra, Replicated};

/// Where the child of this test finds its Sentinels.
const PLACES: &str = "MUTEXTREE_TEST_TLS_SENTINELS";

/// All that a user of a server needs.
const USER: &str = "me on >secret ~{mutextree}:* -@all +info +eval +evalsha +time +hset +hget +hmget +hexists +hdel +zadd \
                    +zscore +zrangebyscore +zrangebylex +zrem +rpush +pexpire +blmpop";

/// An authority `ca.crt`, and a certificate for the address of all servers.
fn make_certificates(dir: &Path) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // OpenSSL takes a certificate whose issuer has its own name for one that is signed by itself.
    authority.distinguished_name.push(DnType::CommonName, "authority");
    let authority_key = KeyPair::generate().unwrap();
    fs::write(dir.join("ca.crt"), authority.self_signed(&authority_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap().signed_by(&key, &issuer).unwrap();
    fs::write(dir.join("server.crt"), certificate.pem()).unwrap();
    fs::write(dir.join("server.key"), key.serialize_pem()).unwrap();
}

/// `SSL_CERT_FILE` is for a whole process, so this test runs itself in one of its own.
#[test]
fn users_and_certificates() {
    if let Ok(places) = std::env::var(PLACES) {
        return child(&places);
    }
    let dir = TempDir::new().unwrap();
    make_certificates(dir.path());
    let [authority, certificate, key] =
        ["ca.crt", "server.crt", "server.key"].map(|name| dir.path().join(name).to_str().unwrap().to_owned());
    let ports = [(); 6].map(|()| free_port());
    // The servers' other ports, in the clear, are for this test alone.
    let servers = [
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &authority,
        "--tls-auth-clients",
        "no",
        "--tls-replication",
        "yes",
        "--requirepass",
        "root",
        "--masterauth",
        "root",
        "--user",
    ];
    let servers: Vec<&str> = servers.into_iter().chain(USER.split(' ')).collect();
    let sentinels = format!(
        "sentinel auth-pass mine root\nrequirepass watch\nsentinel sentinel-pass watch\n\
         user watcher on >hunter2 +ping +sentinel|get-master-addr-by-name +sentinel|master\n\
         tls-replication yes\ntls-auth-clients no\n\
         tls-cert-file {certificate}\ntls-key-file {key}\ntls-ca-cert-file {authority}"
    );
    let setup = Replicated::with(&Extra {
        servers: &servers,
        sentinels: &sentinels,
        login: ":root@",
        sentinel_login: ":watch@",
        tls: Some(ports),
    });
    let places = ports[3..].iter().map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "with_tls::users_and_certificates", "--nocapture"])
        .env("SSL_CERT_FILE", &authority)
        .env(PLACES, format!("{places} {}", setup.sentinels[0].address()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && text.contains("1 passed"), "{text}");
    assert_eq!(setup.sentinels.iter().filter(|one| one.try_ask("PING").is_ok()).count(), 3);

    // We trust other authorities than the child does.
    let url = format!("rediss-sentinel://me:secret@{places}/mine");
    let text = refusal(RedisStore::builder(&url)).to_string();
    assert!(text.contains("certificate") && ports[3..].iter().all(|port| text.contains(&port.to_string())), "{text}");
    let _: &[Node] = &setup.nodes;
}

fn refusal(builder: RedisStoreBuilder) -> RedisStoreError {
    let LockError::Store(error) = builder.timeout(Duration::from_secs(15)).connect().unwrap_err() else { panic!() };
    let error: RedisStoreError = error.downcast_ref::<RedisStoreError>().unwrap().clone();
    let text = format!("{error} {error:?}");
    assert!(!["secret", "hunter2", "wrong"].iter().any(|password| text.contains(password)), "{text}");
    error
}

fn child(places: &str) {
    let (places, plain) = places.split_once(' ').unwrap();
    let url = format!("rediss-sentinel://me:secret@{places}/mine");
    let store = RedisStore::builder(&url)
        .sentinel_login(Some("watcher"), "hunter2")
        .timeout(Duration::from_secs(15))
        .connect()
        .unwrap();
    let guard = store.lock("a").unwrap();
    drop(smol::block_on(store.lock_async("b")).unwrap());

    let sentinel_refuses = |error: RedisStoreError| {
        let RedisStoreError::Authentication { address } = &error else { panic!("{error}") };
        assert!(places.contains(address.as_str()), "{address}");
    };
    sentinel_refuses(refusal(RedisStore::builder(&url)));
    sentinel_refuses(refusal(RedisStore::builder(&url).sentinel_login(None, "wrong")));
    let builder = RedisStore::builder(&url.replace("secret", "wrong"));
    let error = refusal(builder.sentinel_login(Some("watcher"), "hunter2"));
    let RedisStoreError::Authentication { address } = &error else { panic!("{error}") };
    assert!(!places.contains(address.as_str()), "it is the server that refuses: {address}");

    // The failover takes the connections over TLS with it.
    let client = redis::Client::open(format!("redis://:watch@{plain}/")).unwrap();
    let mut sentinel = client.get_connection().unwrap();
    let name = |sentinel: &mut redis::Connection| -> (String, u16) {
        redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg("mine").query(sentinel).unwrap()
    };
    let before = name(&mut sentinel);
    let _: String = redis::cmd("SENTINEL").arg("FAILOVER").arg("mine").query(&mut sentinel).unwrap();
    crate::wait_until("nobody takes over", || name(&mut sentinel) != before);
    drop(store.lock("c").unwrap());
    guard.unlock().unwrap();
}
