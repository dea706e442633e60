"""Errors that are known to what speaks with the world alone; their statuses stand in errors.py."""

from __future__ import annotations

from workers.errors import FramemillError


class NoHistory(FramemillError):
    """This server keeps no history."""

    code = "no_history"


class HistoryAway(FramemillError):
    """The database of the history cannot be reached, or is of another version of the server."""

    code = "history_away"


class NotRecorded(FramemillError):
    """A frame has no answer, for what became of it could not be recorded (`record = "before_answer"`)."""

    code = "not_recorded"


class NotFound(FramemillError):
    """There is no such frame, part, picture or decision, or not any more."""

    code = "not_found"


class CannotDecide(FramemillError):
    """Nobody can decide this of such a frame."""

    code = "cannot_decide"


class DecidedMeanwhile(FramemillError):
    """Somebody has decided something about the frame that whoever asks has not seen."""

    code = "decided_meanwhile"


class HoldNotKept(FramemillError):
    """What holds the line could not be saved."""

    code = "hold_not_kept"
