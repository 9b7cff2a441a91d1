"""What workspaces tell the engine: whose rights a membership decides on."""

from __future__ import annotations

from redline.workspaces import selectors
from redline.workspaces.models import Membership
from streaming import grants

grants(Membership)
grants(Membership, org=lambda place: selectors.sandbox_id(place.org_id))
