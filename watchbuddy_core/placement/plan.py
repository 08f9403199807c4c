"""Deciding on one window's drafts, one moment after the other."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

from watchbuddy_core.actions import (
    Action,
    Density,
    Draft,
    EndReaction,
    Expression,
    Jump,
    PauseVideo,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.entries import Drop
from watchbuddy_core.placement.evidence import Evidence
from watchbuddy_core.placement.restraint import RESTRAINT, Restraint, ms
from watchbuddy_core.placement.spoken import Dialogue, Line, Lines
from watchbuddy_core.speech import Pace
from watchbuddy_core.video import Cue, Speech, Window

Reason = Literal[
    "out_of_range", "spoiler", "forward_seek", "no_gap", "pauses", "density", "jumps", "repeated"
]

LONGEST_SHIFT = 3.0
"""Seconds by which an action may come later than drafted. Later, it is about another moment."""

LAST_SECOND = 1.0
"""Nothing begins in the last second of the range: players may never report it."""

WORTH_A_PAUSE = 0.7
"""From this importance on, a line that fits nowhere may pause the video."""

JUMPS_PER_SESSION = 3
LONGEST_REPLAY = 30.0
SHORTEST_JUMP = 1.0
"""A jump to within a second of where it starts is none."""

_BREATH = 200
"""Milliseconds from the end of a cue to a line: answering at once sounds like interrupting."""
_MEMORY = 300.0
"""Seconds around a window within which other actions matter to it; no rule looks further,
but for the number of jumps."""
_REPLAY_TAIL = 500
"""Milliseconds by which a replayed passage may reach beyond the moment that asks for it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What every action keeps to, in media seconds."""

    range_start: float
    range_end: float
    """The part of the video that is watched."""
    duration: float
    """Of the whole video."""
    forward_seeks: bool = False
    """Whether a SEEK may skip what has not been seen."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What became of the drafts."""

    actions: tuple[Action, ...]
    """In the order of delivery: by trigger, jumps last at theirs."""
    dropped: tuple[Drop, ...]
    """By trigger, as drafted."""


class Soundtrack:
    """What is said in a video, as far as it matters to placement. Made once per video.

    Args:
        cues: those of the whole video: a line near a window's end does not run into what is
            said in the next.
        known: texts that give nothing away, such as the video's title or the viewer's wish:
            their words are never evidence.
        phrases: lines with slots that a character may say at any time. Where a line is made
            of one, its words are no evidence, but for those in the slots.
        speech: when somebody speaks, as far as no cues tell.
    """

    def __init__(
        self,
        cues: Sequence[Cue],
        known: Iterable[str] = (),
        speech: Iterable[Speech] = (),
        phrases: Iterable[str] = (),
    ) -> None:
        self.dialogue = Dialogue([*(cue for cue in cues if cue.text.strip()), *speech])
        self.evidence = Evidence(cues, known, phrases)


def place(
    drafts: Sequence[Draft],
    *,
    window: Window,
    limits: Limits,
    soundtrack: Soundtrack,
    referred: Sequence[Cue],
    density: Density,
    earlier: Sequence[Action],
    name: Callable[[int], str],
    pace: Pace = Pace(),  # noqa: B008 - frozen
    wish: str = "",
) -> Placement:
    """Make one window's drafts obey the rules.

    `referred` are the cues that `Draft.cues` counts in. `earlier` is everything placed or
    sent so far, ascending by trigger. `name(i)` is the id of the draft at index `i`; a draft
    whose id is in `earlier` is there already and passed over. `wish` is the viewer's: lines
    may all open with words of it.

    Every other draft is either in `actions` or in `dropped`. Takes n·log n, and for each
    draft a look at the few actions of the minutes around it.
    """
    plan = _Plan(
        drafts,
        restraint=RESTRAINT[density],
        window=window,
        limits=limits,
        soundtrack=soundtrack,
        referred=referred,
        wish=wish,
        pace=pace,
    )
    plan.remember(earlier)
    sent = {action.id for action in earlier}
    plan.decide([i for i in range(len(drafts)) if name(i) not in sent])
    return plan.placement(name)


class _Unfit(Exception):
    """The rules leave no place for a draft."""

    def __init__(self, reason: Reason) -> None:
        self.reason: Reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class _Span:
    """When an action may begin, in milliseconds; both ends count."""

    earliest: int
    latest: int


@dataclass(frozen=True, slots=True)
class _Moment:
    """Something that is done, and what was drafted for the same instant and goes with it."""

    span: _Span
    lead: int
    """Index of a draft, as the others are."""
    jump: int | None = None
    """A jump that the leading line announces: neither makes sense without the other."""
    pauses: tuple[int, ...] = ()

    @property
    def drafts(self) -> tuple[int, ...]:
        return (self.lead, *(() if self.jump is None else (self.jump,)), *self.pauses)


class _Plan:
    """What has been decided, and what stands already, for one window."""

    def __init__(
        self,
        drafts: Sequence[Draft],
        *,
        restraint: Restraint,
        window: Window,
        limits: Limits,
        soundtrack: Soundtrack,
        referred: Sequence[Cue],
        wish: str,
        pace: Pace,
    ) -> None:
        self._drafts = drafts
        self._restraint = restraint
        self._window = window
        self._limits = limits
        self._first = ms(max(limits.range_start, window.start))
        self._window_end = ms(window.end)
        self._last = floor((limits.range_end - LAST_SECOND) * 1000)
        self._dialogue = soundtrack.dialogue
        self._evidence = soundtrack.evidence
        self._referred = referred
        self._pace = pace

        self._placed: dict[int, Action] = {}
        self._dropped: dict[int, Reason] = {}
        self._lines = Lines(wish)
        self._faces: list[int] = []
        self._pauses: list[int] = []
        self._jumps: list[int] = []
        self._jumps_made = 0
        self._begins: dict[int, int] = {}
        """Where the leading line drafted for an instant has come to begin."""
        self._has_ended = False
        self._all_done = 0
        """From here on, everything placed is over; in milliseconds."""

    def remember(self, earlier: Sequence[Action]) -> None:
        """Take over what stands already; when it was matters only near the window."""
        first = bisect_left(earlier, ms(self._window.start - _MEMORY), key=_start)
        after = bisect_right(earlier, ms(self._window.end + LONGEST_SHIFT + _MEMORY), key=_start)
        for action in earlier[first:after]:
            self._occupy(action)
        for action in earlier:
            self._count(action)

    def decide(self, indices: Iterable[int]) -> None:
        """Place or drop each of the drafts."""
        in_range = [i for i in indices if self._is_in_range(i)]
        endings = [i for i in in_range if isinstance(self._drafted(i), EndReaction)]
        moments: list[_Moment] = []
        faces: list[tuple[int, _Span]] = []
        for span, instant in self._instants(set(in_range).difference(endings)):
            moments += self._moments(span, instant)
            faces += [(i, span) for i in instant if isinstance(self._drafted(i), Expression)]

        for moment in sorted(moments, key=lambda moment: self._rank(moment.lead)):
            self._settle(moment)
        for i, start in self._when(faces):
            self._attempt(i, start)
        for i in sorted(endings, key=self._rank):
            self._end(i)

    def _when(self, faces: Iterable[tuple[int, _Span]]) -> list[tuple[int, int]]:
        """When each face would be made; first those that go with a line that has its place."""
        timed = [
            (i, self._begins.get(_start(self._drafted(i)), span.earliest)) for i, span in faces
        ]
        return sorted(
            timed, key=lambda face: (not self._lines.begin_at(face[1]), *self._rank(face[0]))
        )

    def placement(self, name: Callable[[int], str]) -> Placement:
        """What has become of the drafts, with the ids that leave the session."""
        order = sorted(
            self._placed,
            key=lambda i: (_start(self._placed[i]), _turn(self._placed[i]), i),
        )
        return Placement(
            actions=tuple(
                self._placed[i].model_copy(update={"id": name(i), "comment": self._comment(i)})
                for i in order
            ),
            dropped=tuple(
                _drop(self._drafted(i), self._dropped[i])
                for i in sorted(self._dropped, key=lambda i: (_start(self._drafted(i)), i))
            ),
        )

    def _comment(self, i: int) -> str:
        """What is sent with an action is bound by the rule of spoilers as well."""
        comment, start = self._placed[i].comment, _start(self._placed[i])
        return comment if self._evidence.of_text(comment) <= start else ""

    # --- what belongs together ---------------------------------------------------------

    def _is_in_range(self, i: int) -> bool:
        is_in_range = self._first <= _start(self._drafted(i)) <= min(self._window_end, self._last)
        if not is_in_range:
            self._dropped[i] = "out_of_range"
        return is_in_range

    def _instants(self, indices: Iterable[int]) -> Iterator[tuple[_Span, list[int]]]:
        """What is drafted for one instant rests on the same evidence, and moves together."""
        instants: dict[int, list[int]] = defaultdict(list)
        for i in sorted(indices):
            instants[_start(self._drafted(i))].append(i)
        for trigger, instant in instants.items():
            span = _Span(
                earliest=max(
                    trigger,
                    self._evidence.of([self._drafts[i] for i in instant], self._referred),
                ),
                latest=min(trigger + ms(LONGEST_SHIFT), self._last),
            )
            if span.earliest <= span.latest:
                yield span, instant
            else:
                self._dropped.update(dict.fromkeys(instant, "spoiler"))

    def _moments(self, span: _Span, instant: Sequence[int]) -> Iterator[_Moment]:
        """The most important line leads what interrupts the video at its instant."""
        ranked = sorted(instant, key=self._rank)
        lines = [i for i in ranked if isinstance(self._drafted(i), Speak)]
        jumps = [i for i in ranked if isinstance(self._drafted(i), Jump)]
        pauses = [i for i in ranked if isinstance(self._drafted(i), PauseVideo)]
        if lines:
            yield _Moment(span, lines.pop(0), jumps.pop(0) if jumps else None, tuple(pauses))
            pauses.clear()
        for i in (*lines, *jumps, *pauses):
            yield _Moment(span, i)

    def _rank(self, i: int) -> tuple[float, int, int]:
        return (-self._drafts[i].importance, _start(self._drafted(i)), i)

    # --- one at a time -----------------------------------------------------------------

    def _settle(self, moment: _Moment) -> None:
        try:
            if self._restraint.is_mute:
                raise _Unfit("density")
            lead = self._drafted(moment.lead)
            if isinstance(lead, Speak):
                self._settle_line(moment, lead)
            else:
                self._check(lead, moment.span.earliest)
                self._keep(moment.lead, _moved(lead, moment.span.earliest))
        except _Unfit as unfit:
            self._dropped.update(dict.fromkeys(moment.drafts, unfit.reason))

    def _settle_line(self, moment: _Moment, drafted: Speak) -> None:
        line = self._fitted(drafted, self._drafts[moment.lead].importance, moment.span)
        start = _start(line)
        if moment.jump is not None:
            jump = self._drafted(moment.jump)
            self._check(jump, start)
            self._keep(moment.jump, _moved(jump, start))
        self._keep(moment.lead, line)
        self._begins[_start(drafted)] = start
        for i in moment.pauses:
            self._attempt(i, start)

    def _fitted(self, line: Speak, importance: float, span: _Span) -> Speak:
        """The line at the first place where it may be spoken.

        Raises:
            _Unfit: there is none.
        """
        length = self._length(line)
        for start, pausing in self._openings(line, length, importance, span):
            if not self._restraint.lines.allows(self._lines.starts, start):
                raise _Unfit("density")
            if self._lines.repeats(line.text, start):
                raise _Unfit("repeated")
            return line.model_copy(
                update={"trigger_timestamp": start / 1000, "pause_video": pausing}
            )
        if line.pause_video:
            raise _Unfit("pauses")
        raise _Unfit("density" if self._has_gap(length, span) else "no_gap")

    def _openings(
        self, line: Speak, length: int, importance: float, span: _Span
    ) -> Iterator[tuple[int, bool]]:
        """Where the line could begin, the best first, and whether it pauses the video there."""
        pausing = ((start, True) for start in self._pausing(length, span))
        running = ((start, False) for start in self._running(length, span))
        if line.pause_video:
            yield from pausing
            yield from running
        else:
            yield from running
            if importance >= WORTH_A_PAUSE:
                yield from pausing

    def _running(self, length: int, span: _Span) -> Iterator[int]:
        """Between cues, while the video goes on."""
        for start in self._free(length, span, breath=_BREATH):
            share = self._lines.share_with(Line(start, start + length, ""))
            if share <= self._restraint.speech_share:
                yield start

    def _pausing(self, length: int, span: _Span) -> Iterator[int]:
        """With the video paused: where no cue is cut in two, else anywhere."""
        if length <= ms(self._restraint.longest_pause):
            for mind_dialogue in (True, False):
                for start in self._free(0, span, breath=0, mind_dialogue=mind_dialogue):
                    if self._restraint.pauses.allows(self._pauses, start):
                        yield start

    def _free(
        self, length: int, span: _Span, *, breath: int, mind_dialogue: bool = True
    ) -> Iterator[int]:
        """The first start from which `length` is free; nothing, if the span has none."""
        start = span.earliest
        while start <= span.latest:
            free = self._lines.free_from(start, length, gap=ms(self._restraint.gap))
            if mind_dialogue:
                free = max(free, self._dialogue.free_from(start, length, breath=breath))
            if free == start:
                yield start
                return
            start = free

    def _has_gap(self, length: int, span: _Span) -> bool:
        """Whether the dialogue alone would leave room."""
        start = span.earliest
        while start <= span.latest:
            free = self._dialogue.free_from(start, length, breath=_BREATH)
            if free == start:
                return True
            start = free
        return False

    def _length(self, line: Speak) -> int:
        return ceil(self._pace.seconds(line.text) * 1000)

    def _attempt(self, i: int, start: int) -> None:
        """Place an action that is no line at `start`, or drop it."""
        try:
            self._check(self._drafted(i), start)
        except _Unfit as unfit:
            self._dropped[i] = unfit.reason
        else:
            self._keep(i, _moved(self._drafted(i), start))

    def _check(self, action: Action, start: int) -> None:
        """Raises: _Unfit, where an action that is no line may not happen at `start`."""
        match action:
            case Expression():
                if not self._restraint.faces.allows(self._faces, start):
                    raise _Unfit("density")
                if not (self._lines.begin_at(start) or self._is_lone_and_rare(start)):
                    raise _Unfit("density")
            case PauseVideo():
                is_short = action.duration_seconds <= self._restraint.longest_pause
                if not (is_short and self._restraint.pauses.allows(self._pauses, start)):
                    raise _Unfit("pauses")
            case Seek() | ReplaySegment():
                self._check_target(action, start)
                is_rare = self._restraint.jumps.allows(self._jumps, start)
                if not (is_rare and self._jumps_made < JUMPS_PER_SESSION):
                    raise _Unfit("jumps")

    def _is_lone_and_rare(self, start: int) -> bool:
        lone = [face for face in self._faces if not self._lines.begin_at(face)]
        return self._restraint.lone_faces.allows(lone, start)

    def _check_target(self, jump: Jump, start: int) -> None:
        match jump:
            case Seek():
                target = end = ms(jump.target_timestamp)
                if target > start and not self._limits.forward_seeks:
                    raise _Unfit("forward_seek")
                is_sane = True
            case ReplaySegment():
                target, end = ms(jump.start_timestamp), ms(jump.end_timestamp)
                is_sane = 0 < end - target <= ms(LONGEST_REPLAY) and end <= start + _REPLAY_TAIL
        is_far = abs(target - start) > ms(SHORTEST_JUMP)
        if not (is_sane and is_far and end <= ms(self._limits.duration)):
            raise _Unfit("out_of_range")

    def _end(self, i: int) -> None:
        """The farewell is said once, in the last window, when all else is done."""
        evidence = ms(self._drafts[i].evidence_until or 0.0)
        start = max(_start(self._drafted(i)), evidence, self._all_done)
        if self._has_ended:
            self._dropped[i] = "repeated"
        elif self._window.end < self._limits.range_end or start > self._last:
            self._dropped[i] = "out_of_range"
        else:
            self._keep(i, _moved(self._drafted(i), start))

    # --- the books ---------------------------------------------------------------------

    def _drafted(self, i: int) -> Action:
        return self._drafts[i].action

    def _keep(self, i: int, action: Action) -> None:
        self._placed[i] = action
        self._occupy(action)
        self._count(action)

    def _occupy(self, action: Action) -> None:
        """Note when the action takes place."""
        start = _start(action)
        match action:
            case Speak():
                length = 0 if action.pause_video else self._length(action)
                self._lines.add(Line(start, start + length, action.text))
                if action.pause_video:
                    insort(self._pauses, start)
            case PauseVideo():
                insort(self._pauses, start)
            case Seek() | ReplaySegment():
                insort(self._jumps, start)
            case Expression():
                insort(self._faces, start)
            case EndReaction():
                pass

    def _count(self, action: Action) -> None:
        """Note what matters however long ago it was."""
        is_jump = isinstance(action, Jump)
        self._jumps_made += is_jump
        self._has_ended |= isinstance(action, EndReaction)
        # Jumps come last at their instant, so what is to follow one needs a later instant.
        self._all_done = max(self._all_done, _start(action) + is_jump)


def _start(action: Action) -> int:
    return ms(action.trigger_timestamp)


def _turn(action: Action) -> int:
    """The order among actions of one instant: nothing behind a jump would be reached."""
    return 2 if isinstance(action, Jump) else int(isinstance(action, EndReaction))


def _moved(action: Action, start: int) -> Action:
    return action.model_copy(update={"trigger_timestamp": start / 1000})


def _drop(action: Action, reason: Reason) -> Drop:
    return Drop(
        reason=reason,
        trigger_timestamp=action.trigger_timestamp,
        action_type=action.action_type,
        text=action.text if isinstance(action, Speak) else None,
    )
