"""Where archive files lie: a directory that every machine mounts, or an S3 bucket. Blocking: call it in a thread."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote, urlsplit

from shared_kernel.log.archive.errors import ArchiveUnreadableError

if TYPE_CHECKING:
    from obstore.store import RetryConfig, S3Store

_FILE: Final = "file"
_S3: Final = "s3"
_UNFINISHED: Final = ".part"
_RETRIES: "Final[RetryConfig]" = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}


class Storage(Protocol):
    """Keeps files by name, each written whole or not at all."""

    def put(self, name: str, content: bytes) -> str:
        """Store a file, over an older one of the same name, and give its URI; when it returns, the file is safe."""
        ...


class UnusableArchiveUrlError(ValueError):
    """The archive's URL names no storage that is known here; the message says which are."""


def open_storage(url: str) -> Storage:
    """The storage at a URL.

    Args:
        url: `file:///srv/archive`, or `s3://bucket/prefix`, which reads `AWS_…` variables.

    Raises:
        UnusableArchiveUrlError: it is neither.
    """
    parts = urlsplit(url)
    if parts.scheme == _FILE and not parts.netloc and Path(unquote(parts.path)).is_absolute():
        return _Directory(Path(unquote(parts.path)))
    if parts.scheme == _S3 and parts.netloc:
        return _Bucket(url.rstrip("/"))
    raise UnusableArchiveUrlError("the archive's URL is neither file:///an/absolute/folder nor s3://bucket/prefix")


def read(uri: str) -> bytes:
    """The content of a file.

    Raises:
        ArchiveUnreadableError: it is not there, or storage fails.
    """
    parts = urlsplit(uri)
    try:
        if parts.scheme == _S3:
            return _read_from_bucket(uri)
        return Path(unquote(parts.path)).read_bytes()
    except FileNotFoundError as error:
        raise ArchiveUnreadableError(uri, "is not there") from error
    except OSError as error:
        raise ArchiveUnreadableError(uri, f"cannot be opened ({error.strerror or type(error).__name__})") from error


class _Directory:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, name: str, content: bytes) -> str:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + _UNFINISHED)
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        _sync_folder(path.parent)
        return path.as_uri()


class _Bucket:
    def __init__(self, url: str) -> None:
        self._url = url

    def put(self, name: str, content: bytes) -> str:
        uri = f"{self._url}/{name}"
        with _told_as_os_error(uri) as store:
            store.put(urlsplit(uri).path.lstrip("/"), content)
        return uri


def _read_from_bucket(uri: str) -> bytes:
    with _told_as_os_error(uri) as store:
        return bytes(store.get(urlsplit(uri).path.lstrip("/")).bytes())


@contextmanager
def _told_as_os_error(uri: str) -> "Iterator[S3Store]":
    """The bucket of a URI; what its library raises of its own kind is an error of storage here."""
    from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra, which only who archives to S3 installs
    from obstore.store import S3Store  # noqa: PLC0415 - the same

    # From nothing: a refusal repeats what was signed, and with it a session's token.
    try:
        yield S3Store.from_url(f"s3://{urlsplit(uri).netloc}", retry_config=_RETRIES)
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "S3 has no such bucket or no such file", uri) from None
    except BaseError as error:
        advice = "see that it can be reached and that the AWS_… variables let us in"
        raise OSError(errno.EIO, f"S3 fails ({type(error).__name__}): {advice}", uri) from None


def _sync_folder(folder: Path) -> None:
    # The new name itself must outlive a power cut.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
