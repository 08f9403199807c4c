"""What a connection is told of a session beside its actions."""

from __future__ import annotations

from dataclasses import dataclass

from watchbuddy_core.entries import Entry, Heard, Placed, Replied, Scripted, Stage
from watchbuddy_core.session.history import Coverage, History
from watchbuddy_core.video import clock


@dataclass(frozen=True, slots=True)
class Covered:
    """Which parts of the video are scripted: ascending and apart, in media seconds."""

    ranges: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Noticed:
    """Something is not as it could be. The session goes on."""

    code: str
    message: str


News = Covered | Noticed


class Reporter:
    """Turns what happens to a session into news, and hands each out once.

    Args:
        history: what was before. Its coverage is kept up to date by the caller, who calls
            `read` for each further entry behind that.
    """

    def __init__(self, history: History) -> None:
        self._coverage: Coverage = history.coverage
        self._covered: tuple[tuple[float, float], ...] = ()
        self._notices: dict[Noticed, bool] = {}
        """Each with whether it has been handed out."""
        if history.stage is not None:
            self.read(history.stage)
        for heard in history.heard.values():
            self.read(heard)
        for scripted in history.scripted.values():
            self.read(scripted)

    def read(self, entry: Entry) -> bool:
        """Take in an entry. Whether there may be news."""
        match entry:
            case Stage(notes=notes):
                for note in notes:
                    self._notices.setdefault(Noticed("WISH_NOT_FOLLOWED", note), False)
                return bool(notes)
            case Scripted(window=window, problem=problem, notices=notices):
                for notice in notices:
                    self._notices.setdefault(Noticed(notice.code, notice.message), False)
                if problem is not None:
                    message = (
                        f"The companion has nothing to say from {clock(window.start)}"
                        f" to {clock(window.end)}: {problem}"
                    )
                    self._notices.setdefault(Noticed("WINDOW_FAILED", message), False)
                return True
            case Replied(problem=problem) if problem is not None:
                self._notices.setdefault(Noticed("REPLY_FAILED", problem), False)
                return True
            case Heard(window=window, problem=problem) if problem is not None:
                message = (
                    f"What is said from {clock(window.start)} to {clock(window.end)} could not"
                    f" be written down: {problem}"
                )
                self._notices.setdefault(Noticed("NOT_TRANSCRIBED", message), False)
                return True
            case Placed():
                return True
            case _:
                return False

    def take_news(self) -> list[News]:
        """What is new since the last time."""
        news: list[News] = []
        covered = tuple(self._coverage.ranges)
        if covered != self._covered:
            self._covered = covered
            news.append(Covered(covered))
        for notice, is_told in self._notices.items():
            if not is_told:
                self._notices[notice] = True
                news.append(notice)
        return news
