"""Where Redis is, read from a URL; never shown with its password."""

from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import msgspec

_DEFAULT_PORT = 6379


class RedisAddress(msgspec.Struct, frozen=True, kw_only=True):
    """A server (TCP, TLS or a Unix socket), a database number and who we are there."""

    host: str = ""
    port: int = _DEFAULT_PORT
    path: str = ""
    database: int = 0
    username: str = ""
    password: str = ""
    tls: bool = False

    def __repr__(self) -> str:
        place = self.path or f"{self.host}:{self.port}"
        return f"RedisAddress({place}/{self.database}{', tls' if self.tls else ''})"


def parse_redis_url(url: str) -> RedisAddress:
    """Read `redis://[user:pass@]host:port/db`, `rediss://…` or `unix://[user:pass@]/path?db=n`.

    Raises: ValueError, whose text never repeats the URL, for it may hold a password.
    """
    parts = urlsplit(url)
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    match parts.scheme:
        case "redis" | "rediss":
            return RedisAddress(
                host=parts.hostname or "localhost",
                port=_port(parts),
                database=_database(parts.path.strip("/") or "0"),
                username=username,
                password=password,
                tls=parts.scheme == "rediss",
            )
        case "unix":
            if not parts.path:
                message = "a unix:// URL for Redis needs the socket's path"
                raise ValueError(message)
            database = _database(parse_qs(parts.query).get("db", ["0"])[-1])
            return RedisAddress(path=unquote(parts.path), database=database, username=username, password=password)
        case _:
            message = "a Redis URL starts with redis://, rediss:// or unix://"
            raise ValueError(message)


def _port(parts: SplitResult) -> int:
    try:
        return _DEFAULT_PORT if parts.port is None else parts.port
    except ValueError:
        message = "a Redis URL's port is a number up to 65535"
        raise ValueError(message) from None


def _database(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        message = "a Redis URL's database is a number"
        raise ValueError(message)
    return int(text)
