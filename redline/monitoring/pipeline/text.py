"""A fetched body as a `Document`: the one door from HTML, Markdown or plain text to words.

Promises: differences of spacing, markup and link targets alone give equal documents' words; changed words do not. The
declared type decides, but a body that opens like an HTML page is one, whatever it is called.
"""

from __future__ import annotations

import re

from redline.monitoring.pipeline import markdown, markup
from redline.monitoring.pipeline.document import Document

_OPENS_LIKE_HTML = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)


def read(body: str, *, content_type: str) -> Document:
    """The document in a body served as `content_type`."""
    is_html = "html" in content_type or _OPENS_LIKE_HTML.match(body.lstrip("\ufeff"))
    return Document(blocks=markup.blocks(body if is_html else markdown.to_html(body)))
