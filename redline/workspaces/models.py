"""Orgs, users and memberships; everything else in Redline belongs to an org."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from redline.ids import PublicIdField
from streaming import StreamedModel


class User(AbstractUser):
    """A person, or the system itself (`usr_system`, who acts where nobody does)."""

    id = PublicIdField("usr")
    external_id = models.CharField(
        max_length=255,
        unique=True,
        null=True,
        blank=True,
        help_text="The subject by which an identity provider knows this user.",
    )


class Org(models.Model):
    """A company that watches its vendors."""

    id = PublicIdField("org")
    slug = models.SlugField(max_length=40, unique=True, validators=[RegexValidator(r"\A[a-z0-9][a-z0-9-]*\Z")])
    name = models.CharField(max_length=120)
    sandbox_for = models.OneToOneField(
        "self",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="sandbox",
        help_text="The org whose log is replayed here.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return self.name or self.slug


class Role(models.TextChoices):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"

    @property
    def sees_all(self) -> bool:
        return self in (Role.OWNER, Role.ADMIN)

    @property
    def may_act(self) -> bool:
        return self is not Role.VIEWER


class Membership(StreamedModel):
    """A user's place in an org; open streams follow each change of it."""

    org = models.ForeignKey(Org, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta(StreamedModel.Meta):
        abstract = False
        constraints = [models.UniqueConstraint(fields=["org", "user"], name="workspaces_one_membership")]
        ordering = ["created_at", "id"]

    def __str__(self) -> str:
        return f"{self.user} in {self.org} as {self.role}"
