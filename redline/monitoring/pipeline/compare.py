"""What changed between two documents, as a reader would put it: this clause became that one.

Blocks with equal words cancel out wherever they stand, so a clause that merely moved is no change. What is left is
paired by the words in common, in place first; a clause that was split or joined stays one change; the rest is an
addition or a removal. Only pairs are diffed by word. Promises: every word that is gone or new is in some change,
however the pairs fall. Refuses to diff whole texts by word: difflib took 19.9 s on 14,000 words, this takes 0.1 s.
(A line diff first, as is usual, was rejected: it finds nothing that counting equal blocks does not, and its work
explodes on a page that was rewritten.)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from redline.monitoring.pipeline.document import Block, Document, words
from redline.monitoring.pipeline.ops import Op, word_ops

# How alike two blocks must be to be one changed block: in the same place, and anywhere.
_ALIKE_IN_PLACE = 0.15
_ALIKE_ANYWHERE = 0.6
_COMMON = frozenset(
    "a an and any are as at be by for from has have if in is it its may no not of on or our shall such that the their "
    "these they this to us was we which will with you your".split(" ")
)
# A leftover belongs to its neighbour's change if so much of it was there, or is there now.
_ABSORBED = 0.6
# Beyond this many pairs (a full second's work), only blocks at a like position are compared.
_ALL_PAIRS = 250_000
_LIKE_POSITION = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One clause before and after; an addition has no `before`, a removal no `after`."""

    section: str
    before: str
    after: str
    ops: tuple[Op, ...]


@dataclass(slots=True, kw_only=True, eq=False)
class _Piece:
    """A block that has no equal on the other side."""

    position: int
    block: Block
    words: tuple[str, ...]
    telling: frozenset[str]
    after: int | None = None  # the matched pair before it
    until: int | None = None  # the matched pair behind it


@dataclass(slots=True, kw_only=True, eq=False)
class _Group:
    old: list[_Piece]
    new: list[_Piece]


def compare(old: Document, new: Document) -> list[Change]:
    """The changes in the order of the new document."""
    gone, come = _unmatched(old.blocks, new.blocks)
    gone, come = _without_rearranged(gone, come)
    groups = _pair(gone, come)
    _absorb(groups, gone, come)
    paired = {id(piece) for group in groups for piece in (*group.old, *group.new)}
    groups += [_Group(old=[piece], new=[]) for piece in gone if id(piece) not in paired]
    groups += [_Group(old=[], new=[piece]) for piece in come if id(piece) not in paired]
    return [change for group in sorted(groups, key=_place) if (change := _change(group))]


def _unmatched(old: Sequence[Block], new: Sequence[Block]) -> tuple[list[_Piece], list[_Piece]]:
    """The blocks of each side whose words the other side does not have."""
    old_words = [words(block.text) for block in old]
    new_words = [words(block.text) for block in new]
    matches = _matches(old, old_words, new, new_words)
    pair_of_old = {left: number for number, (left, _) in enumerate(matches)}
    pair_of_new = {right: number for number, (_, right) in enumerate(matches)}
    return _pieces(old, old_words, pair_of_old), _pieces(new, new_words, pair_of_new)


def _matches(
    old: Sequence[Block], old_words: list[tuple[str, ...]], new: Sequence[Block], new_words: list[tuple[str, ...]]
) -> list[tuple[int, int]]:
    """Pairs of positions with equal words: the same section first, then anywhere."""
    found: dict[int, int] = {}
    for by_section in (True, False):
        waiting: dict[object, list[int]] = defaultdict(list)
        taken = set(found.values())
        for position in reversed(range(len(old))):
            if position not in taken:
                waiting[_identity(old[position], old_words[position], by_section)].append(position)
        for position in range(len(new)):
            key = _identity(new[position], new_words[position], by_section)
            if position not in found and waiting[key]:
                found[position] = waiting[key].pop()
    return sorted((left, right) for right, left in found.items())


def _identity(block: Block, block_words: tuple[str, ...], by_section: bool) -> object:
    return (block.section, block_words) if by_section else block_words


def _pieces(blocks: Sequence[Block], all_words: list[tuple[str, ...]], pairs: dict[int, int]) -> list[_Piece]:
    pieces: list[_Piece] = []
    last: int | None = -1
    open_pieces: list[_Piece] = []
    for position, block in enumerate(blocks):
        if position in pairs:
            last = pairs[position]
            for piece in open_pieces:
                piece.until = last
            open_pieces = []
        elif all_words[position]:
            telling = _telling(all_words[position])
            piece = _Piece(position=position, block=block, words=all_words[position], telling=telling, after=last)
            pieces.append(piece)
            open_pieces.append(piece)
    return pieces


def _telling(block_words: Iterable[str]) -> frozenset[str]:
    """The words that tell a clause from others; two strangers share "the", "of" and "you"."""
    folded = {word.casefold() for word in block_words if word[0].isalnum()}
    return frozenset(folded - _COMMON or folded or block_words)


def _without_rearranged(gone: list[_Piece], come: list[_Piece]) -> tuple[list[_Piece], list[_Piece]]:
    """Without the places whose words are the same, only cut into other blocks: a list that became a sentence."""
    places: dict[object, tuple[list[_Piece], list[_Piece]]] = defaultdict(lambda: ([], []))
    for side, pieces in enumerate((gone, come)):
        for piece in pieces:
            places[piece.after][side].append(piece)
    same = {place for place, sides in places.items() if _joined_words(sides[0]) == _joined_words(sides[1])}
    return [piece for piece in gone if piece.after not in same], [piece for piece in come if piece.after not in same]


def _joined_words(pieces: Iterable[_Piece]) -> tuple[str, ...]:
    return tuple(word for piece in pieces for word in piece.words)


def _pair(gone: list[_Piece], come: list[_Piece]) -> list[_Group]:
    """Best pairs first; each piece at most once."""
    ranked = sorted(_candidates(gone, come), key=lambda entry: entry[0])
    taken: set[int] = set()
    groups: list[_Group] = []
    for _, left, right in ranked:
        if id(left) not in taken and id(right) not in taken:
            taken |= {id(left), id(right)}
            groups.append(_Group(old=[left], new=[right]))
    return groups


def _candidates(gone: list[_Piece], come: list[_Piece]) -> Iterator[tuple[tuple[float, int], _Piece, _Piece]]:
    reach = len(come) if len(gone) * len(come) <= _ALL_PAIRS else _LIKE_POSITION
    for number, left in enumerate(gone):
        middle = number * len(come) // len(gone)
        for right in come[max(0, middle - reach) : middle + reach]:
            alike = _alikeness(left, right)
            in_place = left.after == right.after or (left.until is not None and left.until == right.until)
            if alike >= (_ALIKE_IN_PLACE if in_place else _ALIKE_ANYWHERE):
                bonus = 0.2 * in_place + 0.1 * (left.block.section == right.block.section)
                yield (-(alike + bonus), abs(left.position - right.position)), left, right


def _alikeness(left: _Piece, right: _Piece) -> float:
    """Shared words of all words, 0 to 1; half as much for a small block that is wholly within a large one."""
    shared = len(left.telling & right.telling)
    if not shared:
        return 0.0
    sizes = len(left.telling), len(right.telling)
    return max(2 * shared / sum(sizes), shared / min(sizes) / 2)


def _absorb(groups: list[_Group], gone: list[_Piece], come: list[_Piece]) -> None:
    """Give a leftover to the change next to it whose other side holds its words: a clause that was cut in two."""
    group_of = {id(piece): group for group in groups for piece in (*group.old, *group.new)}
    for pieces, is_old in ((gone, True), (come, False)):
        at = {piece.position: piece for piece in pieces}
        spares: dict[int, Counter[str]] = {}
        # There and back, so that a run of leftovers joins from whichever end the change is at.
        for piece, step in (*((piece, -1) for piece in pieces), *((piece, 1) for piece in reversed(pieces))):
            group = group_of.get(id(at.get(piece.position + step)))
            if group is None or id(piece) in group_of:
                continue
            mine, others = (group.old, group.new) if is_old else (group.new, group.old)
            if id(group) not in spares:
                spares[id(group)] = Counter(_joined_words(others)) - Counter(_joined_words(mine))
            if _take(piece, spares[id(group)]):
                mine.append(piece)
                group_of[id(piece)] = group
    for group in groups:
        group.old.sort(key=lambda piece: piece.position)
        group.new.sort(key=lambda piece: piece.position)


def _take(piece: _Piece, spare: Counter[str]) -> bool:
    """Whether enough of the piece is among the spare words, which are then spent."""
    wanted = Counter(piece.words)
    if sum(max(0, min(count, spare[word])) for word, count in wanted.items()) < _ABSORBED * len(piece.words):
        return False
    spare.subtract(wanted)
    return True


def _place(group: _Group) -> tuple[float, int]:
    if group.new:
        return group.new[0].position, 0
    first = group.old[0]
    return first.position, 1


def _change(group: _Group) -> Change | None:
    before = "\n".join(piece.block.text for piece in group.old)
    after = "\n".join(piece.block.text for piece in group.new)
    if _joined_words(group.old) == _joined_words(group.new):
        return None
    section = (group.new or group.old)[0].block.section
    return Change(section=section, before=before, after=after, ops=word_ops(before, after))
