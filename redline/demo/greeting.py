"""What the demo prints before it serves: where to go, how to sign in, and a line to paste."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    url: str
    users: tuple[str, ...]
    password: str
    token: str
    sites_url: str

    def __str__(self) -> str:
        first, *others = self.users
        return "\n".join(
            (
                "Redline is watching ten fictional vendors whose pages really change.",
                "",
                f"  Board     {self.url}/",
                f"  Sign in   {first} (or {', '.join(others)}), password {self.password}",
                f"  Token     {self.token}",
                f"  Follow    curl -N -H 'Authorization: Bearer {self.token}' {self.url}/v1/stream",
                f"  Vendors   {self.sites_url}/ (what was sent to Slack and by mail: /hooks, /mail)",
                "",
                "The first change comes within half a minute. Ctrl-C ends it.",
                "",
            )
        )
