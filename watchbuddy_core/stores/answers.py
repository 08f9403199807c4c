"""Answers to those who wait for something that is done together with other things."""

from __future__ import annotations

import asyncio
from typing import Any


def settle(done: asyncio.Future[Any], outcome: Any) -> None:
    """Give whoever waits their answer; an exception is raised where they wait."""
    if done.done():
        return
    if not isinstance(outcome, Exception):
        done.set_result(outcome)
        return
    done.set_exception(outcome)
    # Whoever asked for it may have been cancelled meanwhile: that nobody hears of a refusal is no
    # failure then, and asyncio is not to tell it as one.
    done.exception()
