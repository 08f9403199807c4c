"""How a broken contract is told."""

from __future__ import annotations


class ContractBroken(AssertionError):
    """A plugin does not do what its contract says."""


def require(holds: object, broken: str) -> None:
    """
    Raises:
        ContractBroken: it does not hold; `broken` says which rule that is.
    """
    if not holds:
        raise ContractBroken(broken)
