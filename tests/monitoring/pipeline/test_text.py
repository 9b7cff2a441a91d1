"""Equal words from different markup, and no word lost on the way."""

from __future__ import annotations

import html
import re
import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redline.monitoring.pipeline.compare import compare
from redline.monitoring.pipeline.document import normalise, tokens, words
from redline.monitoring.pipeline.errors import FetchError
from redline.monitoring.pipeline.text import read

WORD = st.from_regex(r"[A-Za-zäöüßéñ]{1,9}|[1-9][0-9]{0,3}|\$[1-9][0-9]?\.50", fullmatch=True)


@dataclass(frozen=True)
class Clause:
    kind: str  # paragraph, heading, item, row
    words: list[str]


CLAUSES = st.lists(
    st.builds(
        Clause,
        kind=st.sampled_from(["paragraph", "paragraph", "heading", "item", "row"]),
        words=st.lists(WORD, min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=8,
)


def page(source: str) -> list[tuple[str, str]]:
    return [(block.section, block.text) for block in read(source, content_type="text/html").blocks]


def page_words(source: str, content_type: str) -> tuple[str, ...]:
    return words(read(source, content_type=content_type).text)


def as_html(clauses: list[Clause], draw: st.DataObject) -> str:
    """The clauses as HTML, with spacing, emphasis, links, attributes and comments drawn at random."""
    gap = st.sampled_from([" ", "  ", "\n", "\t", "&nbsp;", " \u2009 ", " <!-- note --> ", "<br>"])
    wraps = st.sampled_from(
        [
            "{}",
            "{}",
            "<b>{}</b>",
            "<em>{}</em>",
            '<a href="https://a.example/x?y=1">{}</a>',
            "<span class='n'>{}</span>",
        ]
    )
    invisible = st.sampled_from(["", "", "\u200b", "&shy;", "\ufeff"])
    outer = {"paragraph": "<p id=p>{}</p>", "heading": "<h2>{}</h2>", "item": "<ul><li>{}</li></ul>"}
    pieces = []
    for clause in clauses:
        cells = []
        for word in clause.words:
            dressed = draw.draw(invisible) + html.escape(word)
            cells.append(draw.draw(wraps).format(dressed))
        if clause.kind == "row":
            pieces.append("<table><tr>" + "".join(f"<td> {cell} </td>" for cell in cells) + "</tr></table>")
        else:
            text = cells[0] + "".join(draw.draw(gap) + cell for cell in cells[1:])
            pieces.append(outer[clause.kind].format(text))
    return "<!doctype html><html><body><main>" + draw.draw(gap).join(pieces) + "</main></body></html>"


def as_markdown(clauses: list[Clause], draw: st.DataObject) -> str:
    """The clauses as Markdown, wrapped, indented and emphasised at random."""
    gap = st.sampled_from([" ", "  ", "\n", "\n   "])
    wraps = st.sampled_from(["{}", "{}", "**{}**", "*{}*", "[{}](https://b.example/z)", "`{}`"])
    pieces = []
    for clause in clauses:
        dressed = [draw.draw(wraps).format(word) for word in clause.words]
        if clause.kind == "row":
            lines = ["| " + " | ".join(dressed) + " |", "|" + "---|" * len(dressed)]
            pieces.append("\n".join(lines))
            continue
        spaces = st.just(" ") if clause.kind == "heading" else gap
        text = dressed[0] + "".join(draw.draw(spaces) + word for word in dressed[1:])
        pieces.append({"paragraph": "", "heading": "## ", "item": "- "}[clause.kind] + text)
    return "\n\n".join(pieces)


@given(CLAUSES, st.data())
def test_spacing_markup_and_link_targets_alone_are_no_change(clauses: list[Clause], draw: st.DataObject) -> None:
    one = read(as_html(clauses, draw), content_type="text/html")
    other = read(as_html(clauses, draw), content_type="text/html")
    assert [block.text for block in one.blocks] == [block.text for block in other.blocks]
    assert compare(one, other) == []


@given(CLAUSES, st.data())
def test_html_and_markdown_of_the_same_words_are_equal(clauses: list[Clause], draw: st.DataObject) -> None:
    # A number at the start of a line is a list's number in Markdown, and a sign may be one of its marks.
    clauses = [Clause(clause.kind, ["word", *clause.words]) for clause in clauses]
    one = read(as_html(clauses, draw), content_type="text/html")
    other = read(as_markdown(clauses, draw), content_type="text/markdown")
    assert words(one.text) == words(other.text)
    assert compare(one, other) == []


@given(CLAUSES, st.data())
def test_no_word_of_the_page_is_lost(clauses: list[Clause], draw: st.DataObject) -> None:
    expected = [word for clause in clauses for text in clause.words for word in words(text)]
    assert list(page_words(as_html(clauses, draw), "text/html")) == expected


@given(st.text(max_size=200))
def test_tokens_joined_are_the_text_again(text: str) -> None:
    assert "".join(token.shown for token in tokens(text)) == text.rstrip()


def test_headings_make_the_section_and_the_title_is_left_out_of_it() -> None:
    source = "<h1>Terms</h1><p>a</p><h2>Fees</h2><p>b</p><h3>Late</h3><p>c</p><h2>End</h2><p>d</p>"
    assert page(source)[1::2] == [("Terms", "a"), ("Fees", "b"), ("Fees › Late", "c"), ("End", "d")]


def test_a_bold_or_capital_line_names_a_section_and_a_bold_sentence_does_not() -> None:
    source = "<p><b>Retention:</b></p><p>a</p><p>GOVERNING LAW</p><p>b</p><p><b>Read this with care.</b></p><p>c</p>"
    assert [section for section, text in page(source) if text in "abc"] == [
        "Retention",
        "GOVERNING LAW",
        "GOVERNING LAW",
    ]


def test_a_table_row_is_one_block_and_a_layout_table_is_none() -> None:
    assert page("<table><tr><th>Name<th>Place<tr><td><p>Acme</p><p>Ltd</p><td>Berlin</table>") == [
        ("", "Name | Place"),
        ("", "Acme Ltd | Berlin"),
    ]
    layout = "<table><tr><td><h2>Fees</h2><p>one</p></td><td><p>two</p></td></tr></table>"
    assert page(layout) == [("Fees", "Fees"), ("Fees", "one"), ("Fees", "two")]


@pytest.mark.parametrize(
    "chrome",
    [
        "<script>var days = 90</script>",
        "<style>p{}</style>",
        "<nav><a href=/>Home</a></nav>",
        "<header><a href=/>Vendor</a></header>",
        "<footer>© 2026 Vendor</footer>",
        "<div role=navigation>Menu</div>",
        "<div id=onetrust-banner-sdk>We value your privacy</div>",
        "<div class='cookie-banner bottom'>Accept all cookies</div>",
        "<p hidden>draft</p>",
        "<p style='color:red; display : none'>draft</p>",
        "<template><p>row</p></template>",
        "<noscript>Enable JavaScript</noscript>",
        "<!-- revision 7 -->",
        "<select><option>English</select>",
    ],
)
def test_what_is_the_sites_and_not_the_pages_is_dropped(chrome: str) -> None:
    assert page(f"<html><title>T</title><body>{chrome}<p>We keep data.</p></body></html>") == [("", "We keep data.")]


@pytest.mark.parametrize(
    "kept",
    [
        "<header><h1>Terms of Service</h1></header>",
        "<main><article><header>Updated 1 May 2026</header></article></main>",
        "<main><footer>Effective 1 May 2026</footer></main>",
        "<section id=cookie-notice><h2>Cookie notice</h2></section>",
        "<article><div class=cookie-banner-text>What our cookie banner says</div></article>",
        "<div aria-hidden=true>Collapsed clause</div>",
        "<details><summary>More</summary>Collapsed clause</details>",
        "<div hidden=until-found>Collapsed clause</div>",
        "<h3><button>Data retention</button></h3>",
        "<p>Last updated: 3 March 2026</p>",
        "<p><img src=logo.png alt='Acme Hosting'></p>",
        "<unknown>for &lt;year&gt;</unknown>",
    ],
)
def test_what_is_the_pages_own_is_kept(kept: str) -> None:
    shown = html.unescape(re.sub(r"<[^>]*alt='([^']*)'[^>]*>|<[^>]*>", r"\1 ", kept))
    assert page_words(f"<body>{kept}</body>", "text/html") == words(shown)


def test_permalink_marks_of_headings_are_dropped() -> None:
    assert page("<h2>Fees<a class=headerlink href=#fees>¶</a></h2>") == [("Fees", "Fees")]


def test_markup_within_a_word_does_not_cut_it() -> None:
    assert page("<p>un<b>limited</b> H<sub>2</sub>O</p>") == [("", "unlimited H2O")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("“Customer’s” – data", '"Customer\'s" - data'),
        ("100 GB", "100GB"),
        ("99.9 %", "99.9%"),
        ("the \u200bfee\u00ad", "the fee"),
        ("e\u0301tat", "\u00e9tat"),
        ("oﬃce", "office"),
        ("( see below )", "(see below)"),
    ],
)
def test_typography_is_no_change(one: str, other: str) -> None:
    assert words(normalise(one)) == words(normalise(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [("90 days", "30 days"), ("$10", "€10"), ("1,000", "1.000"), ("May", "may"), ("may not", "may"), ("a", "b")],
)
def test_changed_words_are_a_change(one: str, other: str) -> None:
    assert words(one) != words(other)


@pytest.mark.parametrize(
    "source",
    [
        "Copyright <year> <owner of the work>",
        "Write to <legal@vendor.example>",
        "a < b and c > d",
        "use `<token>` here",
        "5 * 3 * 2 and snake_case_name",
    ],
)
def test_plain_text_keeps_what_only_looks_like_markup(source: str) -> None:
    plain = source.replace("`", "").replace("<legal@vendor.example>", "legal@vendor.example")
    assert page_words(source, "text/plain") == words(plain)


def test_indents_underlines_and_front_matter_of_plain_text_are_no_markup_change() -> None:
    plain = "Fees\n====\n\n      The fee\n      is due.\n\n   * one\n   * two\n"
    marked = "# Fees\n\nThe fee is due.\n\n- one\n- two\n"
    assert read(plain, content_type="text/plain") == read(marked, content_type="text/markdown")
    assert page_words("-      **one** more", "text/plain") == words("one more")
    assert page_words("---\ntitle: Fees\nsection: 7\n---\n\nDue.", "text/markdown") == words(
        "title: Fees section: 7 Due."
    )


def test_a_page_that_opens_like_html_is_html_whatever_its_type() -> None:
    source = "<!-- v2 --><!DOCTYPE html><html><body><p>one</p><p>two</p></body></html>"
    assert [block.text for block in read(source, content_type="text/plain").blocks] == ["one", "two"]


def test_deep_nesting_is_refused_before_it_is_parsed() -> None:
    started = time.monotonic()
    with pytest.raises(FetchError, match="nested too deeply"):
        read("<div>" * 300_000, content_type="text/html")
    assert read("<div>" * 2_000 + "deep", content_type="text/html").text == "deep"
    assert time.monotonic() - started < 5
