from __future__ import annotations

import pytest

from tests.browser import chromium

pytestmark = pytest.mark.browser


async def test_a_real_browser_runs_the_script_of_a_page() -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        await page.set_content("<p id=p></p><script>p.textContent = typeof EventSource + 6 * 7</script>")
        assert await page.text_content("#p") == "function42"
