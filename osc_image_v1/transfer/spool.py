"""Records that wait in a file, so that there may be any number of them."""

from __future__ import annotations

import contextlib
import json
import tempfile
import threading
from pathlib import Path
from types import TracebackType

from osc_image_v1.api.records import Record
from osc_image_v1.transfer.part import file_errors


class Spool:
    """Records that wait in a file without a name, so that they are not in memory.

    :param directory: where the file is, by default where temporary files are
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory or Path(tempfile.gettempdir())
        self._lock = threading.Lock()

    def __enter__(self) -> Spool:
        with file_errors("write in", self._directory):
            self._file = tempfile.TemporaryFile(dir=self._directory)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._file.close()

    def add(self, record: Record) -> int:
        """Put a record aside and return where it is; all are put aside before one is read."""
        with file_errors("write in", self._directory):
            offset = self._file.tell()
            self._file.write(json.dumps(record).encode() + b"\n")
        return offset

    def read(self, offset: int) -> Record:
        """Return a record again; several threads may ask."""
        with self._lock, file_errors("read in", self._directory):
            self._file.seek(offset)
            record: Record = json.loads(self._file.readline())
        return record
