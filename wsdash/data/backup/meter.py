"""Progress of a dump or a restore, at most ten times a second a table."""

from __future__ import annotations

import time
from collections.abc import Callable

from wsdash.data.limits import METER_SECONDS
from wsdash.model import Progress

OnProgress = Callable[[Progress], None]


class Meter:
    """Counts rows and bytes of one subject and reports them; finish() reports the end."""

    def __init__(
        self,
        on_progress: OnProgress,
        item: str,
        subject: str,
        activity: str,
        *,
        total_rows: int | None = None,
        total_bytes: int | None = None,
    ) -> None:
        self.rows = 0
        self.bytes = 0
        self._on_progress = on_progress
        self._item, self._subject, self._activity = item, subject, activity
        self._total_rows, self._total_bytes = total_rows, total_bytes
        self._reported_at = time.monotonic()
        self._tell(finished=False)

    def add(self, rows: int, size: int) -> None:
        """Count, and report when it is time."""
        self.rows += rows
        self.bytes += size
        if time.monotonic() - self._reported_at >= METER_SECONDS:
            self._tell(finished=False)

    def finish(self, rows: int | None = None) -> None:
        """Report the end; `rows` when they are known better than counted."""
        self.rows = self.rows if rows is None else rows
        self._tell(finished=True)

    def _tell(self, *, finished: bool) -> None:
        self._reported_at = time.monotonic()
        self._on_progress(
            Progress(
                item=self._item,
                subject=self._subject,
                activity=self._activity,
                rows=self.rows,
                total_rows=self._total_rows,
                bytes=self.bytes,
                total_bytes=self._total_bytes,
                finished=finished,
            )
        )
