"""Two hundred texts that would run a script if any of them were ever taken for markup, an address or a style.

Each calls `ran()`, which a page under test counts. They are short enough for every text field that the board shows.
"""

from __future__ import annotations

# What runs by itself, once it is markup.
MARKUP = (
    "<script>ran()</script>",
    "<ScRiPt>ran()</sCrIpT>",
    "<script/src=data:,ran()></script>",
    "<img src=x onerror=ran()>",
    "<img/src=x/onerror=ran()//",
    "<image src=x onerror=ran()>",
    "<svg onload=ran()>",
    "<svg/onload=ran()//",
    "<svg><script>ran()</script></svg>",
    "<svg><animate onbegin=ran() attributeName=x dur=1s>",
    "<svg><set onbegin=ran() attributeName=x>",
    "<body onload=ran()>",
    "<iframe srcdoc='<script>parent.ran()</script>'></iframe>",
    "<iframe src=javascript:parent.ran()></iframe>",
    "<embed src=javascript:ran()>",
    "<object data=javascript:ran()>",
    "<video><source onerror=ran()></video>",
    "<video src=x onerror=ran()>",
    "<audio src=x onerror=ran()>",
    "<input autofocus onfocus=ran()>",
    "<select autofocus onfocus=ran()>",
    "<textarea autofocus onfocus=ran()>",
    "<details open ontoggle=ran()>x</details>",
    "<marquee onstart=ran()>x</marquee>",
    "<style>@import 'javascript:ran()';</style>",
    "<style onload=ran()></style>",
    "<link rel=stylesheet href=x onerror=ran()>",
    "<meta http-equiv=refresh content='0;url=javascript:ran()'>",
    "<base href=javascript:ran()//>",
    "<a href=javascript:ran() autofocus onfocus=ran()>x</a>",
    "<form action=javascript:ran()><button autofocus onfocus=ran()>",
    "<math><mtext><img src=x onerror=ran()></mtext></math>",
    "<template><script>ran()</script></template>",
    "<dialog open onbeforetoggle=ran()>x</dialog>",
    "<p style=animation-name:enter onanimationstart=ran()>x</p>",
    "<!--><img src=x onerror=ran()>-->",
    "<![CDATA[><img src=x onerror=ran()>]]>",
    "<x contenteditable autofocus onfocus=ran() tabindex=1>x",
)
# What breaks out of where a text may have been put, before it.
BREAKOUTS = ("", '">', "'>", "</script>", "--></style></title></textarea>")
# What runs where a text becomes an address, an expression, a template, or JSON in a page.
OTHERS = (
    "javascript:ran()",
    "JaVaScRiPt:ran()",
    " javascript:ran()",
    "java\tscript:ran()",
    "data:text/html,<script>parent.ran()</script>",
    "{{constructor.constructor('ran()')()}}",
    "${ran()}",
    '</script><script>ran()</script>{"',
    "\u2028ran()//",
    "');ran();//",
)
PAYLOADS = tuple(before + text for text in MARKUP for before in BREAKOUTS) + OTHERS
