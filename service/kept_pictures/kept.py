"""A kept picture as a front finds it: its row, and its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from service.history.pictures.folder import PictureFolder, pictures_in
from service.own_errors import NotFound
from workers.pixels.pixel_format import FORMATS
from workers.pool.job import Encoding, Job

if TYPE_CHECKING:
    from pathlib import Path

    from service.history.stored import Stored

_RAW = "application/octet-stream"


class KeptPicture(NamedTuple):
    """A picture, what its frame was, and what was said with it."""

    frame_id: str
    content: bytes
    media_type: str
    ending: str
    camera: str
    part: str
    data: str
    width_px: int
    height_px: int
    pixel_format: str

    @property
    def job(self) -> Job:
        """What a worker is told of it; a raw frame that was kept as JPEG or PNG comes as that."""
        if self.media_type == _RAW and self.pixel_format in FORMATS:
            return Job(
                data=self.data,
                camera=self.camera,
                part=self.part,
                width=self.width_px,
                height=self.height_px,
                pixel_format=self.pixel_format,
            )
        return Job(encoding=Encoding.ENCODED, data=self.data, camera=self.camera, part=self.part)


class KeptPictures:
    """Finds them; `stored` is the history, `state_dir` the server's."""

    def __init__(self, stored: Stored, state_dir: Path) -> None:
        self._stored = stored
        self._folder = PictureFolder(pictures_in(state_dir))

    def find(self, frame_id: str) -> KeptPicture:
        """Return that of a frame; raises NotFound, and what Stored raises."""
        # imported here: a front that nobody asks loads no database
        from sqlalchemy import select  # noqa: PLC0415

        from service.history.frame_id import row_of  # noqa: PLC0415
        from service.history.schema.tables import PICTURES  # noqa: PLC0415

        with self._stored.read() as connection:
            frame = row_of(connection, frame_id)
            row = connection.execute(select(PICTURES).where(PICTURES.c.record == frame.number)).first()
        if row is None:
            raise NotFound(f"of frame {frame_id} no picture was to be kept (setting pictures)")
        if row.file is None:
            raise NotFound(f"the picture of frame {frame_id} is not kept: {row.lost}")
        try:
            content = self._folder.read(row.file)
        except OSError as error:
            raise NotFound(f"the picture of frame {frame_id} cannot be read: {error.strerror}") from None
        if content is None:
            raise NotFound(f"the picture of frame {frame_id} is not here: it went, or another server has it")
        if len(content) != row.bytes:
            raise NotFound(f"the picture of frame {frame_id} is not whole: power failed when it was written")
        return KeptPicture(
            frame_id,
            content,
            row.media_type,
            row.file.rpartition(".")[2],
            frame.camera,
            frame.part or "",
            frame.data,
            row.width or 0,
            row.height or 0,
            row.pixel_format or "",
        )
