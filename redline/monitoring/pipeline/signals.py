"""What makes a change material: the table of things whose change a contract's reader must hear of.

Each signal lists what it finds in a text, in order; it has fired when the lists before and after differ. So a clause
that is reworded around the same numbers, duties and exceptions stays minor, and two numbers that changed places do not.
The patterns are data, to be read and amended by people who read contracts: any case, whole words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """`name` completes "material, because …"; `weight` ranks signals for the summary.

    `exact`: punctuation counts, as between `1.000` and `1,000`. Elsewhere a hyphen or a capital more is no signal.
    """

    name: str
    weight: int
    pattern: re.Pattern[str]
    exact: bool = False

    def found(self, text: str) -> tuple[str, ...]:
        matches = (match[0].casefold() for match in self.pattern.finditer(_without_references(text)))
        return tuple(" ".join(match.split()) if self.exact else re.sub(r"[\W_]+", "", match) for match in matches)


def _words(text: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(text.split())})\b", re.IGNORECASE)


_NUMBER_WORDS = (
    "two three four five six seven eight nine ten eleven twelve fourteen fifteen twenty thirty forty-?five sixty "
    "ninety hundred thousand million billion half twice double triple"
).replace(" ", "|")

SIGNALS = (
    Signal(
        name="an amount changed",
        weight=5,
        exact=True,
        pattern=re.compile(
            rf"(?:[$€£¥₹]|\b(?:USD|EUR|GBP|CHF))?\s?\d+(?:[.,:]\d+)*(?:\s?(?:%|‰|percent\b|[$€£]|(?:USD|EUR|GBP|CHF)\b))?"
            rf"|\bone(?=\s+(?:\(1\)|business|calendar|hour|day|week|month|year)\b)|\b(?:{_NUMBER_WORDS})\b(?!\s+of\s+(?:the|our|your|these|those|its)\b)",
            re.IGNORECASE,
        ),
    ),
    Signal(
        name="a period changed",
        weight=4,
        pattern=_words(
            r"business\s+days? calendar\s+days? seconds? minutes? hours? days? weeks? months? quarters? years? hourly "
            r"daily weekly monthly quarterly annual annually yearly biennial immediately promptly indefinitely "
            r"perpetual perpetually without\s+undue\s+delay at\s+any\s+time without\s+notice prior\s+notice"
        ),
    ),
    Signal(
        name="an exception or negation changed",
        weight=4,
        pattern=_words(
            r"no not cannot never none nor neither without except excepting excluding unless only solely "
            r"notwithstanding exempt [a-z]+n['’]t"
        ),
    ),
    Signal(
        name="a duty or permission changed",
        weight=4,
        # "May 2026" is a month, not a permission.
        pattern=re.compile(
            r"\b(?:must|may(?!\s+(?:\d|of\b))|shall|will|should|required?|requires|obligat\w+|oblig\w+|prohibit\w*"
            r"|forbid\w*|forbidden|permit\w*|entitle\w*|allowed|reserves?\s+the\s+right|sole\s+discretion|best\s+efforts?"
            r"|(?:commercially\s+)?reasonable\s+efforts?|guarantee\w*|at\s+our\s+discretion)\b",
            re.IGNORECASE,
        ),
    ),
    Signal(
        name="a weighty word changed",
        weight=3,
        pattern=_words(
            r"sell sells selling sold share shares sharing shared disclos\w+ transfer\w* retain\w* retention delet\w+ "
            r"eras\w+ anonymi[sz]\w+ consent\w* opt[\s-]out opt[\s-]in third[\s-]part(?:y|ies) affiliates? "
            r"sub-?processors? subcontractors? indemni\w+ liab\w+ warrant\w+ disclaim\w* terminat\w+ suspen\w+ "
            r"arbitrat\w+ waiv\w+ class\s+actions? jurisdiction governing\s+law exclusive\w* irrevocabl\w+ royalt\w+ "
            r"licen[sc]\w+ sublicens\w+ assign\w* auto(?:matic(?:ally)?)?[\s-]renew\w* renew\w* refund\w* fees? "
            r"surcharge\w* penalt\w+ encrypt\w+ breach\w* notif\w+ audit\w* train\w* unlimited free confidential\w* "
            r"biometric\w* children minors? advertis\w+ marketing tracking partners? vendors?"
        ),
    ),
    Signal(
        name="a company is named",
        weight=5,
        pattern=re.compile(
            r"\b(?:[A-Z][\w&.'’-]*,?\s+){1,4}(?:Inc|LLC|LLP|Ltd|Limited|GmbH|AG|SE|SAS|S\.?A\.?(?:R\.?L\.?)?|B\.?V\.?"
            r"|N\.?V\.?|PLC|Corp|Corporation|Pty|Oy|AB|ApS|A/S|K\.?K\.?|Co)(?!\w)",
        ),
    ),
)

# A further number that names a place in a document, the day it was touched, or its copyright, is no amount.
_REFERENCE = re.compile(
    r"(?:\b(?:sections?|clauses?|articles?|paragraphs?|exhibits?|schedules?|appendix|annex|chapters?|version|figure)|§+)"
    r"\s*\d+(?:\.\d+)*(?:\s*\([a-z\d]+\))*"
    r"|\b(?:last\s+(?:updated|modified|revised|reviewed|changed)|updated\s+on|revised\s+on)\b[^.;|\n]*"
    r"|(?:©|\(c\)|\bcopyright\b)[^.;|\n]{0,40}?\d{4}(?:\s*[-–—,]\s*(?:\d{4}|present))*"
    r"|^\d+(?:\.\d+)*[.)]\s+",
    re.IGNORECASE | re.MULTILINE,
)


def _without_references(text: str) -> str:
    return _REFERENCE.sub(" ", text)


def fired(before: str, after: str) -> tuple[Signal, ...]:
    """The signals that tell the two texts apart, in the table's order."""
    return tuple(signal for signal in SIGNALS if signal.found(before) != signal.found(after))
