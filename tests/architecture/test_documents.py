"""Every place a document points at is there."""

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
DOCUMENTS = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")])
_LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")


def broken_links(text: str, folder: Path) -> list[str]:
    """The relative links of a document that lead nowhere; templates' NNNN stands for a number."""
    targets = [target for target in _LINK.findall(text) if "://" not in target and not target.startswith("NNNN")]
    return [target for target in targets if not (folder / target).exists()]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    """A file that was moved takes its links along."""
    assert broken_links(document.read_text(encoding="utf-8"), document.parent) == []


def test_a_broken_link_would_be_seen() -> None:
    """The check itself."""
    assert broken_links("[here](docs) and [there](nowhere/at_all.py#L3)", CHECKOUT) == ["nowhere/at_all.py"]
