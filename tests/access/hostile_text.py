"""Text that does harm where it is taken for something else: for HTML and script, or for a way to a file."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

# what a script would do if it ran: the page's title tells
RUN = "document.title='SCRIPT-RAN'"

_INTO_TAGS = (
    "<script>{run}</script>",
    "<ScRiPt>{run}</sCrIpT>",
    "<script/x>{run}</script>",
    "<<script>{run}//<</script>",
    "<script src='data:text/javascript,{run}'></script>",
    "<img src=x onerror={run}>",
    "<img/src=x/onerror={run}>",
    '<img src=x onerror="{run}">',
    "<svg onload={run}>",
    "<svg/onload={run}>",
    "<svg><script>{run}</script></svg>",
    "<svg><animate onbegin={run} attributeName=x dur=1s>",
    "<body onload={run}>",
    "<iframe srcdoc='<script>parent.{run}</script>'>",
    '<iframe src="javascript:parent.{run}">',
    "<object data='data:text/html,<script>parent.{run}</script>'>",
    "<embed src='data:text/html,<script>parent.{run}</script>'>",
    "<details open ontoggle={run}>",
    "<video src=x onerror={run}>",
    "<audio src=x onerror={run}>",
    "<input autofocus onfocus={run}>",
    "<select autofocus onfocus={run}>",
    "<textarea autofocus onfocus={run}>",
    "<marquee onstart={run}>",
    "<math><mtext></p><script>{run}</script></math>",
    "<meta http-equiv=refresh content='0;url=javascript:{run}'>",
    "<base href='javascript:{run}//'>",
    "<link rel=stylesheet href=x onerror={run}>",
    "<style onload={run}></style>",
    "<style>@import 'javascript:{run}'</style>",
    "<template><script>{run}</script></template><script>{run}</script>",
    "<noscript><p title='</noscript><img src=x onerror={run}>'>",
    "<a href=javascript:{run} autofocus onfocus={run}>x</a>",
    "<form><button formaction=javascript:{run} autofocus onfocus={run}>",
    "<keygen autofocus onfocus={run}>",
    "<x onclick={run} tabindex=1 autofocus onfocus={run}>",
    "javascript:{run}",
)
_OUT_OF_SOMETHING = (
    '"><script>{run}</script>',
    "'><script>{run}</script>",
    "</title><script>{run}</script>",
    "</style><script>{run}</script>",
    "</textarea><script>{run}</script>",
    "--><script>{run}</script>",
    "]]><script>{run}</script>",
    '" onerror={run} x="',
    "' onmouseover={run} autofocus onfocus={run} x='",
    "</strong></p></td></table><script>{run}</script>",
    "{{{{ cycler.__init__.__globals__ }}}}<script>{run}</script>",
    "{{% raw %}}<script>{run}</script>{{% endraw %}}",
    "&lt;script&gt;{run}&lt;/script&gt;",
    "&#60;script&#62;{run}&#60;/script&#62;",
    "\u003cscript\u003e{run}\u003c/script\u003e",
    "+ADw-script+AD4-{run}+ADw-/script+AD4-",
)
SCRIPTS = tuple(text.format(run=RUN) for text in (*_INTO_TAGS, *_OUT_OF_SOMETHING))

_UP = ("../", "..\\", "%2e%2e/", "%2e%2e%2f", "..%2f", "..%5c", "%252e%252e%252f", "..%252f", "....//", "..;/",
       "..%c0%af", "%c0%ae%c0%ae/", "..%u2216", "..%00/", ".%2e/", "\uff0e\uff0e/", "..%ef%bc%8f", "..\u2215", "/",
       "//", "./", "%2f", "\\\\", "file:///", "~/")  # fmt: skip
_END = ("", "%00", "\0", ".png", "%00.png", "?", "#", "/", "/.", "%20")


def ways_out(targets: tuple[str, ...]) -> Iterator[str]:
    """Names that would lead to one of `targets` if somebody took them for a path: 25 x 8 x 10 for each of them."""
    for up, depth, target, end in itertools.product(_UP, range(1, 9), targets, _END):
        yield f"{up * depth}{target}{end}"
