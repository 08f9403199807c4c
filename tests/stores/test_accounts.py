"""The names of accounts: whose money it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbuddy_core.accounts import is_before, is_of_user, of_day, of_session

DAY = "2026-01-31"
CALLERS = ["", "127.0.0.1", "2001:db8::/64", "token:0123456789abcdef"]


@given(st.sampled_from(CALLERS), st.text(min_size=1), st.text(min_size=1))
def test_an_account_is_of_the_user_it_was_made_for_and_of_no_other(
    caller: str, user: str, other: str
) -> None:
    account = of_day(DAY, caller, user)
    assert is_of_user(account, user)
    assert is_of_user(account, other) == (user == other)


@pytest.mark.parametrize("user", ["127.0.0.1", "64", "0123456789abcdef", DAY])
@pytest.mark.parametrize("caller", CALLERS)
def test_nobodys_name_is_that_of_a_callers_own_day(caller: str, user: str) -> None:
    assert not is_of_user(of_day(DAY, caller), user)


def test_a_session_is_of_no_day() -> None:
    assert not is_before(of_session("ses_0000000000000000"), DAY)
    assert is_before(of_day("2026-01-30", "127.0.0.1", "anna"), DAY)
    assert not is_before(of_day(DAY, "127.0.0.1"), DAY)
