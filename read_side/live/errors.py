"""What a stream can be refused with, beside what every request can."""

from shared_kernel.errors import RateLimitedError, UnavailableError


class TooManyStreamsError(RateLimitedError):
    """The key, or the store, has as many streams open as one may (429, close one)."""

    code = "too_many_streams"
    title = "Too many streams"


class StreamsFullError(UnavailableError):
    """This process has as many streams as it serves, or is about to end (503, try again)."""

    code = "streams_full"
    title = "No more streams here"
