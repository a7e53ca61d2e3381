"""What a backend takes from the redis-py client that it is given."""

from __future__ import annotations

import os
import subprocess
from typing import Any

import pytest
import redis
import redis.asyncio
import redis.sentinel

from mutextree import RedisLockBackend, StoreError, TreeLock
from mutextree._redis_url import server_of
from support import Server, free_port

# redis-py has no types for these.
BlockingConnectionPool: Any = redis.BlockingConnectionPool
Sentinel: Any = redis.sentinel.Sentinel

PASSWORD = "p@ss:w/or%d? #é"


def works(backend: RedisLockBackend) -> bool:
    with TreeLock(backend, ["A"]) as lock:
        return lock.is_held()


@pytest.mark.parametrize(
    "client, url",
    [
        (redis.Redis(), "redis://localhost:6379/0"),
        (redis.StrictRedis(decode_responses=True), "redis://localhost:6379/0"),
        (redis.Redis("::1", 7, 3), "redis://[::1]:7/3"),
        (redis.Redis(password="a:b@/ %"), "redis://:a%3Ab%40%2F%20%25@localhost:6379/0"),
        (redis.Redis(username="é", password="p"), "redis://%C3%A9:p@localhost:6379/0"),
        (redis.Redis(ssl=True), "rediss://localhost:6379/0"),
        (redis.Redis.from_url("redis://u:p@h:1/2"), "redis://u:p@h:1/2"),
        (redis.Redis.from_url("rediss://h:1/2"), "rediss://h:1/2"),
        (redis.Redis(unix_socket_path="/a b/s"), "unix:///a%20b/s?db=0"),
        (
            redis.Redis(unix_socket_path="/s", db=2, username="u&", password="p+"),
            "unix:///s?db=2&user=u%26&pass=p%2B",
        ),
        (
            redis.Redis(credential_provider=redis.UsernamePasswordCredentialProvider("u", "p")),
            "redis://u:p@localhost:6379/0",
        ),
        (
            redis.Redis(connection_pool=BlockingConnectionPool(host="h", db=1)),
            "redis://h:6379/1",
        ),
    ],
)
def test_the_address_is_the_clients(client: redis.Redis, url: str) -> None:
    assert server_of(client).url == url


def test_times_and_names_are_the_clients() -> None:
    server = server_of(redis.Redis(socket_timeout=0.5, client_name="me"))
    assert (server.timeout, server.client_name) == (0.5, "me")


@pytest.mark.parametrize(
    "client, error, says",
    [
        (None, TypeError, "NoneType"),
        ("redis://localhost", TypeError, "str"),
        (redis.Redis(ssl=True, ssl_cert_reqs="none"), ValueError, "ssl_cert_reqs"),
        (redis.Redis(ssl=True, ssl_certfile="f", ssl_keyfile="f"), ValueError, "ssl_certfile"),
        (Sentinel([("h", 1)]).master_for("m"), ValueError, "Sentinel"),
    ],
)
def test_what_cannot_be_used_is_told(client: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        RedisLockBackend(client)
    assert PASSWORD not in str(caught.value)


def test_a_client_for_asyncio_will_do(server: Server, tree: str) -> None:
    client = redis.asyncio.Redis(port=server.port)
    assert works(RedisLockBackend(client, tree=tree))  # type: ignore[arg-type]


def test_the_database_the_socket_and_the_name(server: Server, tree: str) -> None:
    with_socket = redis.Redis(unix_socket_path=server.socket, db=5, client_name="name-of-mine")
    over_tcp = RedisLockBackend(server.client(db=5), tree=tree)
    with TreeLock(RedisLockBackend(with_socket, tree=tree), ["A"]):
        assert TreeLock(over_tcp, ["A"]).locked()
        other = RedisLockBackend(server.client(db=4), tree=tree)
        assert not TreeLock(other, ["A"]).locked()
        names = {client["name"] for client in server.client().client_list()}
        assert "name-of-mine" in names


def test_nothing_is_asked_before_the_first_lock() -> None:
    backend = RedisLockBackend(redis.Redis(port=1))
    lock = TreeLock(backend, ["A"])
    with pytest.raises(StoreError, match="localhost:1") as caught:
        lock.acquire()
    assert isinstance(caught.value, (ConnectionError, redis.ConnectionError))
    assert isinstance(caught.value, redis.RedisError)
    assert "localhost:1" in repr(caught.value)


def test_a_password_and_a_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("login")
    server = Server(folder, "--requirepass", PASSWORD)
    try:
        admin = server.client(password=PASSWORD)
        admin.acl_setuser(
            "user/1",
            enabled=True,
            passwords=["+" + PASSWORD],
            categories=["+@all"],
            keys=["*"],
            channels=["*"],
        )
        for login in ({"password": PASSWORD}, {"username": "user/1", "password": PASSWORD}):
            assert works(RedisLockBackend(server.client(**login)))
            by_socket = redis.Redis(unix_socket_path=server.socket, **login)  # type: ignore[arg-type]
            assert works(RedisLockBackend(by_socket))
        for wrong in ({}, {"password": "wr" + PASSWORD}):
            with pytest.raises(StoreError) as caught:
                works(RedisLockBackend(server.client(**wrong)))
            assert PASSWORD not in str(caught.value)
    finally:
        server.stop()


def test_tls_and_whom_to_trust(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    make += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    make += ["-keyout", str(key), "-out", str(certificate)]
    make += ["-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run(make, check=True, capture_output=True)
    plain = free_port()
    options = ["--tls-port", str(plain), "--tls-cert-file", str(certificate)]
    options += ["--tls-key-file", str(key), "--tls-auth-clients", "no"]
    server = Server(folder, *options)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    try:
        known = {"ssl": True, "ssl_ca_certs": str(certificate), "port": plain}
        assert redis.Redis(**known).ping()  # type: ignore[arg-type]
        backend = RedisLockBackend(redis.Redis(**known))  # type: ignore[arg-type]
        assert works(backend)
        assert "SSL_CERT_FILE" not in os.environ
        with pytest.raises(StoreError, match="ertificate"):
            works(RedisLockBackend(redis.Redis(ssl=True, port=plain)))
    finally:
        server.stop()


@pytest.mark.parametrize(
    "options", [{"tree": ""}, {"tree": "{x}"}, {"timeout": 0}, {"timeout": -1}, {"keep": -1}]
)
def test_options_that_make_no_sense_are_told(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        RedisLockBackend(redis.Redis(), **options)


def test_another_tree_is_another_tree(server: Server, tree: str) -> None:
    one, other = (RedisLockBackend(server.client(), tree=name) for name in (tree, tree + "'"))
    with TreeLock(one, ["A"]), TreeLock(other, ["A"]):
        pass


def test_what_is_kept_is_lent_again_and_in_nobodys_way(server: Server, tree: str) -> None:
    keeps = RedisLockBackend(server.client(), tree=tree, keep=600)
    other = RedisLockBackend(server.client(), tree=tree)
    lock = TreeLock(keeps, ["A"], expire=None)
    with lock:
        token = lock.fencing_token
    [held] = other.snapshot().holders
    assert held.may_be_kept and keeps.snapshot().holders == []
    with lock:
        assert lock.fencing_token == token + 1  # the server would have drawn one by its clock
    with TreeLock(other, ["A", "B"]) as below:
        assert below.fencing_token > token + 1
    assert other.snapshot().holders == []
    with TreeLock(keeps, ["B"], expire=30):
        pass
    assert other.snapshot().holders == []  # its lease does not renew itself
