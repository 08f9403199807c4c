"""It keeps to the contract of schedulers, and does not interrupt."""

from __future__ import annotations

from watchbuddy_manners import MannerlyScheduler

from watchbuddy_core import Action, Emotion, Expression, Seek, SeekUpdate, Speak, TimestampUpdate
from watchbuddy_core.testing import check_scheduler

LINE = Speak(id="line", trigger_timestamp=2.0, text="Did you see that?")
FACE = Expression(id="face", trigger_timestamp=2.0, emotion=Emotion.SURPRISE)
LATER = Speak(id="later", trigger_timestamp=4.0, text="And that?")


class Evening:
    """A film that plays, second by second."""

    def __init__(self, *script: Action, patience: float = 6.0) -> None:
        self.scheduler = MannerlyScheduler(patience=patience)
        self.scheduler.add(script)
        self.now = 0.0

    def play_to(self, second: float) -> list[str]:
        came: list[str] = []
        while self.now < second:
            self.now += 0.25
            self.scheduler.receive(TimestampUpdate(self.now), now=self.now)
            came += self.due()
        return came

    def talk(self, talks: bool) -> list[str]:
        self.scheduler.viewer_talks(talks, now=self.now)
        return self.due()

    def due(self) -> list[str]:
        return [due.action.id for due in self.scheduler.actions_due()]


def test_it_is_a_scheduler() -> None:
    check_scheduler(MannerlyScheduler)


def test_a_line_waits_until_the_viewer_has_ended() -> None:
    evening = Evening(LINE, FACE, LATER)
    assert evening.play_to(1.0) + evening.talk(True) == []
    assert evening.play_to(5.0) == ["face"]
    assert evening.talk(False) == ["line", "later"]
    assert evening.play_to(9.0) == []


def test_a_line_that_had_to_wait_too_long_is_left_out() -> None:
    evening = Evening(LINE, LATER, patience=3.0)
    evening.talk(True)
    evening.play_to(6.0)
    assert evening.talk(False) == ["later"]


def test_a_seek_leaves_out_what_waits_and_brings_it_again_where_it_belongs() -> None:
    evening = Evening(LINE)
    evening.talk(True)
    evening.play_to(3.0)
    evening.scheduler.receive(SeekUpdate(0.0), now=3.0)
    assert evening.talk(False) == []
    evening.now = 0.0
    assert evening.play_to(3.0) == ["line"]


def test_a_jump_does_not_wait_and_takes_along_what_does() -> None:
    jump = Seek(id="jump", trigger_timestamp=3.0, target_timestamp=20.0)
    evening = Evening(LINE, jump)
    evening.talk(True)
    assert evening.play_to(3.0) == ["jump"]
    evening.scheduler.receive(SeekUpdate(20.0, "action", "jump"), now=3.5)
    assert evening.talk(False) == []


def test_what_is_withdrawn_while_it_waits_does_not_come() -> None:
    evening = Evening(LINE, LATER)
    evening.talk(True)
    evening.play_to(5.0)
    evening.scheduler.withdraw(["line"])
    assert evening.talk(False) == ["later"]
