"""When which page is edited."""

from __future__ import annotations

from redline.demo.catalogue import pages
from redline.demo.timeline import Timeline


def revisions(timeline: Timeline, elapsed: float) -> list[int]:
    return [timeline.revision(page, elapsed=elapsed) for page in timeline.pages]


def test_nothing_is_edited_before_readers_have_seen_it_once() -> None:
    assert revisions(Timeline(pages=pages()), 11.99) == [0] * len(pages())


def test_the_first_edit_comes_within_fifteen_seconds() -> None:
    assert sum(revisions(Timeline(pages=pages()), 15)) == 1


def test_edits_come_one_at_a_time_and_take_the_pages_in_turn() -> None:
    timeline = Timeline(pages=pages(), first=12, every=15)
    for number in range(3 * len(pages())):
        before, after = (revisions(timeline, 12 + 15 * number + shift) for shift in (-0.01, 0.01))
        changed = [index for index, (old, new) in enumerate(zip(before, after, strict=True)) if new != old]
        assert changed == [number % len(pages())]


def test_edits_never_run_out() -> None:
    a_week = 7 * 86_400.0
    timeline = Timeline(pages=pages())
    assert sum(revisions(timeline, a_week + 15)) - sum(revisions(timeline, a_week)) == 1


def test_the_time_of_the_last_edit_is_when_the_revision_changed() -> None:
    timeline = Timeline(pages=pages(), first=12, every=15)
    page = pages()[3]
    assert timeline.edited_at(page, elapsed=50) is None
    for elapsed in (60.0, 500.0, 5_000.0):
        edited_at = timeline.edited_at(page, elapsed=elapsed)
        assert edited_at is not None
        assert timeline.revision(page, elapsed=edited_at - 0.01) < timeline.revision(page, elapsed=edited_at)
        assert timeline.revision(page, elapsed=edited_at) == timeline.revision(page, elapsed=elapsed)


def test_a_second_start_carries_on_where_readers_left_each_page() -> None:
    page = pages()[0]
    timeline = Timeline(pages=pages(), begun={page.path: 7}, first=12)
    assert timeline.revision(page, elapsed=0) == 7
    assert timeline.revision(page, elapsed=12) == 8
