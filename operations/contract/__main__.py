"""Writes the contract to where the read side serves it from: `make contract`."""

import sys

from operations.contract import build_contract
from read_side.contract import CONTRACT_FILE

CONTRACT_FILE.write_bytes(build_contract())
sys.stderr.write(f"written: {CONTRACT_FILE}\n")
