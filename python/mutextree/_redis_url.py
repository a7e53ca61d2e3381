"""The address and the credentials of a redis-py client, as the native layer wants them."""

from __future__ import annotations

from typing import Any, NamedTuple
from urllib.parse import quote, urlencode


class Server(NamedTuple):
    """A server, and how to reach it."""

    url: str
    timeout: float | None
    """Seconds for one command, if the client has a limit."""
    client_name: str | None
    ca_file: str | None
    """The file of the certificates to trust, if it is not the system's."""


def server_of(client: Any) -> Server:
    """The server of a `redis.Redis`.

    Raises TypeError for what is no such client, and ValueError for a setting that the store cannot
    have.
    """
    pool = getattr(client, "connection_pool", None)
    kwargs = getattr(pool, "connection_kwargs", None)
    module = type(client).__module__
    if module.startswith("fakeredis"):
        raise TypeError("a fakeredis client has no server: MemoryLockBackend() needs none either")
    if not isinstance(kwargs, dict):
        kind = f"{module}.{type(client).__qualname__}"
        raise TypeError(f"redis_client must be a redis.Redis with one server, not a {kind}")
    if "Sentinel" in type(pool).__name__:
        raise ValueError("a client of Sentinel cannot be used: give one of the master itself")
    username, password = _credentials(kwargs)
    name = kwargs.get("client_name")
    return Server(
        _url(pool, kwargs, username, password),
        kwargs.get("socket_timeout"),
        None if name is None else str(name),
        _ca_file(kwargs),
    )


def _credentials(kwargs: dict[str, Any]) -> tuple[str | None, str | None]:
    provider = kwargs.get("credential_provider")
    if provider is None:
        return _text(kwargs.get("username")), _text(kwargs.get("password"))
    # One or two values, as AUTH takes them.
    *username, password = provider.get_credentials()
    return (_text(username[0]) if username else None), _text(password)


def _text(value: Any) -> str | None:
    """redis-py takes text and bytes, and takes an empty one for none."""
    if isinstance(value, bytes):
        value = value.decode()
    return str(value) if value else None


def _url(pool: Any, kwargs: dict[str, Any], username: str | None, password: str | None) -> str:
    database = int(kwargs.get("db") or 0)
    socket = kwargs.get("path")
    if socket is not None:
        options = {"db": str(database), "user": username, "pass": password}
        given = {name: value for name, value in options.items() if value is not None}
        return f"unix://{quote(str(socket))}?{urlencode(given, quote_via=quote)}"
    scheme = "rediss" if _is_tls(pool) else "redis"
    host = str(kwargs.get("host") or "localhost")
    host = f"[{host}]" if ":" in host else quote(host, safe="")
    login = ""
    if password is not None:
        login = f"{quote(username or '', safe='')}:{quote(password, safe='')}@"
    return f"{scheme}://{login}{host}:{int(kwargs.get('port') or 6379)}/{database}"


def _is_tls(pool: Any) -> bool:
    kinds = getattr(pool, "connection_class", object).__mro__
    return any(kind.__name__ == "SSLConnection" for kind in kinds)


def _ca_file(kwargs: dict[str, Any]) -> str | None:
    """Whose certificates to trust. What would be less safe, or log in another way, is refused."""
    requirement = kwargs.get("ssl_cert_reqs", "required")
    if requirement is None or getattr(requirement, "name", requirement) in {"none", "CERT_NONE"}:
        raise ValueError(
            "ssl_cert_reqs: the server's certificate is always verified; give its authority's"
            " as ssl_ca_certs, or to the system"
        )
    for name in ("ssl_certfile", "ssl_keyfile", "ssl_ca_path", "ssl_ca_data"):
        if kwargs.get(name):
            raise ValueError(f"{name} is not supported: use ssl_ca_certs, a user and a password")
    file = kwargs.get("ssl_ca_certs")
    return None if file is None else str(file)
