"""The page Inputs: a form of what the project lets operators set, for the next frame on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import falcon

from service.access.route import root_of
from service.inputs.trouble import InputInvalid, InputsChanged
from service.panel.forms import form_of
from service.panel.pages import go_to, send_as_page
from workers.errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.inputs.resource import InputsTable
    from service.panel.pages import Pages

_LONGEST_REVISION = 12


class InputsPage:
    """`/inputs`: GET shows the form, POST sets what it holds."""

    def __init__(self, pages: Pages, table: InputsTable) -> None:
        self._pages = pages
        self._table = table

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show the form; with `set` it says that something was set."""
        self._show(req, resp, was_set=bool(req.get_param("set")))

    on_head = on_get

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Set what the form holds, or show it again with what is wrong."""
        fields = form_of(req)
        seen = _revision(fields.get("revision", ""))
        try:
            if "defaults" in fields:
                names = [one["name"] for one in self._table.document()["inputs"]]
                self._table.set(req, dict.fromkeys(names), seen)
            else:
                self._table.set(req, self._table.of_form(fields), seen)
        except InputInvalid as error:
            self._show(req, resp, reasons=error.reasons, typed=fields)
            resp.status = 422
        except InputsChanged as error:
            self._show(req, resp, trouble=error.message)
            resp.status = 409
        else:
            go_to(resp, req, "inputs?set=1")

    def _show(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        *,
        reasons: Mapping[str, str] | None = None,
        typed: Mapping[str, str] | None = None,
        trouble: str = "",
        was_set: bool = False,
    ) -> None:
        known = self._table.document()
        values = {one["name"]: one["value"] for one in known["inputs"]}
        if typed is not None:  # what was wrong is there to be mended
            values |= {one["name"]: _shown(one, typed) for one in known["inputs"]}
        self._pages.show(
            req,
            resp,
            "inputs.html",
            "inputs",
            known=known,
            changed_ns=self._table.changed_ns,
            values=values,
            revision=typed.get("revision", known["revision"]) if typed is not None else known["revision"],
            reasons=reasons or {},
            trouble=trouble,
            was_set=was_set,
        )


class InputsSince:
    """`GET /inputs/since?revision=N`: a piece of the page that says whether somebody has set something meanwhile."""

    def __init__(self, pages: Pages, table: InputsTable) -> None:
        self._pages = pages
        self._table = table

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Render it; nothing where nobody has."""
        seen, known = _revision(req.get_param("revision") or ""), self._table.document()
        changed = [one for one in known["inputs"] if one["revision"] > seen] if known["revision"] != seen else []
        language = self._pages.language(req)
        values = {"known": known, "seen": seen, "changed": changed}
        resp.text = self._pages.piece("inputs_since.html", language, root_of(req.path), None, **values)
        send_as_page(resp, language)


def _revision(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_REVISION):
        raise InvalidParameter("revision was expected to be the number that the form came with")
    return int(text)


def _shown(one: Mapping[str, Any], typed: Mapping[str, str]) -> Any:
    text = typed.get(f"input.{one['name']}", "")
    return text in {"true", "on"} if one["kind"] == "switch" else text
