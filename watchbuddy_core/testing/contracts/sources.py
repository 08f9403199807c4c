"""What every VideoSource keeps to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from watchbuddy_core.errors import ProcessingFailed
from watchbuddy_core.protocols import Match, VideoSource, untold
from watchbuddy_core.testing.contracts.broken import ContractBroken, require
from watchbuddy_core.understanding import survey
from watchbuddy_core.video import (
    Video,
    VideoRequest,
)

_NONSENSE = ("", " ", "no address at all", "://", "\x00", "x" * 5000)


async def check_source(
    source: VideoSource,
    *,
    opens: Sequence[str],
    refuses: Iterable[str] = (),
    missing: Iterable[str] = (),
) -> None:
    """Check a VideoSource. What it opens has to be there, and is surveyed.

    Args:
        opens: addresses that it opens.
        refuses: addresses that belong to others, beside those that belong to nobody.
        missing: addresses of its own with nothing behind them.

    Raises:
        ContractBroken: it does not keep to it; the message names the rule.
    """
    require(isinstance(source, VideoSource), "A source has `match` and `open`.")
    for url in (*opens, *missing):
        require(_match(source, url) is not Match.NO, f"It is to open {url!r} and does not match.")
    for url in (*refuses, *_NONSENSE):
        if url not in opens:
            matched = _match(source, url)
            require(
                matched is Match.NO, f"It matches {url[:60]!r} ({matched.name}), which is not its."
            )
    for url in missing:
        await _check_failure(source, url)
    for url in opens:
        await _check_opening(source, url)
        await _check_cancelling(source, url)


def _match(source: VideoSource, url: str) -> Match:
    try:
        answers = [source.match(url) for _ in range(2)]
    except Exception as exc:
        raise ContractBroken(f"`match({url[:60]!r})` raises {exc!r}; it says NO instead.") from exc
    require(
        all(isinstance(answer, Match) for answer in answers),
        f"`match` answers {answers[0]!r}, which is no Match.",
    )
    require(answers[0] is answers[1], f"`match({url[:60]!r})` does not answer the same twice.")
    return answers[0]


async def _check_failure(source: VideoSource, url: str) -> None:
    try:
        await source.open(VideoRequest(url=url), untold)
    except ProcessingFailed:
        return
    except Exception as exc:
        raise ContractBroken(
            f"Opening {url!r} fails with {exc!r}; a failure is a ProcessingFailed."
        ) from exc
    raise ContractBroken(f"There is nothing behind {url!r}, and opening it does not fail.")


async def _check_opening(source: VideoSource, url: str) -> None:
    told: list[float | None] = []

    def progress(fraction: float | None, message: str) -> None:
        require(isinstance(message, str), "Progress says in words what is happening.")
        told.append(fraction)

    videos = []
    for _ in range(2):
        told.clear()
        try:
            videos.append(await source.open(VideoRequest(url=url), progress))
        except ContractBroken:
            raise
        except Exception as exc:
            raise ContractBroken(f"Opening {url!r} fails with {exc!r}.") from exc
        known = [fraction for fraction in told if fraction is not None]
        require(all(0 <= fraction <= 1 for fraction in known), f"Progress is 0 to 1, not {known}.")
        require(known == sorted(known), f"Progress does not go back: {known}.")
    video, again = videos
    require(isinstance(video, Video), f"`open` gives {video!r}, which is no Video.")
    require(
        video.content_id and video.content_id == again.content_id,
        "The same content has the same content_id, and not an empty one.",
    )
    overview = await survey(video, untold)
    require(overview.duration > 0, "The video has a length.")


async def _check_cancelling(source: VideoSource, url: str) -> None:
    before = asyncio.all_tasks()
    opening = asyncio.ensure_future(source.open(VideoRequest(url=url), untold))
    await asyncio.sleep(0)
    was_cancelled = opening.cancel()
    await asyncio.wait([opening])
    if was_cancelled:
        require(
            opening.cancelled() or opening.exception() is None,
            "An opening that is cancelled ends as cancelled.",
        )
    left = asyncio.all_tasks() - before - {opening}
    require(not left, f"A cancelled opening leaves tasks behind: {left}.")
