"""What all pages have in common: how they are rendered, the headers that they are sent with, where they are.

To add a page: its row in `PAGES`, words `pages.NAME` in each language, a template that extends `base.html`, a route.
It can be gone to from the others once its path is one of the server's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import falcon
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from service.access.keyring import Scope
from service.access.route import root_of
from service.panel.languages import Language, all_languages, chosen_language

if TYPE_CHECKING:
    from service.panel.static_files import StaticFiles

# nothing from elsewhere, no script and no style within a page, and nobody may frame it
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Page(NamedTuple):
    """A page that can be gone to from all others; `name` is that of its words."""

    path: str
    name: str


PAGES = (
    Page("/", "live"),
    Page("/parts", "parts"),
    Page("/statistics", "statistics"),
    Page("/threshold", "threshold"),
    Page("/inputs", "inputs"),
    Page("/log", "log"),
)


class Pages:
    """Renders pages and pieces of them, in the language of who asks."""

    def __init__(self, project_name: str, static: StaticFiles, *, keys_are_set: bool) -> None:
        self._languages = all_languages()
        self._static = static
        self._keys_are_set = keys_are_set
        self._there: tuple[Page, ...] = ()
        self._paths: frozenset[str] = frozenset()
        self._templates = Environment(
            loader=PackageLoader("service.panel"),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {"project": project_name, "framemill_version": version("framemill")}

    def begin(self, paths: Iterable[str]) -> None:
        """Say which paths the server has."""
        self._paths = frozenset(paths)
        self._there = tuple(page for page in PAGES if page.path in self._paths)

    def has(self, path: str) -> bool:
        """Whether the server has this path, as it stands in its table of routes."""
        return path in self._paths

    @property
    def languages(self) -> Mapping[str, Language]:
        """All of them, by their codes."""
        return self._languages

    def language(self, req: falcon.Request) -> Language:
        """The language of who asks."""
        return chosen_language(req, self._languages)

    def show(self, req: falcon.Request, resp: falcon.Response, template: str, page: str, **values: Any) -> None:
        """Answer with a page; `page` is its name, of which there are words, or that of the page that it belongs to.

        A template has beside `values`: `t` for words, `number`, `written`, `percent`, `moment`, `age`, `duration`;
        `root`, which stands before each address of this server; `static` for addresses of files; `may` by the names of
        scopes; and the name of the `client`.
        """
        language = self.language(req)
        scope = getattr(req.context, "scope", None)
        values |= {
            "page": page,
            "pages": self._there,
            "languages": self._languages.values(),
            "here": here(req),
            "client": getattr(req.context, "client", None),
            "keys_are_set": self._keys_are_set,
        }
        resp.text = self.piece(template, language, root_of(req.path), scope, **values)
        send_as_page(resp, language)

    def piece(self, template: str, language: Language, root: str, scope: Scope | None, **values: Any) -> str:
        """Render a template, which may be a piece of a page, for addresses that begin with `root`."""
        values |= {
            "language": language,
            "t": language.say,
            "number": language.number,
            "written": language.value,
            "percent": language.percent,
            "moment": language.moment,
            "age": language.age,
            "duration": language.duration,
            "root": root,
            "static": lambda name: root + self._static.address(name),
            "may": {one.name.lower(): scope is not None and scope >= one for one in Scope},
        }
        return self._templates.get_template(template).render(values)


def send_as_page(resp: falcon.Response, language: Language) -> None:
    """Set the headers that every page and every piece of one has."""
    resp.content_type = falcon.MEDIA_HTML
    resp.set_header("Content-Language", language.code)
    resp.set_header("Content-Security-Policy", POLICY)
    resp.set_header("X-Content-Type-Options", "nosniff")
    resp.set_header("Referrer-Policy", "same-origin")
    resp.set_header("Cache-Control", "no-store")


def here(req: falcon.Request) -> str:
    """Return the address of a request, from the server's root, as it can be come back to."""
    return (req.path + (f"?{req.query_string}" if req.query_string else "")).lstrip("/")


def go_to(resp: falcon.Response, req: falcon.Request, place: str) -> None:
    """Send a browser on to another page of this server, whatever `place` says: from its root, without a slash."""
    plain = "".join(char for char in place[:2000] if char.isprintable() and char.isascii() and char not in '\\ "<>')
    resp.status = 303
    resp.set_header("Location", root_of(req.path) + plain.lstrip("/"))
    resp.set_header("Cache-Control", "no-store")
