"""axe-core in a page: the rules of accessibility that a machine can check, as sentences about what breaks them."""

from __future__ import annotations

from playwright.async_api import Page

from tests import services
from tests.environment import ROOT

LIBRARY = ROOT / ".cache" / "axe-core" / "node_modules" / "axe-core" / "axe.min.js"


async def violations(page: Page) -> list[str]:
    """Return one sentence for each element that breaks a rule; the library comes in past the page's policy."""
    if not LIBRARY.exists():
        services.missing("the npm package axe-core", "tests/run brings it")
    await page.evaluate(LIBRARY.read_text())
    found = await page.evaluate("axe.run()")
    assert found["passes"], "it has looked at something"
    return [f"{one['id']}: {node['target']}" for one in found["violations"] for node in one["nodes"]]
