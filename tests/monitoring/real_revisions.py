"""Run the pipeline over real revisions of a published policy, and hold it against plain `diff`.

    python tests/monitoring/real_revisions.py DIRECTORY [DIRECTORY …]

Each directory holds the revisions of one document (`.md`, `.html`, else plain text), in the order of their names. They
are served on loopback under one address, one after the other, as a vendor's page would change; each goes through fetch,
diff, reason and classify, and a Markdown table comes out. The truth beside it shares no code with the pipeline: tags,
link targets and Markdown marks are taken off by a few expressions, one word goes on a line, and `diff -w` compares.
`missed`: words that `diff` counts as gone or new and no change has. `false`: words that only a change has.
Exit 0 if nothing is missed and nothing false, else 1; 2 for bad input.

To gather revisions, take any published package that ships its policies, for example the command line client of npm,
whose archives carry the registry's dispute policy since 2011: `npm pack npm@6.14.18`, `npm pack npm@7.24.2`, …
"""

from __future__ import annotations

import hashlib
import html
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from redline.monitoring.pipeline.address import Allow
from redline.monitoring.pipeline.classify import classify
from redline.monitoring.pipeline.compare import compare
from redline.monitoring.pipeline.fetch import Fetched, fetch
from redline.monitoring.pipeline.finding import Finding
from redline.monitoring.pipeline.reason import reason
from redline.monitoring.pipeline.text import read

_TYPES = {".html": "text/html; charset=utf-8", ".md": "text/markdown; charset=utf-8"}
_BLOCK_TAGS = (
    "!doctype html|html|link|meta|body|main|div|p|br|hr|h[1-6]|ul|ol|li|dl|dt|dd|pre|table|thead|tbody|tr|t[dh]|img|big"
)


class Vendor(ThreadingHTTPServer):
    """A vendor with one page, whose revision can be changed."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Page)
        self.revision: Path | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Page(BaseHTTPRequestHandler):
    server: Vendor

    def do_GET(self) -> None:
        if self.server.revision is None:
            return self.send_error(503)
        body = self.server.revision.read_bytes()
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        self.send_response(304 if self.headers["If-None-Match"] == etag else 200)
        self.send_header("ETag", etag)
        if self.headers["If-None-Match"] != etag:
            self.send_header("Content-Type", _TYPES.get(self.server.revision.suffix, "text/plain; charset=utf-8"))
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.headers["If-None-Match"] != etag:
            self.wfile.write(body)
        return None

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One successive pair of revisions."""

    old: str
    new: str
    gone: Counter[str]
    come: Counter[str]
    findings: list[Finding]
    missed: Counter[str]
    false: Counter[str]
    milliseconds: float


@contextmanager
def vendor() -> Iterator[Vendor]:
    """A running vendor on an ephemeral port."""
    with Vendor() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def rows(revisions: list[Path], server: Vendor) -> Iterator[Row]:
    """Every successive pair, through the pipeline and through `diff`."""
    allow = Allow(hosts=frozenset({server.address}))
    last: Fetched | None = None
    for old, new in pairwise(revisions):
        if last is None:
            last = _fetched(old, server, allow)
        page = _fetched(new, server, allow)
        started = time.perf_counter()
        changes = compare(
            read(last.body, content_type=last.content_type), read(page.body, content_type=page.content_type)
        )
        findings = classify(
            reason(changes, url=page.url, fetched_at=page.fetched_at, previous_fetched_at=last.fetched_at),
            page_kind="terms",
        )
        took = (time.perf_counter() - started) * 1000
        yield _row(old, new, findings, took)
        last = page


def _fetched(revision: Path, server: Vendor, allow: Allow) -> Fetched:
    server.revision = revision
    return fetch(f"http://{server.address}/policy", allow=allow)


def _row(old: Path, new: Path, findings: list[Finding], took: float) -> Row:
    gone, come = _truth(old, new)
    shown_gone, shown_come = _shown(findings)
    return Row(
        old=old.stem,
        new=new.stem,
        gone=gone,
        come=come,
        findings=findings,
        missed=(gone - shown_gone) + (come - shown_come),
        false=(shown_gone - gone) + (shown_come - come),
        milliseconds=took,
    )


def _truth(old: Path, new: Path) -> tuple[Counter[str], Counter[str]]:
    """Words gone and words new by `diff -w`, one word a line; words that only moved cancel out."""
    with tempfile.TemporaryDirectory() as folder:
        sides = []
        for name, revision in (("old", old), ("new", new)):
            side = Path(folder, name)
            side.write_text("\n".join(plain_words(revision)) + "\n")
            sides.append(str(side))
        output = subprocess.run(["diff", "-w", *sides], capture_output=True, text=True, check=False).stdout
    gone = Counter(line[2:] for line in output.splitlines() if line.startswith("< "))
    come = Counter(line[2:] for line in output.splitlines() if line.startswith("> "))
    return gone - come, come - gone


def plain_words(revision: Path) -> list[str]:
    """The words of a file, by means that are too simple to share the pipeline's mistakes."""
    text = revision.read_text(encoding="utf-8", errors="replace")
    if revision.suffix == ".html":
        text = re.sub(r"<(script|style|head|title|svg)\b.*?</\1>", " ", text, flags=re.DOTALL)
        text = re.sub(r"<!DOCTYPE[^>]*>", " ", text, flags=re.IGNORECASE)
    else:
        text = re.sub(r"(?m)^\s*\[[^\]]+\]:\s*\S+\s*$", "", text)  # [name]: target
        text = re.sub(r"\]\s*\([^)\s]*\)", "] ", text)  # [text](target)
        text = re.sub(r"(?<=\])\[[^\]]*\]", "", text)  # [text][name]
        text = re.sub(r"(?m)^\s*```.*$", "", text)  # ```language
        text = re.sub(
            r"(?m)^\s*(?:[*+-]\s+)*\d+[.)]\s", "", text
        )  # the numbers of a list are not among the page's words
    text = re.sub(r"<!--.*?-->", " ", text, flags=re.DOTALL)
    text = re.sub(r"</?(?:a|b|i|em|strong|code|span|tt|kbd|u|sup|sub)(?:\s[^>]*)?/?>", "", text)
    text = re.sub(rf"</?(?:{_BLOCK_TAGS})(?:\s[^>]*)?/?>", " ", text)
    if revision.suffix == ".html":
        text = re.sub(r"</?[a-zA-Z][^>]*>", " ", text)  # whatever other element
    return _bare(html.unescape(text))


def _bare(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text)


def _shown(findings: list[Finding]) -> tuple[Counter[str], Counter[str]]:
    """Words gone and new according to the findings, as a reader of before and after would count them."""
    gone = Counter(word for finding in findings for word in _bare(finding.before))
    come = Counter(word for finding in findings for word in _bare(finding.after))
    return gone - come, come - gone


def table(name: str, found: list[Row]) -> str:
    lines = [
        f"### {name}",
        "",
        "| pair | words −/+ by diff | changes | material / minor / cosmetic | categories | missed | false | ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        weights = Counter(finding.materiality for finding in row.findings)
        categories = Counter(finding.category for finding in row.findings)
        lines.append(
            f"| {row.old} → {row.new} | {row.gone.total()} / {row.come.total()} | {len(row.findings)} "
            f"| {weights['material']} / {weights['minor']} / {weights['cosmetic']} "
            f"| {', '.join(f'{category} {count}' for category, count in categories.most_common())} "
            f"| {_words_or_none(row.missed)} | {_words_or_none(row.false)} | {row.milliseconds:.0f} |"
        )
    return "\n".join(lines)


def _words_or_none(words: Counter[str]) -> str:
    return f"{words.total()}: {' '.join(sorted(words)[:6])}" if words else "0"


def main(arguments: list[str]) -> int:
    folders = [Path(argument) for argument in arguments]
    if not folders or not all(folder.is_dir() for folder in folders):
        print("usage: real_revisions.py DIRECTORY [DIRECTORY …]", file=sys.stderr)
        return 2
    every: list[Row] = []
    with vendor() as server:
        for folder in folders:
            found = list(rows(sorted(path for path in folder.iterdir() if path.is_file()), server))
            print(table(folder.name, found), end="\n\n")
            every += found
    missed, false = (
        sum(words.total() for words in column) for column in zip(*((r.missed, r.false) for r in every), strict=True)
    )
    changed = sum(1 for row in every if row.gone or row.come)
    quiet = sum(1 for row in every if not (row.gone or row.come) and not row.findings)
    print(f"{len(every)} pairs, {changed} with changed words, {quiet} without and none reported; ", end="")
    print(f"words missed {missed}, words false {false}; {sum(len(row.findings) for row in every)} changes")
    return 1 if missed or false else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
