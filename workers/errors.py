"""Every error that may reach a client or an operator, with its stable code.

An error crosses a process boundary as `code` and `message`, never as a pickle: `from_code` makes it whole again
on the other side. A message says what was wrong and what was expected; it never holds a path of ours, a slot
number or a key. Which HTTP status a code gets is decided in `service/errors.py`, in one table.
"""

from __future__ import annotations

from typing import ClassVar


class FramemillError(Exception):
    """Root of all. `code` is stable and public; `log_traceback` says whether it is a fault of ours.

    `retry_after_s` is when it is worth another try, where its status tells clients to try again.
    """

    code: ClassVar[str] = "internal_error"
    log_traceback: ClassVar[bool] = False

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s


class InternalError(FramemillError):
    """A fault of ours."""

    log_traceback = True


class InvalidParameter(FramemillError):
    """A query parameter or form field is missing, malformed or out of range."""

    code = "invalid_parameter"


class FrameSizeMismatch(FramemillError):
    """The number of bytes does not fit width, height and pixel format."""

    code = "frame_size_mismatch"


class FrameTooLarge(FramemillError):
    """The body is larger than a slot."""

    code = "frame_too_large"


class IncompleteBody(FramemillError):
    """The body ended before its declared length, or is not well formed."""

    code = "incomplete_body"


class BodyInvalid(FramemillError):
    """The body is not framed as HTTP wants it, or in a way that costs far more than its bytes."""

    code = "body_invalid"


class BodyUnsupported(FramemillError):
    """The body, or a part of a form, is coded or of a media type that this server does not read."""

    code = "body_unsupported"


class BodyTooSlow(FramemillError):
    """The body did not arrive within its time."""

    code = "body_too_slow"


class HeadTooSlow(FramemillError):
    """The head of a request did not arrive within its time."""

    code = "head_too_slow"


class HeadInvalid(FramemillError):
    """The head of a request is not HTTP."""

    code = "head_invalid"


class HeadTooLarge(FramemillError):
    """The head of a request is larger than any client of ours sends."""

    code = "head_too_large"


class TargetTooLong(FramemillError):
    """The first line of a request is longer than any client of ours sends."""

    code = "uri_too_long"


class HoldNotKept(FramemillError):
    """What holds the line could not be saved."""

    code = "hold_not_kept"


class SwitchNotKept(FramemillError):
    """The Process switch could not be written to the disk."""

    code = "switch_not_kept"


class ImageInvalid(FramemillError):
    """An encoded image is damaged, truncated, or claims more than its file can hold."""

    code = "image_invalid"


class ImageTooLarge(FramemillError):
    """An encoded image has more pixels than the setting `max_megapixels` allows."""

    code = "image_too_large"


class ImageUnsupported(FramemillError):
    """The bytes are not of a format that this server is set to accept."""

    code = "image_unsupported"


class SegmentNotFound(FramemillError):
    """No shared-memory segment of that name can be read."""

    code = "segment_not_found"


class SegmentInvalid(FramemillError):
    """The segment exists but does not hold the frame that was announced."""

    code = "segment_invalid"


class NoFreeSlot(FramemillError):
    """All slots stayed taken for the whole queue time."""

    code = "server_busy"


class NotInTime(NoFreeSlot):
    """The frame was not begun: it could not have been done by its deadline."""


class NotReady(FramemillError):
    """No worker can inspect a frame, and none is expected: the server was never ready, stops, or cannot replace one."""

    code = "not_ready"


class DeadlineExceeded(FramemillError):
    """The frame was not done by its deadline."""

    code = "deadline_exceeded"


class WorkerCrashed(FramemillError):
    """The frame killed the workers that tried it, or its worker died and the flow is not idempotent."""

    code = "worker_crashed"


class OutOfMemory(FramemillError):
    """Memory ran out: the worker reached its limit, or the kernel ended it."""

    code = "out_of_memory"


class FlowBroken(FramemillError):
    """The flow ended its workers again and again; frames are refused for a while."""

    code = "flow_broken"


class FrameCancelled(FramemillError):
    """Nobody waits for this frame any more."""

    code = "frame_cancelled"


class ContextNotSerializable(FramemillError):
    """A flow left something in the context that JSON cannot hold."""

    code = "context_not_serializable"


class ContextTooLarge(FramemillError):
    """The context is larger, as JSON, than the setting `max_context_kib` allows."""

    code = "context_too_large"


class ReplyTooLarge(FramemillError):
    """The answer does not fit the slot's reply area."""

    code = "reply_too_large"


class ContextTooLargeForHeader(FramemillError):
    """The context does not fit an HTTP header; `context_in_body` carries any size."""

    code = "context_too_large_for_header"


class NoLastImage(FramemillError):
    """Nothing has been analysed yet, or the last frame is no longer kept."""

    code = "no_last_image"


class Unauthorized(FramemillError):
    """The API key is missing or wrong."""

    code = "unauthorized"


class TooManyAttempts(FramemillError):
    """Too many wrong keys came from an address; `retry_after_s` says when the next is looked at."""

    code = "too_many_attempts"

    def __init__(self, message: str, retry_after_s: int = 60) -> None:
        super().__init__(message, retry_after_s)


class Forbidden(FramemillError):
    """The caller is known or local enough to be answered, but may not do this."""

    code = "forbidden"


class ProjectInvalid(FramemillError):
    """A project has mistakes; the message lists all of them with their key paths."""

    code = "project_invalid"


class ModelFailed(FramemillError):
    """A trained model gave no answer, or one that cannot be used; it is an error of the frame."""

    code = "model_failed"


class SettingsInvalid(FramemillError):
    """Settings have mistakes; the message lists all of them with where each came from."""

    code = "settings_invalid"


class NotEnoughMemory(FramemillError):
    """The frame memory cannot be had on this machine."""

    code = "not_enough_memory"


class NoRoomForVersion(FramemillError):
    """Neither the disk nor memory has room for a copy of the project."""

    code = "no_room_for_version"


class ChangeRefused(FramemillError):
    """Another version was asked for and is not taken over; the message says which one goes on, and why."""

    code = "change_refused"


class CannotListen(FramemillError):
    """The address or port cannot be had."""

    code = "cannot_listen"


def _all_errors(root: type[FramemillError]) -> dict[str, type[FramemillError]]:
    found: dict[str, type[FramemillError]] = {}
    for child in root.__subclasses__():
        found |= _all_errors(child)
        if "code" in vars(child):  # else it is its parent's
            found[child.code] = child
    return found


def from_code(code: str, message: str) -> FramemillError:
    """Make the error that another process reported by `code` and `message`."""
    return _all_errors(FramemillError).get(code, InternalError)(message)
