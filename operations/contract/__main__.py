"""Writes the contracts to where they are served from: `make contract`."""

import sys

from operations.api.document import DOCUMENT_FILE, build_operations_document
from operations.contract import build_contract
from read_side.contract import CONTRACT_FILE

for file, build in ((CONTRACT_FILE, build_contract), (DOCUMENT_FILE, build_operations_document)):
    file.write_bytes(build())
    sys.stderr.write(f"written: {file}\n")
