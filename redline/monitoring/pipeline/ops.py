"""One clause's way from before to after, word by word.

Promises: `equal` and `insert` together are the new text to the letter, `equal` and `delete` the old one but for spaces.
What is not alike at all, and very long, comes out as one deletion and one insertion rather than late.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from diff_match_patch import diff_match_patch

from redline.monitoring.pipeline.document import Token, tokens

Op = tuple[Literal["equal", "insert", "delete"], str]
_OP_NAMES: dict[int, Literal["equal", "insert", "delete"]] = {0: "equal", 1: "insert", -1: "delete"}

# 14,000 shuffled words would take more than 5 s to no reader's profit.
_SECONDS_A_PAIR = 0.2


def word_ops(before: str, after: str) -> tuple[Op, ...]:
    """The steps from one text to the other, by word. `equal` and `insert` together are `after`, to the letter."""
    if not before or not after:
        return tuple(op for op in (("delete", before), ("insert", after)) if op[1])
    old, new = tokens(before), tokens(after)
    codes: dict[str, str] = {}
    differ = diff_match_patch()
    differ.Diff_Timeout = _SECONDS_A_PAIR
    diffs = differ.diff_main(_encoded(old, codes), _encoded(new, codes), False)
    differ.diff_cleanupSemantic(diffs)
    return tuple(_spelled(diffs, old, new))


def _encoded(sequence: Iterable[Token], codes: dict[str, str]) -> str:
    # From the supplementary planes: a million codes, no surrogates, and a 2 MiB page cannot hold as many words.
    return "".join(codes.setdefault(token.word, chr(0x10000 + len(codes))) for token in sequence)


def _spelled(diffs: Iterable[tuple[int, str]], old: Sequence[Token], new: Sequence[Token]) -> list[Op]:
    ops: list[Op] = []
    left = right = 0
    for step, chars in diffs:
        count = len(chars)
        shown = old[left : left + count] if step < 0 else new[right : right + count]
        if step == 0 and ops and ops[-1][0] == "delete" and not shown[0].shown[:1].isspace():
            # What followed the deleted words now opens the clause; the space between them went with the words.
            ops[-1] = ("delete", ops[-1][1] + _space_before(old[left]))
        left += count * (step <= 0)
        right += count * (step >= 0)
        ops.append((_OP_NAMES[step], "".join(token.shown for token in shown)))
    return ops


def _space_before(token: Token) -> str:
    return token.shown[: len(token.shown) - len(token.shown.lstrip())]
