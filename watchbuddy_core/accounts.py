"""The names of the accounts from which model calls are paid.

session/ses_…              what a session may spend; goes with it
2026-01-31/caller          what a caller may spend on that day
2026-01-31/caller/user:id  what one of their users may

Of callers and users each may have any text for a name, so that of a user is quoted: the last
part is the whole of it.
"""

from __future__ import annotations

from urllib.parse import quote


def of_session(session_id: str) -> str:
    return f"session/{session_id}"


def of_day(day: str, caller: str, user_id: str | None = None) -> str:
    """
    Args:
        day: as `2026-01-31`.
    """
    return f"{day}/{caller}" if user_id is None else f"{day}/{caller}/{_part_of_user(user_id)}"


def is_of_user(account: str, user_id: str) -> bool:
    """Whether it is one of the days of a user, whoever named them."""
    return account.rpartition("/")[2] == _part_of_user(user_id)


def is_before(account: str, day: str) -> bool:
    """Whether it is of a day before this one."""
    return account.partition("/")[0] < day and not account.startswith("session/")


def _part_of_user(user_id: str) -> str:
    return f"user:{quote(user_id, safe='')}"
