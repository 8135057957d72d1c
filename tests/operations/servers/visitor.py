"""A command of its own process that uses an installation until its standard input ends. Started by tests."""

import sys
from pathlib import Path

import msgspec

from operations.servers.installation import open_installation
from tests.servers import TEST_SETTINGS

if __name__ == "__main__":
    with open_installation(Path(sys.argv[1]), settings=TEST_SETTINGS) as installation:
        sys.stdout.buffer.write(msgspec.json.encode(installation, enc_hook=str) + b"\n")
        sys.stdout.flush()
        sys.stdin.read()
