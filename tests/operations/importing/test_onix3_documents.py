"""ONIX documents that break off, are something else, or mean harm."""

import tracemalloc
from pathlib import Path

import pytest

from operations.importing.readers.catalogue import CatalogueRow, RejectedRow, UnreadableFile
from operations.importing.readers.onix3 import MAX_PRODUCT_BYTES, read_onix3
from tests.operations.importing.onix_messages import message, product, read


def test_malformed_xml_ends_with_one_row_that_says_where(tmp_path: Path) -> None:
    """What came before it stays read."""
    taken, refused = read(tmp_path, message(product(), "\n<Product><Title</Product>"))
    assert isinstance(taken, CatalogueRow)
    assert refused == RejectedRow(line=2, reason="malformed_xml: at line 2, column 15, the rest is not read")


@pytest.mark.parametrize("text", ["", "not XML", "<ONIXMessage release='3.0'>"])
def test_what_is_no_document_is_one_refusal(tmp_path: Path, text: str) -> None:
    """Cut off or never begun."""
    (refused,) = read(tmp_path, text)
    assert isinstance(refused, RejectedRow)
    assert refused.reason.startswith("malformed_xml: at line 1")


@pytest.mark.parametrize("text", ["<html/>", "<ONIXMessage><Product/></ONIXMessage>", '<ONIXMessage release="2.1"/>'])
def test_other_xml_is_unreadable(tmp_path: Path, text: str) -> None:
    """ONIX 2.1 has the same root and quite another inside."""
    with pytest.raises(UnreadableFile, match="not an ONIX for Books 3 message"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "entity", ['<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">', '<!ENTITY b SYSTEM "file:///etc/hostname">']
)
def test_entities_are_refused(tmp_path: Path, entity: str) -> None:
    """Neither a bomb nor a file of ours gets in."""
    (refused,) = read(tmp_path, f"<!DOCTYPE ONIXMessage [{entity}]>{message(product())}")
    assert refused == RejectedRow(line=1, reason="forbidden_xml: EntitiesForbidden, the rest is not read")


def test_a_doctype_alone_is_harmless(tmp_path: Path) -> None:
    """Older senders still write one, and it is not fetched."""
    doctype = '<!DOCTYPE ONIXMessage SYSTEM "http://example.invalid/onix.dtd">'
    assert len(read(tmp_path, doctype + message(product()))) == 1


def test_one_product_at_a_time_is_in_memory(tmp_path: Path) -> None:
    """Five thousand products need no more than a hundred."""
    peaks = []
    for count in (100, 5_000):
        path = tmp_path / f"{count}.xml"
        path.write_text(message(*[product()] * count), encoding="utf-8")
        tracemalloc.start()
        assert sum(1 for _ in read_onix3(path)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]


def test_a_product_without_end_ends_the_reading(tmp_path: Path) -> None:
    """At its measure, not at the end of memory."""
    taken, refused = read(tmp_path, message(product(), "<Product><Text>" + "x" * (MAX_PRODUCT_BYTES + 100_000)))
    assert isinstance(taken, CatalogueRow)
    assert isinstance(refused, RejectedRow)
    assert refused.reason.startswith("too_large")
