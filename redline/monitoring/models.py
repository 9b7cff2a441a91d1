"""Vendors and their pages, runs and their stages, change reports and what became of them.

A report's state moves only along `TRANSITIONS`, whoever saves it: a service, the admin or a shell. Saving a new state
writes the `ChangeTransition` that the stream announces; a transition that is not allowed raises `ValidationError` and
writes nothing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, URLValidator
from django.db import models, router, transaction
from django.utils import timezone

from redline.ids import PublicIdField
from redline.workspaces.acting import actor_id
from redline.workspaces.models import Org
from streaming import StreamedModel

web_address = URLValidator(schemes=["http", "https"])


class Tier(models.TextChoices):
    CRITICAL = "critical"
    IMPORTANT = "important"
    STANDARD = "standard"


class Vendor(models.Model):
    """A company that the org depends on. It is due when `next_run_at` has passed."""

    id = PublicIdField("vnd")
    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="vendors")
    name = models.CharField(max_length=120)
    homepage_url = models.URLField(max_length=500)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True)
    tier = models.CharField(max_length=10, choices=Tier.choices, default=Tier.STANDARD)
    cadence_seconds = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(10)], help_text="Seconds between runs, 10 or more."
    )
    is_watched = models.BooleanField(default=True)
    next_run_at = models.DateTimeField(default=timezone.now, db_index=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class PageKind(models.TextChoices):
    TERMS = "terms"
    PRIVACY = "privacy"
    PRICING = "pricing"
    SUBPROCESSORS = "subprocessors"
    SLA = "sla"
    SECURITY = "security"
    OTHER = "other"


class VendorPage(models.Model):
    """A page that is watched, with what the next fetch is conditional on."""

    vendor = models.ForeignKey(Vendor, on_delete=models.CASCADE, related_name="pages")
    url = models.CharField(max_length=500, validators=[web_address])
    kind = models.CharField(max_length=14, choices=PageKind.choices, default=PageKind.OTHER)
    etag = models.CharField(max_length=255, blank=True, editable=False)
    last_modified = models.CharField(max_length=64, blank=True, editable=False)
    fetched_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["vendor", "url"], name="monitoring_one_page")]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.url}"


class PageVersion(models.Model):
    """What a page said when it was fetched: only versions whose words differ are kept."""

    page = models.ForeignKey(VendorPage, on_delete=models.CASCADE, related_name="versions")
    blocks = models.JSONField(help_text="[[section, text], …] in reading order.")
    fetched_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.page} at {self.fetched_at:%Y-%m-%d %H:%M}"


class Stage(models.TextChoices):
    FETCH = "fetch"
    DIFF = "diff"
    REASON = "reason"
    CLASSIFY = "classify"
    ROUTE = "route"
    PUBLISH = "publish"


class StageStatus(models.TextChoices):
    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


class RunStatus(models.TextChoices):
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class Run(StreamedModel):
    """One pass over a vendor's pages; at most one runs per vendor."""

    id = PublicIdField("run")
    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="runs")
    vendor = models.ForeignKey(Vendor, on_delete=models.CASCADE, related_name="runs")
    status = models.CharField(max_length=10, choices=RunStatus.choices, default=RunStatus.RUNNING)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta(StreamedModel.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["vendor"], condition=models.Q(status=RunStatus.RUNNING), name="monitoring_one_running"
            )
        ]
        indexes = [models.Index(fields=["org", "-started_at"], name="monitoring_run_recent")]
        ordering = ["-started_at", "-id"]

    def __str__(self) -> str:
        return f"{self.vendor} at {self.started_at:%Y-%m-%d %H:%M:%S}"


class RunStage(StreamedModel):
    """One of a run's six stages."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="stages")
    stage = models.CharField(max_length=10, choices=Stage.choices)
    status = models.CharField(max_length=10, choices=StageStatus.choices, default=StageStatus.STARTED)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    started_at = models.DateTimeField(default=timezone.now)

    class Meta(StreamedModel.Meta):
        constraints = [models.UniqueConstraint(fields=["run", "stage"], name="monitoring_one_stage")]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.stage} {self.status}"

    @property
    def org_id(self) -> str:
        return str(self.run.org_id)


class Severity(models.TextChoices):
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"


class State(models.TextChoices):
    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    IN_PROGRESS = "in-progress"
    RESOLVED = "resolved"
    SNOOZED = "snoozed"


TRANSITIONS: dict[str, frozenset[str]] = {
    State.NEW: frozenset({State.ACKNOWLEDGED, State.SNOOZED, State.RESOLVED}),
    State.ACKNOWLEDGED: frozenset({State.IN_PROGRESS, State.SNOOZED, State.RESOLVED}),
    State.IN_PROGRESS: frozenset({State.SNOOZED, State.RESOLVED}),
    State.SNOOZED: frozenset({State.ACKNOWLEDGED, State.RESOLVED, State.NEW}),
    State.RESOLVED: frozenset(),
}
"""Where a report may go from each state; `snoozed → new` is what the end of a snooze does."""


class Resolution(models.TextChoices):
    ACCEPTED = "accepted"
    RENEGOTIATED = "renegotiated"
    REJECTED = "rejected"
    NO_ACTION = "no-action"


class ChangeReport(StreamedModel):
    """What a run found on a vendor's pages, how bad it is, and where its handling stands."""

    id = PublicIdField("chg")
    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="changes")
    vendor = models.ForeignKey(Vendor, on_delete=models.CASCADE, related_name="changes")
    run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, blank=True, related_name="changes")
    severity = models.CharField(max_length=2, choices=Severity.choices)
    headline = models.CharField(max_length=200)
    why = models.TextField(blank=True, help_text="Which policy or rule set the severity.")
    recommendation = models.TextField(blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.NEW)
    snoozed_until = models.DateTimeField(null=True, blank=True)
    resolution = models.CharField(max_length=12, choices=Resolution.choices, blank=True)
    detected_at = models.DateTimeField(default=timezone.now)

    class Meta(StreamedModel.Meta):
        indexes = [
            models.Index(fields=["org", "-detected_at"], name="monitoring_change_recent"),
            models.Index(fields=["state", "snoozed_until"], name="monitoring_change_snoozed"),
        ]
        ordering = ["-detected_at", "-id"]

    note = ""
    """What the next transition will be recorded with; not a column."""
    moment: datetime | None = None
    """When the next transition happens, for whoever has a clock of its own; not a column."""

    def __str__(self) -> str:
        return self.headline

    def clean(self) -> None:
        """Refuse a transition that is not allowed, as a form error."""
        super().clean()
        was, until = stored_state(type(self).objects.filter(pk=self.pk))
        check_transition(was, self.state, snoozed_until=until, at=self.moment)
        if self.state == State.SNOOZED and self.snoozed_until is None:
            raise ValidationError({"snoozed_until": "Say until when."})
        if self.state == State.RESOLVED and not self.resolution:
            raise ValidationError({"resolution": "Say how it was resolved."})

    def save(self, *args: Any, using: str | None = None, **kwargs: Any) -> None:
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using, savepoint=False):
            rows = type(self).objects.using(using).select_for_update(no_key=True)
            was, until = stored_state(rows.filter(pk=self.pk))
            written = kwargs.get("update_fields")
            if written is None or "state" in written:
                check_transition(was, self.state, snoozed_until=until, at=self.moment)
            super().save(*args, using=using, **kwargs)
            now = type(self).objects.using(using).values_list("state", flat=True).get(pk=self.pk)
            if was is not None and now != was:
                ChangeTransition(
                    report=self, from_state=was, to_state=now, by=actor_id(), note=self.note, at=timezone.now()
                ).save(using=using)


def stored_state(rows: models.QuerySet[ChangeReport]) -> tuple[str | None, datetime | None]:
    """Return the state of a report as the database has it, and until when it is snoozed."""
    return rows.values_list("state", "snoozed_until").first() or (None, None)


def check_transition(
    was: str | None, to: str, *, snoozed_until: datetime | None = None, at: datetime | None = None
) -> None:
    """Raise `ValidationError` unless a report in state `was` (None: not saved yet) may be saved in state `to`.

    A snoozed report becomes new by the end of its snooze and by nobody's hand before.
    """
    ended = snoozed_until is not None and snoozed_until <= (at or timezone.now())
    early = was == State.SNOOZED and to == State.NEW and not ended
    if was is None or was == to or (to in TRANSITIONS[was] and not early):
        return
    allowed = ", ".join(sorted(TRANSITIONS[was] - ({State.NEW} if early else set())))
    way = f"it can become {allowed}" if allowed else "it stays as it is"
    raise ValidationError({"state": f"A change that is {was} cannot become {to}; {way}."})


class Category(models.TextChoices):
    DATA = "data"
    PRICING = "pricing"
    SUBPROCESSOR = "subprocessor"
    TERMS = "terms"
    SLA = "sla"
    SECURITY = "security"


class Materiality(models.TextChoices):
    MATERIAL = "material"
    MINOR = "minor"
    COSMETIC = "cosmetic"


class Change(models.Model):
    """One changed clause of a report."""

    report = models.ForeignKey(ChangeReport, on_delete=models.CASCADE, related_name="changes")
    page = models.ForeignKey(VendorPage, on_delete=models.SET_NULL, null=True, blank=True)
    category = models.CharField(max_length=12, choices=Category.choices)
    materiality = models.CharField(max_length=8, choices=Materiality.choices)
    section = models.CharField(max_length=300, blank=True)
    summary = models.TextField()
    before = models.TextField(blank=True)
    after = models.TextField(blank=True)
    ops = models.JSONField(default=list, help_text='[["equal" | "insert" | "delete", text], …] by word.')
    citations = models.JSONField(default=list, help_text="[{quote, section, url, fetchedAt}, …]")

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.category}: {self.summary}"


class ChangeTransition(StreamedModel):
    """A step in a report's life: what the stream announces as `change.stateChanged`."""

    report = models.ForeignKey(ChangeReport, on_delete=models.CASCADE, related_name="transitions")
    from_state = models.CharField(max_length=12, choices=State.choices)
    to_state = models.CharField(max_length=12, choices=State.choices)
    by = models.CharField(max_length=64, help_text="The id of who acted; usr_system where nobody did.")
    note = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta(StreamedModel.Meta):
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"

    @property
    def org_id(self) -> str:
        return str(self.report.org_id)


class ActionKind(models.TextChoices):
    SLACK = "slack"
    JIRA = "jira"
    EMAIL = "email"
    CALENDAR = "calendar"
    PAYMENT = "payment"


class ActionStatus(models.TextChoices):
    QUEUED = "queued"
    DELIVERED = "delivered"
    FAILED = "failed"


class Policy(models.Model):
    """What the org cares about: which changes get which severity, and who is told how."""

    id = PublicIdField("pol")
    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="policies")
    name = models.CharField(max_length=120)
    categories = models.JSONField(default=list, blank=True, help_text="Categories it applies to; empty for all.")
    materiality = models.CharField(max_length=8, choices=Materiality.choices, default=Materiality.MATERIAL)
    keywords = models.JSONField(default=list, blank=True, help_text="Any of these words; empty for all changes.")
    severity = models.CharField(max_length=2, choices=Severity.choices, default=Severity.P2)
    routes = models.JSONField(default=list, blank=True, help_text='[{"kind": "email", "target": "…"}, …]')
    recommendation = models.TextField(blank=True)
    is_active = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "policies"
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        if not set(map(str, self.categories)) <= set(Category.values):
            raise ValidationError({"categories": f"Choose from {', '.join(Category.values)}."})
        for route in self.routes:
            if not isinstance(route, dict) or route.get("kind") not in ActionKind.values:
                raise ValidationError({"routes": f"Each needs a kind ({', '.join(ActionKind.values)}) and a target."})


class Action(StreamedModel):
    """Something that was done about a report: a message sent, a ticket opened."""

    id = PublicIdField("act")
    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="actions")
    report = models.ForeignKey(ChangeReport, on_delete=models.CASCADE, related_name="actions")
    kind = models.CharField(max_length=8, choices=ActionKind.choices)
    target = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=9, choices=ActionStatus.choices, default=ActionStatus.QUEUED)
    external_id = models.CharField(max_length=255, blank=True)
    reason = models.CharField(max_length=500, blank=True, help_text="Why it failed.")
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta(StreamedModel.Meta):
        indexes = [models.Index(fields=["org", "-created_at"], name="monitoring_action_recent")]
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.status}"


class Entitlement(StreamedModel):
    """What the org has bought."""

    org = models.OneToOneField(Org, on_delete=models.CASCADE, related_name="entitlement")
    compliance_pack = models.BooleanField(default=False)
    auditor_portal = models.BooleanField(default=False)
    changed_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"entitlements of {self.org}"
