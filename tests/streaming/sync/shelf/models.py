"""A streamed model with a child by multi-table inheritance and a proxy; users of other kinds than the product's."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import models

from streaming import StreamedModel


class Shelf(models.Model):
    """Something that items point to and that nobody announces."""

    class Meta:
        app_label = "shelf"

    def __str__(self) -> str:
        return f"shelf {self.pk}"


class Item(StreamedModel):
    org_id = models.CharField(max_length=40)
    label = models.CharField(max_length=80, default="")
    turn = models.IntegerField(default=0)
    place = models.ForeignKey(Shelf, on_delete=models.SET_NULL, null=True)

    class Meta(StreamedModel.Meta):
        app_label = "shelf"


class Book(Item):
    """Has a table of its own beside its parent's."""

    pages = models.IntegerField(default=0)

    class Meta(StreamedModel.Meta):
        app_label = "shelf"


class Leaflet(Item):
    """Has no table."""

    class Meta(StreamedModel.Meta):
        app_label = "shelf"
        proxy = True


class Reader(get_user_model()):  # type: ignore[misc]
    """The product's users by another name."""

    class Meta:
        app_label = "shelf"
        proxy = True

    def __str__(self) -> str:
        return f"reader {self.pk}"


class Guest(AbstractBaseUser):
    """A user who can be no other than active."""

    name = models.CharField(max_length=80, unique=True)
    USERNAME_FIELD = "name"

    class Meta:
        app_label = "shelf"

    def __str__(self) -> str:
        return self.name
