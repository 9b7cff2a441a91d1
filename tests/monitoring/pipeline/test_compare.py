"""Clauses pair as a reader would pair them, and no changed word escapes."""

from __future__ import annotations

import random
import time
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from redline.monitoring.pipeline.compare import Change, compare
from redline.monitoring.pipeline.document import Block, Document, words
from redline.monitoring.pipeline.ops import word_ops

CLAUSE = st.lists(st.sampled_from("we you may not share keep data for 30 90 days the of fee , .".split()), max_size=12)
PAGE = st.lists(CLAUSE, max_size=7)


def document(*texts: str, section: str = "S") -> Document:
    return Document(blocks=tuple(Block(section=section, text=text) for text in texts))


def from_words(clauses: list[list[str]]) -> Document:
    return document(*(" ".join(clause) for clause in clauses))


def sides(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.before, change.after) for change in changes]


def counted(document: Document) -> Counter[str]:
    return Counter(word for block in document.blocks for word in words(block.text))


@given(PAGE, PAGE)
def test_every_word_that_is_gone_or_new_is_in_some_change(old: list[list[str]], new: list[list[str]]) -> None:
    one, other = from_words(old), from_words(new)
    net: Counter[str] = Counter()
    for change in compare(one, other):
        for kind, text in change.ops:
            for word in words(text):
                net[word] += {"insert": 1, "delete": -1, "equal": 0}[kind]
    expected = counted(other)
    expected.subtract(counted(one))
    assert {word: count for word, count in net.items() if count} == {w: c for w, c in expected.items() if c}


@given(PAGE, st.randoms())
def test_clauses_that_only_moved_are_no_change(clauses: list[list[str]], dice: random.Random) -> None:
    moved = list(clauses)
    dice.shuffle(moved)
    assert compare(from_words(clauses), from_words(moved)) == []


@given(PAGE, st.data())
def test_the_same_words_cut_into_other_blocks_are_no_change(clauses: list[list[str]], draw: st.DataObject) -> None:
    flat = [word for clause in clauses for word in clause]
    cut = sorted(draw.draw(st.lists(st.integers(0, len(flat)), max_size=5)))
    again = [flat[start:end] for start, end in zip([0, *cut], [*cut, len(flat)], strict=True)]
    assert compare(from_words([flat]), from_words(again)) == []


@given(CLAUSE, CLAUSE)
def test_the_ops_spell_both_sides(old: list[str], new: list[str]) -> None:
    before, after = " ".join(old), " ".join(new)
    ops = word_ops(before, after)
    assert "".join(text for kind, text in ops if kind != "delete") == after
    assert words("".join(text for kind, text in ops if kind != "insert")) == words(before)


def test_a_changed_number_is_one_change_by_word() -> None:
    old = document("Intro.", "We keep your data for 90 days after closure.", "End.")
    new = document("Intro.", "We keep your data for 30 days after closure.", "End.")
    [change] = compare(old, new)
    assert change == Change(
        section="S",
        before="We keep your data for 90 days after closure.",
        after="We keep your data for 30 days after closure.",
        ops=(
            ("equal", "We keep your data for"),
            ("delete", " 90"),
            ("insert", " 30"),
            ("equal", " days after closure."),
        ),
    )


def test_an_addition_and_a_removal_have_one_empty_side() -> None:
    changes = compare(
        document("Kept.", "Old clause about refunds."), document("Kept.", "Rates of hosting vary weekly.")
    )
    assert sides(changes) == [("", "Rates of hosting vary weekly."), ("Old clause about refunds.", "")]


def test_each_changed_clause_finds_its_own_former_self() -> None:
    old = document("Basic plan: $10 per user", "Team plan: $20 per user", "Enterprise plan: ask sales")
    new = document(
        "Basic plan: $12 per user", "Starter plan: $5 per user", "Team plan: $25 per user", "Enterprise plan: ask us"
    )
    assert sides(compare(old, new)) == [
        ("Basic plan: $10 per user", "Basic plan: $12 per user"),
        ("", "Starter plan: $5 per user"),
        ("Team plan: $20 per user", "Team plan: $25 per user"),
        ("Enterprise plan: ask sales", "Enterprise plan: ask us"),
    ]


def test_a_clause_that_moved_and_changed_is_one_change() -> None:
    clause = "Either party may terminate this agreement on {} days written notice to the other party."
    old = document(clause.format(30), *(f"Filler clause number {n} stays." for n in range(9)))
    new = document(*(f"Filler clause number {n} stays." for n in range(9)), clause.format(90))
    assert sides(compare(old, new)) == [(clause.format(30), clause.format(90))]


def test_a_clause_that_was_split_and_edited_stays_one_change() -> None:
    old = document("Intro.", "We keep logs for 90 days. We share logs with our auditors once a year.", "End.")
    new = document("Intro.", "We keep logs for 30 days.", "We share logs with our auditors once a year.", "End.")
    [change] = compare(old, new)
    assert change.after == "We keep logs for 30 days.\nWe share logs with our auditors once a year."
    assert [op for op in change.ops if op[0] != "equal"] == [("delete", " 90"), ("insert", " 30")]


def test_of_two_equal_clauses_the_one_in_the_changed_section_is_reported() -> None:
    blocks = [Block(section="A", text="Fee: $10"), Block(section="B", text="Fee: $10")]
    old, new = Document(blocks=tuple(blocks)), Document(blocks=(Block(section="A", text="Fee: $20"), blocks[1]))
    assert [(change.section, change.before, change.after) for change in compare(old, new)] == [
        ("A", "Fee: $10", "Fee: $20")
    ]


def test_a_deleted_opening_keeps_its_space() -> None:
    [change] = compare(document("Additionally, you may leave."), document("you may leave."))
    assert change.ops == (("delete", "Additionally, "), ("equal", "you may leave."))


def prose(dice: random.Random, blocks: int, size: int) -> list[str]:
    common = ["the", "of", "and", "you", "we", "may", "shall"]
    rare = ["".join(dice.choices("abcdefghijklmnop", k=7)) for _ in range(2500)]
    return [" ".join(dice.choice(common if dice.random() < 0.4 else rare) for _ in range(size)) for _ in range(blocks)]


def test_14_000_words_take_a_few_seconds_at_most_edited_rewritten_or_in_one_block() -> None:
    dice = random.Random(7)
    page = prose(dice, 280, 50)
    edited = [text.replace(" the ", " every ", 1) if number % 6 == 0 else text for number, text in enumerate(page)]
    cases = {
        "edited": (page, edited),
        "rewritten": (page, prose(dice, 280, 50)),
        "one block": ([" ".join(page)], [" ".join(edited)]),
        "one block rewritten": ([" ".join(page)], [" ".join(prose(dice, 280, 50))]),
        "one block shuffled": ([" ".join(page)], [" ".join(dice.sample(" ".join(page).split(), 14_000))]),
        "markup lost": (page, [" ".join(edited)]),
        "many lines rewritten": (prose(dice, 2800, 5), prose(dice, 2800, 5)),
    }
    took = {}
    for name, (old, new) in cases.items():
        started = time.process_time()
        assert compare(document(*old), document(*new))
        took[name] = round(time.process_time() - started, 3)
    assert max(took.values()) < 5, took
