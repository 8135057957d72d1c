"""The one way in which an installation's servers can fail to be there."""


class InstallationUnusable(Exception):
    """The servers cannot be found or started; the message says what to do about it."""
