"""Members who were always there: tests that count an org's entries begin with an empty log."""

from __future__ import annotations

from typing import Any


def settle(org: str, user: str, role: str = "member") -> Any:
    """Make a user a member without a word in the org's log; returns the membership."""
    from redline.workspaces.models import Membership

    (made,) = Membership.objects.unstreamed().bulk_create([Membership(org_id=org, user_id=user, role=role)])
    return made
