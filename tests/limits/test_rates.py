"""How fast somebody may go: the rule, by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from watchbuddy_core.rates import Bucket, Buckets, Rate

rates = st.builds(
    Rate, count=st.integers(1, 50), seconds=st.floats(0.1, 100.0, allow_subnormal=False)
)
gaps = st.lists(st.one_of(st.just(0.0), st.floats(0.0, 20.0)), max_size=80)
starts = st.floats(0.0, 1e6)


def let_in(rate: Rate, start: float, gaps: list[float]) -> list[float]:
    """When those were let in that came one after the other, so many seconds apart."""
    buckets: Buckets[str] = Buckets(rate)
    now, times = start, []
    for gap in gaps:
        now += gap
        if not buckets.take("ann", now):
            times.append(now)
    return times


@given(rate=rates, start=starts, gaps=gaps)
def test_in_no_span_of_time_are_there_more_than_the_rate_and_what_may_come_at_once(
    rate: Rate, start: float, gaps: list[float]
) -> None:
    times = let_in(rate, start, gaps)
    for i, first in enumerate(times):
        for count, last in enumerate(times[i:], 1):
            allowed = rate.count + (last - first) / rate.interval
            assert count <= allowed * (1 + 1e-6) + 1e-4 / rate.interval


@given(rate=rates, start=starts, slack=st.lists(st.floats(0.0, 5.0), max_size=60))
def test_who_keeps_to_the_rate_is_never_refused(
    rate: Rate, start: float, slack: list[float]
) -> None:
    gaps = [rate.interval + more for more in slack]
    assert len(let_in(rate, start, gaps)) == len(gaps)


@given(rate=rates, start=starts)
def test_as_many_may_come_at_once_and_not_one_more(rate: Rate, start: float) -> None:
    at_once = int(rate.count)
    assert len(let_in(rate, start, [0.0] * (at_once + 5))) == at_once


@given(rate=rates, start=starts, gaps=gaps)
def test_who_waits_as_told_is_let_in_and_who_comes_before_is_not(
    rate: Rate, start: float, gaps: list[float]
) -> None:
    buckets: Buckets[str] = Buckets(rate)
    now = start
    for gap in gaps:
        now += gap
        wait = buckets.take("ann", now)
        assert 0.0 <= wait <= rate.interval * (1 + 1e-6) + 1e-6
        if wait > 1e-3:
            assert buckets.take("ann", now + wait / 2)
        if wait:
            now += wait
            assert buckets.take("ann", now) == 0.0


@given(rate=rates, start=starts, gaps=gaps)
def test_one_alone_and_one_of_many_go_equally_fast(
    rate: Rate, start: float, gaps: list[float]
) -> None:
    bucket = Bucket(rate)
    now, times = start, []
    for gap in gaps:
        now += gap
        if bucket.take(now):
            times.append(now)
    assert times == let_in(rate, start, gaps)


@given(start=starts, keys=st.lists(st.sampled_from("abcdef"), max_size=60))
def test_nobody_is_slowed_down_by_another(start: float, keys: list[str]) -> None:
    buckets: Buckets[str] = Buckets(Rate(3, 60.0))
    taken = dict.fromkeys("abcdef", 0)
    for key in keys:
        assert (buckets.take(key, start) == 0.0) == (taken[key] < 3)
        taken[key] += 1


def test_no_more_are_kept_in_mind_than_told_and_none_that_is_full() -> None:
    buckets: Buckets[int] = Buckets(Rate(10, 60.0), most=100)
    for key in range(1000):
        buckets.take(key, now=0.0)
        assert len(buckets) <= 100
    buckets.take(-1, now=100.0)
    assert len(buckets) == 1


def test_a_bucket_is_full_again_when_nothing_was_taken_for_long_enough() -> None:
    bucket = Bucket(Rate(10, 5.0))
    assert bucket.is_full(now=1.0)
    bucket.take(now=1.0)
    assert not bucket.is_full(now=1.4)
    assert bucket.is_full(now=1.6)
