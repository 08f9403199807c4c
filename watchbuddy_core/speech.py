"""How long a line takes to say."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from math import isfinite

SLOWEST = 1.8
FASTEST = 0.6
"""Bounds of a correction: what lies beyond was no undisturbed reading of the line."""

_WEIGHT = 0.25
"""Of one new measurement: half of an error is corrected after three lines."""

_ONSET = 0.5
_CLAUSE = 0.15
_HAN_PER_SECOND = 4.3
_KANA_PER_SECOND = 6.5
_HANGUL_PER_SECOND = 5.0
_WORDS_PER_SECOND = 3.0

_HAN = "\u3005\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_KANA = "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\uff66-\uff9d"
_HANGUL = "\uac00-\ud7af"
_CLAUSE_MARK = "[,;:.!?…—、，；：。！？]"

_han = re.compile(f"[{_HAN}]")
_kana = re.compile(f"[{_KANA}]")
_hangul = re.compile(f"[{_HANGUL}]")
_word = re.compile(rf"[^\W_{_HAN}{_KANA}{_HANGUL}]+(?:['’.,\-][^\W_{_HAN}{_KANA}{_HANGUL}]+)*")
_clause = re.compile(rf"{_CLAUSE_MARK}+(?!\w)|[、，；：。！？]+")


def spoken_seconds(text: str) -> float:
    """An estimate of how long an ordinary voice takes for `text`, in whatever scripts.

        0.5 + han / 4.3 + kana / 6.5 + hangul / 5 + words / 3 + 0.15 * clauses

    counted in characters, syllables, words of all other scripts (a number is one), and
    groups of punctuation between clauses. Emoji and symbols are not spoken. Never less
    than the half second that any voice needs to begin.

    The rates are articulation rates (5.18 syllables a second in Mandarin, 6.19 in
    English, 7.84 in Japanese; Pellegrino et al., "A cross-language perspective on speech
    information rate", 2011) lowered by the pauses of read text; the rate of words is
    the 160 to 180 a minute of Ofcom's guidance on subtitles. A voice's own pace is put
    right by `Pace`.
    """
    text = unicodedata.normalize("NFC", text)
    return (
        _ONSET
        + len(_han.findall(text)) / _HAN_PER_SECOND
        + len(_kana.findall(text)) / _KANA_PER_SECOND
        + len(_hangul.findall(text)) / _HANGUL_PER_SECOND
        + len(_word.findall(text)) / _WORDS_PER_SECOND
        + len(_clause.findall(text)) * _CLAUSE
    )


def is_reading(estimated: float, measured: float) -> bool:
    """Whether a line of `estimated` seconds can have been read aloud in `measured` seconds.

    A client whose voice is muted is through with a line at once, or as soon as the network
    lets it; one that was put to sleep in the middle is, hours later. Neither says anything
    about a voice. What lies within half of `FASTEST` and twice `SLOWEST` does, and no voice
    is through before it has begun.
    """
    shortest = max(FASTEST / 2 * estimated, FASTEST * _ONSET)
    return shortest <= measured <= 2 * SLOWEST * estimated


@dataclass(frozen=True, slots=True)
class Pace:
    """How a voice compares with the estimate: 2 would be one that takes twice as long."""

    factor: float = 1.0
    """From `FASTEST` to `SLOWEST`."""

    def __post_init__(self) -> None:
        if not FASTEST <= self.factor <= SLOWEST:
            raise ValueError(f"A pace lies between {FASTEST} and {SLOWEST}, not {self.factor!r}.")

    def seconds(self, text: str) -> float:
        """How long this voice takes for `text`."""
        return spoken_seconds(text) * self.factor

    def corrected_by(self, estimated: float, measured: float) -> Pace:
        """The pace after a line of `estimated` seconds really took `measured` seconds.

        `estimated` is what `spoken_seconds` says, without this pace. An exponential
        moving average: the new measurement, cut to the bounds, weighs a quarter.

        Raises:
            ValueError: a length that is none.
        """
        if not (isfinite(estimated) and isfinite(measured) and estimated > 0 and measured >= 0):
            raise ValueError(f"No lengths of speech: {estimated!r} and {measured!r} seconds.")
        ratio = min(max(measured / estimated, FASTEST), SLOWEST)
        # Between two values within the bounds, but for the last bit of a float.
        return Pace(min(max(self.factor + _WEIGHT * (ratio - self.factor), FASTEST), SLOWEST))
