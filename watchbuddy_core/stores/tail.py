"""What cannot be written for the time being, and is kept in memory until it can."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from watchbuddy_core.entries import DISPENSABLE, Role
from watchbuddy_core.errors import StorageFull

Row = tuple[str, int, str, str]
"""Of the log: session, position, kind, entry."""

_AROUND_BYTES = 200
"""What a row costs beside its text."""


class Tail:
    """Where logs go on behind their end in the file.

    It is bounded. Above half of a bound, what only tells where viewers were is passed over;
    what tells what was sent is kept, up to the bound itself.

    Args:
        most_bytes: of all logs together.
        most_entries: of one log.
    """

    def __init__(self, *, most_bytes: int = 64_000_000, most_entries: int = 4000) -> None:
        self._most_bytes = most_bytes
        self._most_entries = most_entries
        self._rows: defaultdict[str, list[Row]] = defaultdict(list)
        self._bytes = 0
        self.ends: dict[str, int] = {}
        """Of the logs that go on here: the last position."""
        self.fences: dict[tuple[str, Role], int] = {}
        """Those that were taken meanwhile."""
        self.booked: defaultdict[str, float] = defaultdict(float)
        """US dollars, by account."""

    def __bool__(self) -> bool:
        return bool(self.ends or self.fences or self.booked)

    def __len__(self) -> int:
        """How many entries are kept."""
        return sum(map(len, self._rows.values()))

    def __iter__(self) -> Iterator[Row]:
        for rows in self._rows.values():
            yield from rows

    def behind(self, session_id: str, position: int) -> Sequence[Row]:
        """What is kept of a log, behind a position of it."""
        return [row for row in self._rows.get(session_id, ()) if row[1] > position]

    def worth_keeping(self, session_id: str, kind: str) -> bool:
        """Whether there is room for an entry of this kind, or it is passed over.

        Raises:
            StorageFull: it cannot be kept, and is not to be passed over.
        """
        fullness = max(
            self._bytes / self._most_bytes,
            len(self._rows.get(session_id, ())) / self._most_entries,
        )
        if fullness >= 1.0:
            raise StorageFull("The server has no room to keep sessions.")
        return fullness < 0.5 or kind not in DISPENSABLE

    def keep(
        self,
        rows: Iterable[Row],
        ends: Mapping[str, int],
        fences: Mapping[tuple[str, Role], int],
        booked: Mapping[str, float],
    ) -> None:
        for row in rows:
            self._rows[row[0]].append(row)
            self._bytes += _AROUND_BYTES + len(row[3])
        self.ends.update(ends)
        self.fences.update(fences)
        for account, amount in booked.items():
            self.booked[account] += amount

    def clear(self) -> None:
        """It has been written."""
        self._rows.clear()
        self._bytes = 0
        self.ends.clear()
        self.fences.clear()
        self.booked.clear()
