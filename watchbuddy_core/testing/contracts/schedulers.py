"""What every Scheduler keeps to: single rules, and whole evenings with a FakePlayer."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from watchbuddy_core.actions import (
    Action,
    Jump,
    PostReplay,
    PostSeek,
    ReplaySegment,
    Seek,
    Speak,
)
from watchbuddy_core.errors import InvalidPosition
from watchbuddy_core.events import (
    ActionCompleted,
    Connected,
    Due,
    SeekUpdate,
    TimestampUpdate,
)
from watchbuddy_core.protocols import Scheduler
from watchbuddy_core.testing.contracts.broken import ContractBroken, require
from watchbuddy_core.testing.player import FakePlayer, Habits

_FILM = 120.0


def check_scheduler(make: Callable[[], Scheduler], *, evenings: int = 30) -> None:
    """Check a Scheduler: single rules, and then whole evenings with players of all habits.

    Args:
        make: gives a new one, each time.
        evenings: how many; the same ones every time.

    Raises:
        ContractBroken: it does not keep to it; the message names the rule.
    """
    require(isinstance(make(), Scheduler), "A scheduler has the four methods of its contract.")
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
    require(isinstance(due, Due), f"`actions_due` gives {due!r:.80}, which is no Due.")
    return due.action.id


def _nothing_comes_early_or_twice(scheduler: Scheduler) -> None:
    line = _line(5.0)
    scheduler.add([line])
    require(not scheduler.actions_due(), "Nothing is due before the player has said anything.")
    require(not _play(scheduler, 4.0, 4.9), "An action comes before its trigger.")
    require(_play(scheduler, 5.0) == [line.id], "An action does not come at its trigger.")
    require(not scheduler.actions_due(), "`actions_due` hands the same out twice.")
    require(not _play(scheduler, 5.0, 5.25, 6.0), "An action comes twice in one pass.")


def _what_comes_together_comes_in_order(scheduler: Scheduler) -> None:
    lines = [_line(2.5, "c"), _line(2.0, "a"), _line(2.0, "b")]
    scheduler.add(lines)
    _play(scheduler, 1.5)
    require(
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
    require(came == [early.id], f"After a seek back to 3, {came} comes instead of what is there.")


def _what_is_for_once_comes_once(scheduler: Scheduler) -> None:
    answer = _line(3.0)
    jump = Seek(
        trigger_timestamp=5.0, target_timestamp=1.0, post_seek_behavior=PostSeek.RESUME_PLAYBACK
    )
    scheduler.add([answer], once=True)
    scheduler.add([jump])
    came = _play(scheduler, 2.0, 3.0, 4.0, 5.0)
    require(came == [answer.id, jump.id], f"{came} came instead of an answer and a jump.")
    scheduler.receive(SeekUpdate(1.0, cause="action", action_id=jump.id), now=6.0)
    scheduler.receive(SeekUpdate(2.0, cause="user"), now=20.0)
    scheduler.actions_due()
    again = _play(scheduler, 2.0, 3.0, 4.0, 5.0, 6.0, since=20.0)
    require(not again, "A jump, or what was added with `once`, comes a second time.")


def _what_is_withdrawn_does_not_come(scheduler: Scheduler) -> None:
    lines = [_line(2.0), _line(3.0)]
    scheduler.add(lines)
    scheduler.withdraw([lines[0].id, "unknown"])
    require(_play(scheduler, 1.0, 2.0, 3.0) == [lines[1].id], "What was withdrawn comes.")
    scheduler.withdraw([lines[1].id])
    scheduler.receive(ActionCompleted("unknown"), now=9.0)
    require(not scheduler.actions_due(), "An unknown id makes something due.")


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
    require(not scheduler.actions_due(), "What was refused makes something due.")
    require(_play(scheduler, 5.0) == [line.id], "What was refused has changed something.")


def _an_id_that_is_known_is_left_as_it_was(scheduler: Scheduler) -> None:
    line = _line(2.0)
    scheduler.add([line])
    scheduler.add([line.model_copy(update={"trigger_timestamp": 4.0})])
    came = _play(scheduler, 1.0, 2.0, 3.0, 4.0)
    require(came == [line.id], f"An action that is added twice comes as {came}.")


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
                require(
                    action.trigger_timestamp <= head + 1e-6,
                    f"It comes early: {where}, at {head:.3f}.",
                )
                require(due.redelivered or action.id not in this_pass, f"It comes twice: {where}.")
                if isinstance(action, Jump):
                    require(action.id not in jumped, f"A jump comes twice: {where}.")
                    jumped.add(action.id)
                this_pass.add(action.id)
                player.perform(action)
    require(player.ended, f"Evening {seed} does not come to its end: a jump is made for ever.")
    if not seeks:
        missing = triggers.keys() - {action.id for action in player.received}
        require(not missing, f"Evening {seed}: {len(missing)} of {len(script)} never come.")


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
