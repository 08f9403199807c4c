"""What a run says at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from crashing.verdict import Verdict
from crashing.work import Bought


def told(
    kills: Sequence[str],
    waves: int,
    verdicts: Mapping[str, Verdict],
    bought: Bought,
    faults: Sequence[str],
) -> str:
    """What was done, what was met, and what is wrong.

    Args:
        kills: each in words.
        verdicts: by the manner of the viewers.
    """
    lines = [f"{len(kills)} kills in {waves} waves"]
    lines += [f"  {times:3}  {kill}" for kill, times in sorted(Counter(kills).items())]
    lines.append(f"{'viewers':28}  expected    met  missing  again")
    for name, one in verdicts.items():
        missing = one.missing.total()
        lines.append(f"{name:28}  {one.expected:8} {one.met:6} {missing:8} {one.again:6}")
    reasons = sum((one.missing for one in verdicts.values()), Counter[str]())
    lines += [f"  {times} missing: {reason}" for reason, times in reasons.items()]
    lines.append(
        f"windows and answers: {bought.wanted}, begun {bought.begun} times: "
        f"{bought.begun - bought.wanted} again after a kill had cut them off; "
        f"finished {bought.finished} times"
    )
    lines += [story for one in verdicts.values() for story in one.stories]
    lines += [f"FAULT  {fault}" for fault in faults]
    end = f"{len(faults)} faults" if faults else "nothing lost, nothing twice, nothing early"
    return "\n".join([*lines, end])
