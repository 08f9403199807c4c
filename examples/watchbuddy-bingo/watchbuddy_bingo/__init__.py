"""A generator for AI Watch Buddy that plays bingo with what is said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from watchbuddy_core.actions import Draft, EndReaction, Expression, Speak
from watchbuddy_core.protocols import Brief

CARD = ("actually", "amazing", "journey", "literally", "obviously", "synergy")


class BingoGenerator:
    """Calls out a word of the card whenever somebody says it.

    Args:
        words: the card. A word may be several.
    """

    def __init__(self, words: Sequence[str] = CARD) -> None:
        self._words = tuple(word.casefold() for word in words)

    async def generate(self, brief: Brief) -> AsyncIterator[Draft]:
        """Yield a line and a face for each word that is said in the window."""
        window = brief.window
        for i, cue in enumerate(brief.understanding.cues):
            if not window.start <= cue.end < window.end:
                continue
            for word in self._words:
                if word in cue.text.casefold():
                    called = Speak(trigger_timestamp=cue.end, text=f"Bingo! “{word}”.")
                    cheer = Expression(trigger_timestamp=cue.end, emotion="excitement")
                    # Until the cue is over, nobody is to know what is said in it.
                    for action in (called, cheer):
                        yield Draft(
                            action=action, evidence_until=cue.end, importance=0.7, cues=(i,)
                        )
        if brief.is_last:
            yield Draft(action=EndReaction(trigger_timestamp=max(window.start, window.end - 1.05)))
