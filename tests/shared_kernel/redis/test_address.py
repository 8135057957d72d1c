"""Reading Redis' URL."""

import pytest

from shared_kernel.redis.address import RedisAddress, parse_redis_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", RedisAddress(host="localhost")),
        ("redis://cache", RedisAddress(host="cache")),
        (
            "redis://me:p%40ss@[::1]:7000/4",
            RedisAddress(host="::1", port=7000, database=4, username="me", password="p@ss"),  # noqa: S106
        ),
        ("rediss://:x@cache/", RedisAddress(host="cache", password="x", tls=True)),  # noqa: S106
        ("unix:///run/redis%20one.sock", RedisAddress(path="/run/redis one.sock")),
        (
            "unix://me:x@/run/redis.sock?db=2",
            RedisAddress(path="/run/redis.sock", database=2, username="me", password="x"),  # noqa: S106
        ),
    ],
)
def test_a_url_names_the_server(url: str, address: RedisAddress) -> None:
    """Everything in it is taken, percent-decoded."""
    assert parse_redis_url(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "http://:s3cret@cache",
        "s3cret",
        "redis://:s3cret@cache:99999",
        "redis://:s3cret@cache:port",
        "redis://:s3cret@cache/x",
        "redis://:s3cret@cache/-1",
        "unix://:s3cret@",
        "unix://:s3cret@/run/redis.sock?db=x",
    ],
)
def test_a_wrong_url_is_refused_without_being_shown(url: str) -> None:
    """The error names the rule; the URL may hold a password."""
    with pytest.raises(ValueError, match=r"Redis") as caught:
        parse_redis_url(url)
    assert "s3cret" not in str(caught.value)


def test_an_address_does_not_show_its_password() -> None:
    """Neither repr nor str: both end in logs."""
    address = parse_redis_url("rediss://me:s3cret@cache:7000/4")
    assert repr(address) == str(address) == "RedisAddress(cache:7000/4, tls)"
