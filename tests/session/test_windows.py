"""Which window comes next."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbuddy_core.entries import Cancelled, Joined, Moved, Stage, Wanted
from watchbuddy_core.events import Playhead
from watchbuddy_core.session.windows import AHEAD, Viewer, next_window
from watchbuddy_core.video import Window

WINDOWS = [Window(index=i, start=120.0 * i, end=120.0 * (i + 1)) for i in range(8)]


def order(
    viewer: Viewer, *, done: tuple[int, ...] = (), is_away: bool = False, most: int = 20
) -> list[int]:
    """What is scripted, one after the other, as long as the viewer stays where they are."""
    scripted = list(done)
    for _ in range(most):
        i = next_window(WINDOWS, done=scripted, in_work=(), viewer=viewer, is_away=is_away)
        if i is None:
            break
        scripted.append(i)
    return scripted[len(done) :]


def test_before_anybody_watches_the_whole_range_is_scripted_in_order() -> None:
    assert order(Viewer()) == [0, 1, 2, 3, 4, 5, 6, 7]


def test_what_lies_ahead_of_the_playhead_goes_first_and_then_what_lies_behind_it() -> None:
    assert order(Viewer(position=500.0)) == [4, 5, 6, 7, 0, 1, 2, 3]


def test_a_client_that_is_ready_early_gets_two_windows_ahead_of_its_playhead() -> None:
    assert order(Viewer(ahead=AHEAD)) == [0, 1, 2]
    assert order(Viewer(ahead=AHEAD, position=10.0), done=(0, 1, 2)) == []
    assert order(Viewer(ahead=AHEAD, position=121.0), done=(0, 1, 2)) == [3]
    assert order(Viewer(ahead=AHEAD, position=900.0), done=(0, 1, 2)) == [7]


def test_a_seek_makes_the_window_there_the_next_one() -> None:
    assert order(Viewer(ahead=AHEAD, position=600.0), done=(0, 1, 2)) == [5, 6, 7]
    assert order(Viewer(position=600.0), done=(0,)) == [5, 6, 7, 1, 2, 3, 4]


@pytest.mark.parametrize("ahead", [AHEAD, None])
def test_near_the_end_of_a_window_that_was_not_begun_the_next_one_goes_first(
    ahead: int | None,
) -> None:
    nearly = Viewer(ahead=ahead, position=600.0 + 0.71 * 120)
    assert order(nearly)[:2] == [6, 5]
    assert order(Viewer(ahead=ahead, position=600.0 + 0.69 * 120))[:2] == [5, 6]
    assert order(Viewer(ahead=ahead, position=959.0))[:1] == [7]


def test_for_a_viewer_who_is_away_only_the_window_at_the_playhead_is_scripted() -> None:
    assert order(Viewer(ahead=AHEAD, position=600.0), is_away=True) == [5]
    assert order(Viewer(ahead=AHEAD), is_away=True) == [0]
    assert order(Viewer(position=600.0), is_away=True)[:3] == [5, 6, 7]


def test_the_second_slot_is_for_the_window_at_the_playhead_alone() -> None:
    def second(position: float, *, done: tuple[int, ...], in_work: tuple[int, ...]) -> int | None:
        return next_window(
            WINDOWS,
            done=done,
            in_work=in_work,
            viewer=Viewer(ahead=AHEAD, position=position),
            is_away=False,
        )

    assert second(10.0, done=(0,), in_work=(1,)) is None
    assert second(600.0, done=(0,), in_work=(1,)) == 5
    assert second(600.0, done=(0,), in_work=(1, 5)) is None
    assert second(600.0, done=(0,), in_work=(5,)) is None
    nearly_over = 600.0 + 0.8 * 120
    assert second(nearly_over, done=(0,), in_work=(1,)) == 6
    assert second(nearly_over, done=(0,), in_work=(6,)) == 5


@given(
    position=st.none() | st.floats(0, 2000),
    ahead=st.none() | st.just(AHEAD),
    done=st.sets(st.integers(0, 7)),
    in_work=st.sets(st.integers(0, 7), max_size=2),
    is_away=st.booleans(),
)
def test_nothing_is_scripted_twice_and_nothing_out_of_reach(
    position: float | None, ahead: int | None, done: set[int], in_work: set[int], is_away: bool
) -> None:
    viewer = Viewer(position=position, ahead=ahead)
    done = done - in_work
    i = next_window(WINDOWS, done=done, in_work=in_work, viewer=viewer, is_away=is_away)
    if i is None:
        if ahead is None and not in_work:
            assert done == set(range(8))
        return
    assert i not in done | in_work
    assert len(in_work) < 2
    if ahead is not None:
        here = min(int((position or 0.0) // 120), 7)
        assert here <= i <= here + AHEAD


def test_a_viewer_is_where_the_log_says_and_alive_when_it_says_so() -> None:
    viewer = Viewer()
    viewer.hear(Joined(connection=1, early_ready=True), now=1.0)
    assert (viewer.position, viewer.ahead, viewer.heard_at) == (None, AHEAD, 1.0)
    viewer.hear(Wanted(position=30.0, paused=True, ahead=AHEAD), now=2.0)
    assert (viewer.position, viewer.paused) == (30.0, True)
    viewer.hear(Moved(playhead=Playhead(head=90_000_000)), now=3.0)
    assert viewer.position == 90.0
    viewer.hear(Stage(stage="generating"), now=50.0)
    viewer.hear(Cancelled(), now=50.0)
    assert viewer.heard_at == 3.0
    viewer.hear(Joined(connection=2), now=51.0)
    assert (viewer.paused, viewer.ahead, viewer.position) == (False, None, 90.0)


def test_away_is_who_pauses_or_says_nothing() -> None:
    viewer = Viewer(heard_at=10.0)
    assert not viewer.is_away(now=25.0, patience=15.0)
    assert viewer.is_away(now=25.1, patience=15.0)
    viewer.paused = True
    assert viewer.is_away(now=10.0, patience=15.0)
