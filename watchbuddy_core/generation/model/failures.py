"""Why a model gave no answer, in our own words."""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "key",
    "no_model",
    "rate_limited",
    "unreachable",
    "timeout",
    "rejected",
    "no_pictures",
    "too_long",
    "refused",
    "provider",
    "cut_short",
]
"""
key           there is none, or the provider does not take it
no_model      the provider has no such model
rate_limited  too many calls, or a quota that is used up
unreachable   nobody answers at the address
timeout       nothing came for too long
rejected      the request is not understood
no_pictures   it would be, without pictures
too_long      more was asked than the model can take in
refused       the provider's filter stepped in
provider      something else went wrong there
cut_short     the answer began and did not end
"""

MAY_PASS: frozenset[Reason] = frozenset({"rate_limited", "unreachable", "timeout", "provider"})
"""Where the same call may succeed a moment later."""


class CallFailed(Exception):
    """A call came to nothing, or to less than a whole answer.

    The message is for the viewer and the operator: it never holds what the provider said,
    which may echo the key.
    """

    def __init__(
        self, reason: Reason, message: str, *, wait: float | None = None, detail: str = ""
    ) -> None:
        self.reason: Reason = reason
        self.detail = detail
        """What the provider said, without keys: for the log, and for nobody else."""
        self.wait = wait
        """Seconds after which to try again, where the provider says so."""
        super().__init__(message)
