"""Sign-in, the board, and the choice between one's own orgs.

Every page is `protected`: own scripts and styles only, nothing inline, nothing cached.
"""

from __future__ import annotations

import time
from typing import cast

from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_GET, require_POST, require_safe

from redline.access import CHOSEN_ORG, Access
from redline.dashboard.page import name_of, orgs_of, page_of
from redline.dashboard.protection import protected
from redline.workspaces.models import Org, User


@method_decorator(protected, name="dispatch")
class SignIn(LoginView):
    template_name = "dashboard/sign_in.html"
    redirect_authenticated_user = True


@method_decorator(protected, name="dispatch")
class SignOut(LogoutView):
    http_method_names = ("post", "options")


@require_safe
@protected
@login_required
def board(request: HttpRequest) -> HttpResponse:
    """Show the board of the org that is asked for, was chosen last, or is the user's oldest."""
    user = cast(User, request.user)
    orgs = orgs_of(user)
    if not orgs:
        return render(request, "dashboard/no_org.html", {"name": name_of(user)})
    org = _own(orgs, Access().active_org(request))
    context = {"org": org, "orgs": orgs, "name": name_of(user), "page": page_of(request, user, org)}
    return render(request, "dashboard/board.html", context)


@require_POST
@protected
@login_required
def choose_org(request: HttpRequest) -> HttpResponse:
    """Remember which of the user's orgs the board and the streams show from now on."""
    orgs = orgs_of(cast(User, request.user))
    request.session[CHOSEN_ORG] = _own(orgs, request.POST.get("org")).pk
    return redirect("dashboard")


@require_GET
@protected
def clock(request: HttpRequest) -> JsonResponse:
    """Say what time it is here, in milliseconds since 1970: a browser's own clock may be minutes off."""
    return JsonResponse({"now": time.time_ns() // 1_000_000})


@require_GET
def favicon(request: HttpRequest) -> HttpResponse:
    """Answer browsers that ask for the icon by its old name."""
    return HttpResponseRedirect(static("dashboard/favicon.svg"))


def _own(orgs: list[Org], key: str | None) -> Org:
    """Return the org of that id; unknown and foreign are refused alike."""
    for org in orgs:
        if org.pk == key:
            return org
    raise PermissionDenied
