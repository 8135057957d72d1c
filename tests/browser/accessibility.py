"""What a checker of accessibility looks for, asked of the page itself: names, roles, headings, tables and contrast."""

from pathlib import Path
from typing import Any

_FAULTS = Path(__file__).with_name("faults.js").read_text(encoding="utf-8")
_CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")


async def faults_of(page: Any) -> list[str]:  # noqa: ANN401 - playwright is not always there to be named
    """Everything found, in words."""
    found: list[str] = await page.evaluate(_FAULTS)
    return found + [f"contrast {one}" for one in await page.evaluate(_CONTRAST)]
