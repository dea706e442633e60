"""The module `code`: a `main` of the user's own.

    [[flow]]
    module = "code"
    file = "code/check.py"
    form = { limit = 12 }
    readonly = true

`main(context)`, `main(context, module_item)`, `main(context, form)` and `main(context, module_item, form)` change
the context in place; what they return does not count, and the answer's notes say so. `main(img)`, or any other name
but `context`, gets the image and may change it in place or return another. `form` are the values of the project file;
`module_item` says which module it is (`id`, `name` and the vendor's `label`, `type`), and has the values as `form`, as
the vendor's `formValues`, and each by its own name where that is none of these. Both are new for every frame.

`context["image"]` is the frame's own copy, which code may write to. With `readonly = true` it cannot be written to and
nothing is copied; code must not keep it, for its memory becomes the next frame.

An exception, SystemExit too, ends the flow: it becomes an entry in `errors` with file and line, `error` is true and
`result` false. Rectangles that code left half done are completed before the next module sees them.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from workers.context.context import FRAME
from workers.context.placement import composed, usable_matrix
from workers.context.rectangles import complete_rectangles
from workers.context.run import Context, Run
from workers.errors import ProjectInvalid
from workers.modules.base import begin_anew, bring_to_frame, what_is_there
from workers.modules.code.user_code import UserCode, UserCodeError
from workers.text import shown

if TYPE_CHECKING:
    from workers.modules.base import ModuleSurroundings
    from workers.modules.code.options import CodeOptions
    from workers.modules.code.signature import Call


def prepare(options: CodeOptions, surroundings: ModuleSurroundings) -> CodeModule:
    """Import the file of `options`; raises ProjectInvalid where it cannot run."""
    code = surroundings.shared(UserCode)
    try:
        main, call = code.load(options.file)
    except UserCodeError as error:
        raise ProjectInvalid(str(error)) from None
    named = options.title
    item = {"id": surroundings.id, "name": named, "label": named, "type": surroundings.source_type}
    return CodeModule(options, code, main, call, item)


@dataclass(frozen=True, slots=True)
class CodeModule:
    """A `main` ready to be called, frame after frame."""

    options: CodeOptions
    code: UserCode
    main: Callable[..., Any]
    how: Call
    item: dict[str, Any]

    def __call__(self, context: Context, run: Run) -> bool:
        """Run user code on `context`; False where it raised."""
        given = context.get("image")
        lent = self._lend(given)
        if lent is not given:
            context["image"] = lent
        known = what_is_there(context)
        self._tell_what_is_left(context, run)
        was = {**context} if run.wrote is not None else context
        worked = self._call(context, lent, run)
        if run.wrote is not None:
            run.wrote.update((key, self.options.file) for key in context if context[key] is not was.get(key, was))
        image = context.get("image")
        if image is not lent:
            run.image_from = self.options.file
        elif self.options.readonly:
            context["image"] = given
        rectangles = context.get("detectedRectangles")
        if isinstance(rectangles, list | tuple) and rectangles:
            source = self.item["id"], self.item["type"]
            context["detectedRectangles"] = complete_rectangles(rectangles, *source, run.note)
        bring_to_frame(context, run, known)
        return self._placed(context, lent, run, known) and worked

    def stop(self) -> None:
        """Call the `stop` of the file, once, where it has one."""
        self.code.stop(self.options.file)

    @staticmethod
    def _tell_what_is_left(context: Context, run: Run) -> None:
        frame = context.get(FRAME)
        if type(frame) is dict and "remainingMs" in frame:
            frame["remainingMs"] = (run.deadline_ns - time.monotonic_ns()) / 1e6

    @staticmethod
    def _placed(context: Context, before: object, run: Run, known: dict[int, object]) -> bool:
        """Take what code says of how the image that it left lies on the one before; see to it where it says nothing."""
        if "placement" not in context:
            image = context.get("image")
            if image is not before and isinstance(image, np.ndarray) and isinstance(before, np.ndarray):
                begin_anew(image, before, run, known)
            return True
        try:
            run.placement = composed(run.placement, usable_matrix(context.pop("placement")))
        except ValueError as error:
            run.note(f"context['placement'] {error}")
            return False
        return True

    def _call(self, context: Context, image: object, run: Run) -> bool:
        subject = image if self.how.takes_image else context
        try:
            returned = self.code.call(run, self.main, subject, self._extras())
        except BaseException as error:  # noqa: BLE001 - user code may raise anything, SystemExit too
            run.crashed(error, self.code.describe(error, self.options.file))
            return False
        if self.how.takes_image and returned is not None:
            context["image"] = returned
        elif returned is not None and returned is not context:
            run.remark(f"what main returned, {shown(returned)}, does not count: it changes the context in place")
        if self.how.misnamed:
            run.remark(f"main({self.how.first}) is given the image, for its parameter is not called context")
        return True

    def _extras(self) -> dict[str, Any]:
        if not self.how.keywords:
            return {}
        form = copy.deepcopy(self.options.form)
        extras = {"form": form, "module_item": {**form, **self.item, "form": form, "formValues": form}}
        return {name: extras[name] for name in self.how.keywords}

    def _lend(self, image: Any) -> Any:
        """Return `image` as this module may have it: not to be written to, or its own to write to."""
        if not hasattr(image, "flags"):
            return image
        if not self.options.readonly:
            return image if image.flags.writeable else image.copy()
        if not image.flags.writeable:
            return image
        view = image.view()
        view.flags.writeable = False
        return view
