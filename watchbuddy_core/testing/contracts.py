"""What every plugin keeps to, checked. Call these from the tests of your own package.

    async def test_it_is_a_source():
        await check_source(MySource(), opens=["https://example.com/watch/1"])

Each raises ContractBroken, an AssertionError, whose message says which rule was broken and
what was seen.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import aclosing
from itertools import pairwise
from random import Random

from watchbuddy_core.actions import (
    Action,
    Draft,
    EndReaction,
    Jump,
    PostReplay,
    PostSeek,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.character import Character, Phrase
from watchbuddy_core.characters import built_in
from watchbuddy_core.errors import InvalidPosition, ProcessingFailed
from watchbuddy_core.events import (
    ActionCompleted,
    Connected,
    Due,
    SeekUpdate,
    TimestampUpdate,
)
from watchbuddy_core.protocols import ActionGenerator, Brief, Match, Scheduler, VideoSource
from watchbuddy_core.testing.player import FakePlayer, Habits
from watchbuddy_core.understanding import survey
from watchbuddy_core.video import (
    Chapter,
    Cue,
    Scene,
    Sound,
    Understanding,
    Video,
    VideoRequest,
    Window,
)


class ContractBroken(AssertionError):
    """A plugin does not do what its contract says."""


def _require(holds: object, broken: str) -> None:
    if not holds:
        raise ContractBroken(broken)


# --- sources ---------------------------------------------------------------------------

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
        ContractBroken
    """
    _require(isinstance(source, VideoSource), "A source has `match` and `open`.")
    for url in (*opens, *missing):
        _require(_match(source, url) is not Match.NO, f"It is to open {url!r} and does not match.")
    for url in (*refuses, *_NONSENSE):
        if url not in opens:
            matched = _match(source, url)
            _require(
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
    _require(
        all(isinstance(answer, Match) for answer in answers),
        f"`match` answers {answers[0]!r}, which is no Match.",
    )
    _require(answers[0] is answers[1], f"`match({url[:60]!r})` does not answer the same twice.")
    return answers[0]


async def _check_failure(source: VideoSource, url: str) -> None:
    try:
        await source.open(VideoRequest(url=url), _unheard)
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
        _require(isinstance(message, str), "Progress says in words what is happening.")
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
        _require(all(0 <= fraction <= 1 for fraction in known), f"Progress is 0 to 1, not {known}.")
        _require(known == sorted(known), f"Progress does not go back: {known}.")
    video, again = videos
    _require(isinstance(video, Video), f"`open` gives {video!r}, which is no Video.")
    _require(
        video.content_id and video.content_id == again.content_id,
        "The same content has the same content_id, and not an empty one.",
    )
    overview = await survey(video, _unheard)
    _require(overview.duration > 0, "The video has a length.")


async def _check_cancelling(source: VideoSource, url: str) -> None:
    before = asyncio.all_tasks()
    opening = asyncio.ensure_future(source.open(VideoRequest(url=url), _unheard))
    await asyncio.sleep(0)
    was_cancelled = opening.cancel()
    await asyncio.wait([opening])
    if was_cancelled:
        _require(
            opening.cancelled() or opening.exception() is None,
            "An opening that is cancelled ends as cancelled.",
        )
    left = asyncio.all_tasks() - before - {opening}
    _require(not left, f"A cancelled opening leaves tasks behind: {left}.")


def _unheard(fraction: float | None, message: str) -> None:
    """Progress that nobody follows."""


# --- generators ------------------------------------------------------------------------

_MOST_DRAFTS = 1000
_LENGTH = 300.0
_BORDERS = (0.0, 45.0, 165.0, _LENGTH)


def briefs_for(
    character: Character | None = None, *, wish: str = "", empty: bool = False
) -> tuple[Brief, ...]:
    """The briefs of a made-up film of five minutes, window by window.

    Args:
        empty: nothing is known of the film but its length.
    """
    character = character or built_in()[0]
    return tuple(
        Brief(
            title="The Lighthouse",
            window=Window(index=index, start=start, end=end),
            range_start=0.0,
            range_end=_LENGTH,
            understanding=Understanding(start=0.0, end=end, has_picture=False, has_sound=False)
            if empty
            else _film_until(end),
            character=character,
            wish=wish,
        )
        for index, (start, end) in enumerate(pairwise(_BORDERS))
    )


def _film_until(end: float) -> Understanding:
    said = ("Who lit the lamp tonight?", "Look out! The ladder!", "The keeper counted 211 steps.")
    cues = [
        Cue(start=6.0 + 9.0 * i, end=8.5 + 9.0 * i, text=f"{said[i % 3]} ({i})") for i in range(32)
    ]
    cues.append(Cue(start=100.0, end=101.0, text="", sounds=("thunder",)))
    cues.sort(key=lambda cue: cue.start)
    return Understanding(
        start=0.0,
        end=end,
        cues=tuple(cue for cue in cues if cue.start < end),
        scenes=tuple(
            Scene(start=12.0 * i, end=min(12.0 * (i + 1), end), change=0.8, motion=0.4)
            for i in range(25)
            if 12.0 * i < end
        ),
        sounds=tuple(
            Sound(kind="loud", start=20.0 + 70.0 * i, end=21.0 + 70.0 * i, level=15.0)
            for i in range(4)
            if 21.0 + 70.0 * i <= end
        ),
        chapters=tuple(
            Chapter(start=start, end=start + 150.0, title=title)
            for start, title in ((0.0, "Dusk"), (150.0, "Storm"))
            if start < end
        ),
        language="en",
    )


async def check_generator(
    generator: ActionGenerator,
    *,
    briefs: Sequence[Brief] | None = None,
    deterministic: bool = False,
) -> None:
    """Check an ActionGenerator on a film about which much, and one about which nothing is known.

    Args:
        briefs: what to ask it instead.
        deterministic: the same brief is to give the same drafts.

    Raises:
        ContractBroken
    """
    _require(isinstance(generator, ActionGenerator), "A generator has `generate`.")
    if briefs is None:
        briefs = (
            *briefs_for(),
            *briefs_for(wish="Speak English, and end every line with “ahoy”"),
            *briefs_for(_stranger()),
            *briefs_for(empty=True),
        )
    for brief in briefs:
        drafts = await _drafts(generator, brief)
        for draft in drafts:
            _check_draft(draft, brief)
        again = await _drafts(generator, brief)
        if deterministic:
            _require(
                [_content(draft) for draft in drafts] == [_content(draft) for draft in again],
                f"Window {brief.window.index}: the same brief does not give the same drafts.",
            )
    await _check_abandoning(generator, briefs[0])


def _stranger() -> Character:
    """One with hardly any words, in no language that anybody speaks."""
    phrases = {"tlh": {"lull": (Phrase(text="nuqneH {time}"),)}}
    return Character.model_validate({"id": "stranger", "name": {"tlh": "Qov"}, "phrases": phrases})


async def _drafts(generator: ActionGenerator, brief: Brief) -> list[Draft]:
    stream = generator.generate(brief)
    if isinstance(stream, Coroutine):
        stream.close()
    _require(
        isinstance(stream, AsyncIterator),
        f"`generate` gives {stream!r}; it is an async generator, and is not awaited itself.",
    )
    drafts: list[Draft] = []
    try:
        async for draft in stream:
            drafts.append(draft)
            _require(len(drafts) <= _MOST_DRAFTS, f"More than {_MOST_DRAFTS} drafts of a window.")
    except ContractBroken:
        raise
    except Exception as exc:
        raise ContractBroken(f"Window {brief.window.index} fails with {exc!r}.") from exc
    return drafts


def _check_draft(draft: Draft, brief: Brief) -> None:
    _require(isinstance(draft, Draft), f"It yields {draft!r:.80}, which is no Draft.")
    window, action = brief.window, draft.action
    at = action.trigger_timestamp
    where = f"{action.action_type} at {at} of window {window.start} to {window.end}"
    _require(window.start <= at <= window.end, f"{where} lies outside of it.")
    _require(
        draft.evidence_until is None or draft.evidence_until <= window.end,
        f"{where} rests on what is later than the window's end ({draft.evidence_until}).",
    )
    known = len(brief.understanding.cues)
    _require(
        all(0 <= i < known for i in draft.cues), f"{where} refers to cues {draft.cues} of {known}."
    )
    if isinstance(action, ReplaySegment):
        _require(
            action.start_timestamp < action.end_timestamp <= window.end,
            f"{where} shows again what was not seen.",
        )
    if isinstance(action, EndReaction):
        _require(brief.is_last, f"{where} says goodbye before the last window.")


def _content(draft: Draft) -> object:
    """All of it but the id, which means nothing."""
    return draft.model_dump(exclude={"action": {"id"}})


async def _check_abandoning(generator: ActionGenerator, brief: Brief) -> None:
    """Whoever stops listening is not to pay for the rest."""
    before = asyncio.all_tasks()
    stream = generator.generate(brief)
    if isinstance(stream, AsyncGenerator):
        async with aclosing(stream):
            async for _ in stream:
                break
    left = asyncio.all_tasks() - before
    _require(not left, f"A generation that is abandoned leaves tasks behind: {left}.")


# --- schedulers ------------------------------------------------------------------------

_FILM = 120.0


def check_scheduler(make: Callable[[], Scheduler], *, evenings: int = 30) -> None:
    """Check a Scheduler: single rules, and then whole evenings with players of all habits.

    Args:
        make: gives a new one, each time.
        evenings: how many; the same ones every time.

    Raises:
        ContractBroken
    """
    _require(isinstance(make(), Scheduler), "A scheduler has the four methods of its contract.")
    for rule in (
        _nothing_comes_early_or_twice,
        _what_comes_together_comes_in_order,
        _a_seek_back_brings_it_again,
        _what_is_for_once_comes_once,
        _what_is_withdrawn_does_not_come,
        _no_time_is_refused_and_changes_nothing,
        _an_id_that_is_known_is_left_as_it_was,
    ):
        rule(make())
    for seed in range(evenings):
        _watch_an_evening(make, seed)


def _line(at: float, text: str = "Hm?") -> Speak:
    return Speak(trigger_timestamp=at, text=text)


def _play(scheduler: Scheduler, *positions: float, since: float = 0.0) -> list[str]:
    """The ids of what comes, for reports of these positions."""
    came = []
    for position in positions:
        scheduler.receive(TimestampUpdate(position), now=since + position)
        came += [_id(due) for due in scheduler.actions_due()]
    return came


def _id(due: Due) -> str:
    _require(isinstance(due, Due), f"`actions_due` gives {due!r:.80}, which is no Due.")
    return due.action.id


def _nothing_comes_early_or_twice(scheduler: Scheduler) -> None:
    line = _line(5.0)
    scheduler.add([line])
    _require(not scheduler.actions_due(), "Nothing is due before the player has said anything.")
    _require(not _play(scheduler, 4.0, 4.9), "An action comes before its trigger.")
    _require(_play(scheduler, 5.0) == [line.id], "An action does not come at its trigger.")
    _require(not scheduler.actions_due(), "`actions_due` hands the same out twice.")
    _require(not _play(scheduler, 5.0, 5.25, 6.0), "An action comes twice in one pass.")


def _what_comes_together_comes_in_order(scheduler: Scheduler) -> None:
    lines = [_line(2.5, "c"), _line(2.0, "a"), _line(2.0, "b")]
    scheduler.add(lines)
    _play(scheduler, 1.5)
    _require(
        _play(scheduler, 2.6) == [lines[1].id, lines[2].id, lines[0].id],
        "What is due together comes by trigger, and then as it was added.",
    )


def _a_seek_back_brings_it_again(scheduler: Scheduler) -> None:
    early, late = _line(5.0), _line(20.0)
    scheduler.add([early, late])
    _play(scheduler, 4.0, 5.0, 6.0)
    scheduler.receive(SeekUpdate(19.0), now=7.0)
    _play(scheduler, 19.0, 20.0, since=0.0)
    scheduler.receive(SeekUpdate(3.0), now=30.0)
    scheduler.actions_due()
    came = _play(scheduler, 3.0, 4.0, 5.0, since=30.0)
    _require(came == [early.id], f"After a seek back to 3, {came} comes instead of what is there.")


def _what_is_for_once_comes_once(scheduler: Scheduler) -> None:
    answer = _line(3.0)
    jump = Seek(
        trigger_timestamp=5.0, target_timestamp=1.0, post_seek_behavior=PostSeek.RESUME_PLAYBACK
    )
    scheduler.add([answer], once=True)
    scheduler.add([jump])
    came = _play(scheduler, 2.0, 3.0, 4.0, 5.0)
    _require(came == [answer.id, jump.id], f"{came} came instead of an answer and a jump.")
    scheduler.receive(SeekUpdate(1.0, cause="action", action_id=jump.id), now=6.0)
    scheduler.receive(SeekUpdate(2.0, cause="user"), now=20.0)
    scheduler.actions_due()
    again = _play(scheduler, 2.0, 3.0, 4.0, 5.0, 6.0, since=20.0)
    _require(not again, "A jump, or what was added with `once`, comes a second time.")


def _what_is_withdrawn_does_not_come(scheduler: Scheduler) -> None:
    lines = [_line(2.0), _line(3.0)]
    scheduler.add(lines)
    scheduler.withdraw([lines[0].id, "unknown"])
    _require(_play(scheduler, 1.0, 2.0, 3.0) == [lines[1].id], "What was withdrawn comes.")
    scheduler.withdraw([lines[1].id])
    scheduler.receive(ActionCompleted("unknown"), now=9.0)
    _require(not scheduler.actions_due(), "An unknown id makes something due.")


def _no_time_is_refused_and_changes_nothing(scheduler: Scheduler) -> None:
    line = _line(5.0)
    scheduler.add([line])
    _play(scheduler, 4.0)
    for nonsense in (math.nan, math.inf, -math.inf):
        for event in (TimestampUpdate(nonsense), SeekUpdate(nonsense)):
            try:
                scheduler.receive(event, now=4.1)
            except InvalidPosition:
                continue
            except Exception as exc:
                raise ContractBroken(f"{event} raises {exc!r}, not InvalidPosition.") from exc
            raise ContractBroken(f"{event} is taken for a position.")
    _require(not scheduler.actions_due(), "What was refused makes something due.")
    _require(_play(scheduler, 5.0) == [line.id], "What was refused has changed something.")


def _an_id_that_is_known_is_left_as_it_was(scheduler: Scheduler) -> None:
    line = _line(2.0)
    scheduler.add([line])
    scheduler.add([line.model_copy(update={"trigger_timestamp": 4.0})])
    came = _play(scheduler, 1.0, 2.0, 3.0, 4.0)
    _require(came == [line.id], f"An action that is added twice comes as {came}.")


def _watch_an_evening(make: Callable[[], Scheduler], seed: int) -> None:
    random = Random(seed)
    script = _script(random)
    scheduler = make()
    scheduler.receive(Connected(), now=0.0)
    scheduler.add(script)
    habits = Habits(
        report_interval=random.choice([0.07, 0.25, 1.0]),
        report_jitter=random.choice([0.0, 0.1]),
        lost_reports=random.choice([0.0, 0.1]),
        acknowledges=random.choice(["never", "on receipt", "when done"]),
        tells_cause=True,
        seek_updates=random.choice([1, 2]),
    )
    player = FakePlayer(_FILM, habits=habits, random=random)
    triggers = {action.id: action for action in script}
    this_pass: set[str] = set()
    jumped: set[str] = set()
    seeks = sorted(random.uniform(5, 90) for _ in range(random.choice([0, 0, 2])))
    to_come = list(seeks)
    has_sought = False
    head = 0.0
    while not player.ended and player.now < 8 * _FILM:
        if to_come and player.now >= to_come[0]:
            to_come.pop(0)
            player.seek(random.uniform(0, _FILM - 5))
            has_sought = True
        for now, event in player.step(0.05):
            if isinstance(event, TimestampUpdate | SeekUpdate):
                head = event.position
            if has_sought and isinstance(event, SeekUpdate) and event.cause == "user":
                has_sought = False
                this_pass.clear()
            scheduler.receive(event, now=now)
            for due in scheduler.actions_due():
                action = triggers[_id(due)]
                where = f"evening {seed}, {action.action_type} at {action.trigger_timestamp}"
                _require(
                    action.trigger_timestamp <= head + 1e-6,
                    f"It comes early: {where}, at {head:.3f}.",
                )
                _require(due.redelivered or action.id not in this_pass, f"It comes twice: {where}.")
                if isinstance(action, Jump):
                    _require(action.id not in jumped, f"A jump comes twice: {where}.")
                    jumped.add(action.id)
                this_pass.add(action.id)
                player.perform(action)
    _require(player.ended, f"Evening {seed} does not come to its end: a jump is made for ever.")
    if not seeks:
        missing = triggers.keys() - {action.id for action in player.received}
        _require(not missing, f"Evening {seed}: {len(missing)} of {len(script)} never come.")


def _script(random: Random) -> list[Action]:
    script: list[Action] = [_line(round(random.uniform(0, _FILM - 2), 2)) for _ in range(20)]
    if random.random() < 0.5:
        at = round(random.uniform(20, 100), 2)
        script.append(
            ReplaySegment(
                trigger_timestamp=at,
                start_timestamp=at - 10,
                end_timestamp=at - 5,
                post_replay_behavior=PostReplay.RESUME_FROM_ORIGINAL,
            )
        )
    return script
