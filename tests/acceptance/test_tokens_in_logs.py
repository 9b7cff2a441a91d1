from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest

from tests.acceptance.house import House

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_no_token_that_was_used_is_in_any_log_or_error_page(kind: str) -> None:
    with House(kind, env={"DEBUG": "0"}) as house:  # type: ignore[arg-type]
        owner = await house.owner()
        good = owner.token
        expired = await house.clerk.token(user=owner.user, org=owner.org, seconds=-1)
        bad = "rl_" + "neverIssued-_0123456789abcdefghijkl"
        pages = []
        for secret in (good, expired, bad):
            bearer = {"Authorization": f"Bearer {secret}"}
            for path in ("/v1/stream", "/v1/stream/", "/v1/stream/poll", "/v1/events/1", "/nowhere", "/v1/vendors"):
                async with house.open(path=path, token=secret) as stream:
                    pages.append(b"" if stream.status == 200 else await stream.body())
                async with house.open(path=path, headers=bearer) as stream:
                    pages.append(b"" if stream.status == 200 else await stream.body())
                async with house.open(path=path, types="no.such", token=secret, method="POST") as stream:
                    pages.append(await stream.body())
            for line in (f"?token={quote(secret)}&types=x", f"?types=x&token={secret}", f"?%74oken={secret}"):
                async with house.open(path=f"/v1/stream{line}") as stream:
                    pages.append(b"" if stream.status == 200 else await stream.body())
            async with house.open(path=f"/{secret}") as stream:
                pages.append(await stream.body())
        await asyncio.to_thread(house.server.terminate)
        said = house.server.log()
        for secret in (good, expired, bad):
            assert secret not in said
            assert secret[3:20] not in said
            assert not any(secret.encode() in page for page in pages)
        assert "/v1/stream" in said, "there is an access log"
        assert "[redacted]" in said
