"""The rules that a script obeys, whoever wrote it.

A generator proposes more than is good for a viewer: too early, over the dialogue, too
much. `place` decides what stays, and when. It is a function of its arguments alone:

    drafts ──► moments ──────► sane? ──► seen? ──► room? ──► enough? ──► said? ──► placed
               a line and      out_of_   spoiler   no_gap    density     repeated
               what goes       range               pauses    jumps
               with it

The words under a question are the reasons of what is dropped at it. Moments are decided
on one by one, the most important first, so that what has to give way is always the less
important; faces, which crowd nobody, come after them, and the farewell comes last.

1. *No spoilers.* Nothing happens before its evidence: the end of what the generator says
   it shows, of the cues that it refers to, and of the cues that first say a rare word of
   the line. Too early an action is moved there, by at most `LONGEST_SHIFT`, or dropped.
2. *Not over dialogue.* A line is spoken between cues. One that fits nowhere within the
   shift pauses the video if it matters enough, or is dropped.
3. *Restraint.* What `RESTRAINT` says of the density holds in every span of time, across
   windows too. Two lines never overlap.
4. *Sane.* All times lie in the range, jumps land in the video.
"""

from watchbuddy_core.placement.plan import Limits, Placement, Reason, Soundtrack, place
from watchbuddy_core.placement.restraint import RESTRAINT, Rate, Restraint

__all__ = ["RESTRAINT", "Limits", "Placement", "Rate", "Reason", "Restraint", "Soundtrack", "place"]
