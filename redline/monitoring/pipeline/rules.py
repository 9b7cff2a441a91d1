"""The table that sorts changes into categories: what a lawyer looks for, in words that a lawyer can amend.

A rule belongs to a category and to a topic, which opens the summary ("Retention: …"). Its phrases are matched in any
case, as whole words; `*` stands for any ending, `#` for a number. Weight 1 is a hint, 3 is plain, 5 settles it. A
page's kind is a prior: points for its own category before any word is read.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from redline.monitoring.pipeline.finding import Category, PageKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Phrases that speak for a category."""

    category: Category
    topic: str
    weight: int
    phrases: str

    def found(self, text: str) -> tuple[str, ...]:
        """The matched words, once each, in order."""
        return tuple(dict.fromkeys(match[0].casefold() for match in _pattern(self.phrases).finditer(text)))


# fmt: off
_TABLE: dict[Category, tuple[tuple[str, int, str], ...]] = {
    "data": (
        ("Retention", 5, "retain*, retention, kept for, store* for, delet* your data, erasure, purge*"),
        ("Use of data", 3, "personal data, personal information, customer data, user content, your content, collect*"),
        ("Sharing of data", 4, "sell your, sell personal, share your, share information, share data, disclose*"),
        ("Sharing of data", 3, "third party, third parties"),
        ("Model training", 5, "train* models, train* our, machine learning, artificial intelligence"),
        ("Place of processing", 4, "data residency, international transfer*, transferred outside, adequacy decision"),
        ("Place of processing", 4, "standard contractual clauses, privacy framework, EEA"),
        ("Data rights", 4, "GDPR, CCPA, data subject*, right to access, right to erasure, opt out, consent"),
        ("Data rights", 3, "data protection, data processing, controller"),
        ("Tracking", 3, "cookie*, tracking, tracker*, analytics, telemetry, advertis*, IP address*, pixels"),
        ("Privacy", 2, "privacy"),
    ),
    "pricing": (
        ("Price", 5, "price*, pricing, per user, per seat, per month, per year, list price, rate card"),
        ("Price", 4, "$#, €#, £#, USD, EUR, GBP"),
        ("Fees", 4, "fee, fees, charge*, surcharge*, overage*, late payment, setup cost*, VAT, taxes"),
        ("Billing", 3, "billed, billing, invoice*, payment*, payable, refund*, discount*, credit card*"),
        ("Plans", 3, "free plan, free tier, free trial, trial period, plan, plans, subscription*"),
        ("Plans", 3, "quota*, usage limit*"),
    ),
    "subprocessor": (
        ("Sub-processors", 5, "sub-processor*, sub-contractor*"),
        ("Sub-processors", 3, "service provider*, hosting provider*, infrastructure provider*, on our behalf"),
    ),
    "sla": (
        ("Availability", 5, "uptime, downtime, availability, service level*, SLA, monthly uptime percentage"),
        ("Service credits", 5, "service credit*"),
        ("Support", 4, "response time*, resolution time*, support hours, business hours"),
        ("Support", 4, "first response, priority support"),
        ("Maintenance", 4, "maintenance window*, scheduled maintenance, planned maintenance"),
        ("Recovery", 4, "recovery time objective, recovery point objective, RTO, RPO"),
    ),
    "security": (
        ("Encryption", 5, "encrypt*, TLS, AES, key management, at rest, in transit"),
        ("Incidents", 5, "security incident*, data breach*, personal data breach, breach notification"),
        ("Vulnerabilities", 5, "vulnerabilit*, responsible disclosure, coordinated disclosure, bug bounty, exploit*"),
        ("Certification", 5, "SOC 2, SOC 1, ISO 27001, ISO/IEC 27001, PCI DSS, HIPAA"),
        ("Certification", 5, "penetration test*, certification*"),
        ("Access control", 4, "multi-factor, two-factor, 2FA, MFA, single sign-on, SSO"),
        ("Access control", 4, "access control*, audit log*, password*"),
        ("Safeguards", 4, "malware, malicious, backups"),
        ("Security", 2, "security, secure"),
    ),
    "terms": (
        ("Liability", 5, "liab*, damages, indemni*, hold harmless, consequential"),
        ("Termination", 5, "terminat*, suspend*, suspension, cancel*"),
        ("Disputes", 5, "arbitrat*, dispute*, governing law, governed by the law*, jurisdiction"),
        ("Disputes", 5, "class action*, venue, courts of"),
        ("Warranty", 4, "warrant*, as is, merchantability, fitness for a particular purpose, disclaim*"),
        ("Licence", 4, "licen*, sublicens*, copyright*, intellectual property, trademark*, patent*, royalt*"),
        ("Licence", 3, "redistribut*, derivative work*"),
        ("Renewal", 4, "renew*, auto-renew*, term of this agreement, notice period, initial term"),
        ("Amendment", 4, "amend*, modify these terms, change these terms, changes to these terms, prior notice"),
        ("Acceptable use", 3, "acceptable use, prohibited, you may not, you must not, abuse, harass*, violat*"),
        ("Acceptable use", 3, "code of conduct"),
        ("Agreement", 2, "agreement, terms, conditions, party, parties, assign, confidential*, force majeure, policy"),
    ),
}
# fmt: on

RULES = tuple(
    Rule(category=category, topic=topic, weight=weight, phrases=phrases)
    for category, rows in _TABLE.items()
    for topic, weight, phrases in rows
)

PRIORS: dict[PageKind, tuple[Category, int]] = {
    "terms": ("terms", 6),
    "privacy": ("data", 6),
    "pricing": ("pricing", 8),
    "subprocessors": ("subprocessor", 14),
    "sla": ("sla", 8),
    "security": ("security", 6),
}

# A word in what changed counts three times, in the heading above it twice, in the rest of the clause once.
CHANGED, HEADING, CLAUSE = 3, 2, 1


@functools.cache
def _pattern(phrases: str) -> re.Pattern[str]:
    alternatives = [
        re.escape(phrase.strip())
        .replace(r"\*", r"\w*")
        .replace(r"\ ", r"[\s-]+")
        .replace(r"\-", r"[\s-]?")
        .replace(r"\#", r"\s?[\d.,]+")
        for phrase in phrases.split(",")
    ]
    return re.compile(rf"(?<!\w)(?:{'|'.join(alternatives)})(?!\w)", re.IGNORECASE)
