"""The table of who may import whom.

The first row whose pattern fits a file holds for it; a file without a row is a violation of its own. In patterns
`*` is one name, `{app}` one app of `redline/`, and the same word in `may` means that same app. Imports inside
functions count like any other; those under `if TYPE_CHECKING` may also name what `types` allows.
"""

from __future__ import annotations

from dataclasses import dataclass

# What `streaming/core` may use: nothing that reads a clock, draws a random number, waits or talks to anybody.
PURE = frozenset(
    """
    __future__ abc base64 binascii bisect collections contextlib copy dataclasses datetime decimal enum functools
    hashlib heapq itertools json math operator re string struct types typing unicodedata urllib uuid zlib
    annotated_types orjson pydantic pydantic_core typing_extensions
    """.split()
)
# What only the two bridges and the async room may use: a sync file that needs a loop is in the wrong folder.
ASYNC = frozenset({"asgiref", "asyncio", "channels", "channels_redis", "daphne", "twisted", "uvicorn"})
# What the async room may not use: a query or a user look-up blocks the loop; bridge.py makes them on its threads.
BLOCKING = frozenset({"django.contrib", "django.db", "requests", "subprocess"})

# The sync modules that the async room may know. Not models, emit and capture: it writes nothing.
KNOWN_TO_ASGI = (
    "streaming.access",
    "streaming.authentication",
    "streaming.conf",
    "streaming.csrf",
    "streaming.incidents",
    "streaming.jwt",
    "streaming.log",
    "streaming.opening",
    "streaming.polling",
    "streaming.publisher",
    "streaming.reconnect",
    "streaming.redaction",
    "streaming.request_id",
    "streaming.sequencer",
    "streaming.signals",
    "streaming.snapshot",
    "streaming.tickets",
)
# Those of them whose functions query: the async room hands these to the bridge, it never calls them.
QUERYING = ("streaming.log", "streaming.sequencer", "streaming.snapshot", "streaming.tickets")

DOOR = ("streaming", "streaming.testing")
OWN = ("redline.{app}.models", "redline.{app}.selectors", "redline.{app}.services")
WORKSPACES = ("redline.workspaces.models", "redline.workspaces.selectors", "redline.workspaces.acting")
GLUE = (
    "redline.ids",
    "redline.admin",
    "redline.errors",
    "redline.parsers",
    "redline.rest",
    "redline.fields",
    "redline.openapi",
)
# What an app of redline is made of beyond the usual files; the rows below say which app has which.
MONITORING = ("redline.monitoring.*", "redline.monitoring.pipeline.*")

# The demo needs what no domain app does: every app's services, a token to print, an old log to trim.
STAGE = (
    *WORKSPACES,
    *DOOR,
    "redline.*.models",
    "redline.*.selectors",
    "redline.*.services",
    "redline.monitoring.scheduling",
    "streaming.log",
    "streaming.management.command",
    "streaming.models",
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What the files of one pattern may import: our modules by name, foreign packages by what is pure or barred."""

    files: str
    may: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()


TABLE = (
    # streaming: core <- sync <- asgi
    Row(files="streaming/core/*.py", may=("streaming.core.*",), only=PURE),
    Row(
        files="streaming/__init__.py",
        may=("streaming.core.*", "streaming.outbox", "streaming.models", "streaming.revocation", "streaming.signals"),
        never=ASYNC,
    ),
    Row(files="streaming/publisher.py", may=("streaming.*", "streaming.core.*"), never=ASYNC - {"asyncio", "channels"}),
    Row(files="streaming/checks.py", may=("streaming.*", "streaming.core.*", "streaming.deployment.*"), never=ASYNC),
    Row(files="streaming/deployment/__init__.py", only=PURE),
    Row(
        files="streaming/deployment/*.py",
        may=("streaming.conf", "streaming.redis", "streaming.deployment.*"),
        never=ASYNC,
    ),
    Row(files="streaming/testing.py", may=("streaming", "streaming.*", "streaming.core.*"), never=ASYNC),
    Row(files="streaming/*.py", may=("streaming.*", "streaming.core.*"), never=ASYNC),
    Row(files="streaming/migrations/*.py", may=("streaming.models",), never=ASYNC),
    Row(files="streaming/management/__init__.py", only=PURE),
    Row(files="streaming/management/commands/__init__.py", only=PURE),
    Row(files="streaming/management/command.py", may=("streaming.*", "streaming.core.*"), never=ASYNC),
    # Commands start things: they may take from every room, but no room takes from them.
    Row(
        files="streaming/management/commands/*.py",
        may=("streaming", "streaming.*", "streaming.core.*", "streaming.asgi.*", "streaming.management.command"),
    ),
    Row(files="streaming/asgi/bridge.py", may=("streaming.*", "streaming.core.*", "streaming.asgi.*")),
    Row(
        files="streaming/asgi/*.py",
        may=("streaming.core.*", "streaming.asgi.*", *KNOWN_TO_ASGI),
        types=("streaming.*",),
        never=BLOCKING,
    ),
    # redline: the project
    Row(files="redline/__init__.py", only=PURE),
    Row(files="redline/settings.py", may=("redline.addresses", "redline.channel_layer", "redline.database")),
    Row(files="redline/addresses.py", only=PURE),
    Row(files="redline/channel_layer.py", may=("redline.addresses", "streaming.redis")),
    Row(files="redline/database.py", may=("redline.addresses",)),
    Row(files="redline/urls.py", may=("redline.*", "redline.*.urls", "streaming.urls")),
    Row(files="redline/asgi.py", may=("redline.*", "streaming.asgi.*")),
    Row(
        files="redline/access.py",
        may=(
            *("streaming", "streaming.access", "redline.projects.selectors"),
            *("redline.workspaces.services", "redline.workspaces.flags", *WORKSPACES),
        ),
    ),
    Row(
        files="redline/errors.py",
        may=("streaming", "streaming.core.errors", "streaming.redaction", "streaming.request_id", *GLUE),
    ),
    Row(files="redline/ids.py"),
    Row(files="redline/admin.py"),
    Row(files="redline/parsers.py", may=GLUE),
    Row(files="redline/rest.py", may=(*GLUE, *WORKSPACES, "streaming")),
    Row(files="redline/fields.py", may=GLUE),
    Row(files="redline/openapi.py", may=(*GLUE, "streaming", "streaming.authentication")),
    # redline: an app is models <- selectors <- streams and models <- services <- api, and sees no app but workspaces
    Row(files="redline/*/__init__.py", only=PURE),
    Row(files="redline/*/management/__init__.py", only=PURE),
    Row(files="redline/*/management/commands/__init__.py", only=PURE),
    Row(files="redline/monitoring/apps.py", may=("redline.monitoring.serving",)),
    Row(files="redline/workspaces/apps.py", may=("redline.workspaces.flags",)),
    Row(files="redline/*/apps.py"),
    Row(files="redline/*/migrations/*.py", may=("redline.ids", "redline.{app}.models", "streaming.models")),
    # The dashboard is one page: what it shows comes by REST and by the streams.
    Row(files="redline/dashboard/*.py", may=(*GLUE, *WORKSPACES, *DOOR, "redline.access", "redline.dashboard.*")),
    # The demo puts the whole on a stage: it acts through everybody's services, and nobody knows of it.
    Row(files="redline/demo/server.py", may=("redline.*", "redline.demo.*", "streaming.asgi.daphne")),
    Row(files="redline/demo/management/commands/*.py", may=("redline.*", "redline.demo.*", *STAGE)),
    Row(files="redline/demo/*.py", may=("redline.*", "redline.demo.*", *STAGE)),
    Row(files="redline/workspaces/acting.py"),
    # Monitoring's machinery: what runs a vendor through its stages, and the threads and clocks that have it run.
    *(
        Row(files=f"redline/monitoring/{name}.py", may=(*MONITORING, *GLUE, *WORKSPACES, *DOOR))
        for name in "claims records runner publishing delivery outreach workers scheduling serving serializers".split()
    ),
    Row(
        files="redline/monitoring/services.py",
        may=(*GLUE, *WORKSPACES, *DOOR, *OWN[:2], "redline.monitoring.claims", "redline.monitoring.workers"),
    ),
    Row(
        files="redline/monitoring/api.py",
        may=(*GLUE, *WORKSPACES, *DOOR, *OWN, "redline.monitoring.serializers", "redline.monitoring.claims"),
    ),
    # Projects: texts against each other are pure, and editing is a second room of services.
    Row(files="redline/projects/drafts.py", only=PURE | {"diff_match_patch"}),
    Row(files="redline/projects/editing.py", may=(*WORKSPACES, *DOOR, *OWN[:2], "redline.projects.drafts")),
    Row(files="redline/projects/serializers.py", may=(*GLUE, OWN[0])),
    Row(files="redline/projects/streams.py", may=("redline.ids", *WORKSPACES, *DOOR, *OWN[:2], "redline.projects.*")),
    *(
        Row(files=f"redline/projects/{name}.py", may=(*GLUE, *WORKSPACES, *DOOR, *OWN, "redline.projects.*"))
        for name in ("api", "editing_api")
    ),
    Row(files="redline/projects/urls.py", may=("redline.rest", "redline.projects.*")),
    Row(files="redline/{app}/models.py", may=("redline.ids", *WORKSPACES, *DOOR)),
    Row(files="redline/{app}/selectors.py", may=("redline.ids", *WORKSPACES, *DOOR, OWN[0])),
    Row(
        files="redline/{app}/services.py",
        may=(*GLUE, *WORKSPACES, *DOOR, *OWN[:2], "redline.workspaces.services", "redline.{app}.pipeline.*"),
    ),
    Row(files="redline/{app}/streams.py", may=("redline.ids", *WORKSPACES, *DOOR, *OWN[:2])),
    Row(files="redline/workspaces/telemetry.py"),
    Row(files="redline/workspaces/flags.py", may=WORKSPACES),
    Row(files="redline/workspaces/admin.py", may=("redline.workspaces.flags", *WORKSPACES)),
    Row(
        files="redline/workspaces/api.py",
        may=(*GLUE, *WORKSPACES, *DOOR, *OWN, "redline.workspaces.telemetry", "streaming.rest"),
    ),
    Row(files="redline/{app}/api.py", may=(*GLUE, *WORKSPACES, *DOOR, *OWN, "redline.workspaces.services")),
    Row(files="redline/{app}/admin.py", may=(*GLUE, *WORKSPACES, *DOOR, *OWN)),
    Row(files="redline/{app}/views.py", may=(*GLUE, *WORKSPACES, *DOOR, *OWN, "redline.workspaces.services")),
    Row(files="redline/{app}/urls.py", may=("redline.{app}.api", "redline.{app}.views", "redline.rest")),
    Row(
        files="redline/{app}/management/commands/*.py",
        may=(
            *(*GLUE, *WORKSPACES, *DOOR, *OWN, "redline.workspaces.services", "redline.{app}.scheduling"),
            *("streaming.management.command", "streaming.models"),
        ),
    ),
    # The pipeline knows no row of any table: text in, findings out, and mail by Django's mail API.
    Row(files="redline/monitoring/pipeline/__init__.py", only=PURE),
    Row(
        files="redline/monitoring/pipeline/*.py",
        may=("redline.monitoring.pipeline.*",),
        never=frozenset({"django.db", "django.contrib", "channels", "rest_framework"}),
    ),
)
