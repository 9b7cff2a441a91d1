"""What the demo org cares about: six policies, with routes that deliver and one that fails for a true reason."""

from __future__ import annotations

from dataclasses import dataclass

from redline.demo import receivers
from redline.monitoring.models import ActionKind, Category, Materiality, Policy, Severity
from redline.workspaces.models import Org


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPolicy:
    """`routes` are (kind, target); a target that begins with `/` is a path of the vendors' server."""

    name: str
    categories: tuple[Category, ...]
    severity: Severity
    routes: tuple[tuple[ActionKind, str], ...]
    recommendation: str
    materiality: Materiality = Materiality.MATERIAL


POLICIES = (
    DemoPolicy(
        name="Personal data",
        categories=(Category.DATA,),
        severity=Severity.P1,
        routes=((ActionKind.SLACK, receivers.SLACK), (ActionKind.EMAIL, "privacy@acme.example")),
        recommendation="Update the record of processing, and check the change against the data processing agreement.",
    ),
    DemoPolicy(
        name="New sub-processors",
        categories=(Category.SUBPROCESSOR,),
        severity=Severity.P2,
        routes=((ActionKind.JIRA, receivers.TICKETS), (ActionKind.EMAIL, "privacy@acme.example")),
        recommendation="Assess the company within the objection period; object in writing where no contract covers it.",
    ),
    DemoPolicy(
        name="Prices",
        categories=(Category.PRICING,),
        severity=Severity.P2,
        routes=((ActionKind.EMAIL, "procurement@acme.example"),),
        recommendation="Compare with the order form; running contracts change at renewal only.",
    ),
    DemoPolicy(
        name="Service levels",
        categories=(Category.SLA,),
        severity=Severity.P2,
        routes=((ActionKind.SLACK, receivers.SLACK), (ActionKind.JIRA, receivers.TICKETS)),
        recommendation="Check which of our own promises rest on this one.",
    ),
    DemoPolicy(
        name="Security measures",
        categories=(Category.SECURITY,),
        severity=Severity.P2,
        routes=((ActionKind.SLACK, receivers.ARCHIVED), (ActionKind.EMAIL, "security@acme.example")),
        recommendation="Ask the vendor for the reason, and review the assessment of this vendor.",
    ),
    DemoPolicy(
        name="Terms and wording",
        categories=(Category.TERMS,),
        severity=Severity.P3,
        materiality=Materiality.MINOR,
        routes=((ActionKind.EMAIL, "legal@acme.example"),),
        recommendation="Read the clause before the next renewal.",
    ),
)


def make(org: Org, *, sites_url: str) -> None:
    """Make what is missing, and point the routes at where the receivers are now; what users changed else stays."""
    for policy in POLICIES:
        row = Policy.objects.filter(org=org, name=policy.name).first() or Policy(
            org=org,
            name=policy.name,
            categories=[category.value for category in policy.categories],
            severity=policy.severity,
            materiality=policy.materiality,
            recommendation=policy.recommendation,
        )
        row.routes = [{"kind": kind.value, "target": _address(target, sites_url)} for kind, target in policy.routes]
        row.save()


def _address(target: str, sites_url: str) -> str:
    return f"{sites_url}{target}" if target.startswith("/") else target
