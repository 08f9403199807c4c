"""From a moment to a line: which phrase, and what stands in its slots."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from watchbuddy_core.character import Character, MomentKind, Phrase
from watchbuddy_core.generation.chance import share
from watchbuddy_core.generation.moments import Moment
from watchbuddy_core.generation.quoting import is_long, shortened, telling_word
from watchbuddy_core.generation.wishes import Wish
from watchbuddy_core.speech import spoken_seconds
from watchbuddy_core.video import clock

_LONG_QUOTES_APART = 60.0
"""Seconds of the video from one long quote to the next."""
_ONE_IN = 5
"""At most one line in so many has no slot, and could be said anywhere."""
_NEIGHBOURS = 3
"""So many lines in a row begin differently, where there is a choice."""
_LONGEST_TITLE = 32
_MOST_SECONDS = 99
_NEARLY = 12.0
"""Seconds short of a minute at which it is called one."""
_BRIEFER = 0.8
"""Seconds of speech by which a line has to be shorter to be called briefer."""
_WORTH_A_PAUSE = 0.7
"""The weight from which on a line may be longer: the video can wait for it."""
_SLOT = re.compile(r"\{(\w+)\}")
_SENTENCE_ENDS = re.compile(r"(?:^|[.!?] )$")
_LETTERS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u9fff\uac00-\ud7af]+")


@dataclass(frozen=True, slots=True)
class Line:
    """A phrase, filled."""

    text: str
    phrase: Phrase


class Composer:
    """Finds words for one moment after another, from the start of the range on.

    Each phrase is used once while fresh ones are left that fit, and no line is said twice.
    """

    def __init__(
        self,
        character: Character,
        language: str,
        *,
        title: str,
        wish: Wish,
        range_start: float,
    ) -> None:
        self._phrases = character.phrases.get(language, {})
        self._language = language
        self._title = _tidy(title)
        self._wish = wish
        self._range_start = range_start
        self._seed = f"{title}/{character.id}/{character.revision}/{language}"
        self._used: Counter[tuple[MomentKind, str]] = Counter()
        self._said: set[str] = set()
        self._openers: deque[str] = deque(maxlen=_NEIGHBOURS)
        self._last_long_quote: float | None = None
        self._lines = 0
        self._slotless = 0

    def line(self, moment: Moment, *, but_not: Container[str] = ()) -> Line | None:
        """Words for the moment, and none of `but_not`; None, where nothing fits."""
        fillings = self._fillings(moment)
        for phrase in sorted(self._fitting(moment, fillings), key=self._order(moment, fillings)):
            text = self._wish.applied(filled(phrase, fillings))
            if text not in self._said and text not in but_not:
                self._note(moment, phrase, fillings, text)
                return Line(text, phrase)
        return None

    def remember(self, said: Sequence[str]) -> None:
        """Take lines for said that were composed elsewhere: their phrases are not fresh."""
        if not said:
            return
        self._said.update(said)
        for kind, phrases in self._phrases.items():
            for phrase in phrases:
                pattern = _pattern(phrase)
                self._used[kind, phrase.text] += sum(bool(pattern.search(line)) for line in said)

    def _fitting(self, moment: Moment, fillings: Mapping[str, str]) -> Iterator[Phrase]:
        phrases = self._phrases.get(moment.kind, ())
        # A character without slots for this kind is taken at its word.
        may_be_slotless = (self._slotless + 1) * _ONE_IN <= self._lines + 1 or not any(
            slots_of(phrase) for phrase in phrases
        )
        for phrase in phrases:
            slots = slots_of(phrase)
            if slots <= fillings.keys() and (slots or may_be_slotless):
                yield phrase

    def _order(
        self, moment: Moment, fillings: Mapping[str, str]
    ) -> Callable[[Phrase], tuple[int, int, bool, float]]:
        """Fresh ones first, no two alike in a row, and then by lot.

        For a light moment of a dialogue, brief ones go before: it has to fit between cues.
        """
        is_light = bool(moment.cues) and moment.weight < _WORTH_A_PAUSE

        def order(phrase: Phrase) -> tuple[int, int, bool, float]:
            times = self._used[moment.kind, phrase.text]
            text = filled(phrase, fillings)
            return (
                times,
                int(spoken_seconds(text) / _BRIEFER) if is_light else 0,
                _opener(text) in self._openers,
                share(self._seed, moment.kind, times, phrase.text),
            )

        return order

    def _note(self, moment: Moment, phrase: Phrase, fillings: Mapping[str, str], text: str) -> None:
        slots = slots_of(phrase)
        self._used[moment.kind, phrase.text] += 1
        self._said.add(text)
        self._openers.append(_opener(filled(phrase, fillings)))
        self._lines += 1
        self._slotless += not slots
        if "quote" in slots and is_long(fillings["quote"]):
            self._last_long_quote = moment.trigger

    # --- slots -------------------------------------------------------------------------

    def _fillings(self, moment: Moment) -> dict[str, str]:
        """What each slot can be filled with; those that cannot are not in it."""
        told = moment.passage[0] if moment.passage else moment.trigger
        watched = int(moment.trigger - self._range_start + _NEARLY) // 60
        seconds = int(moment.seconds or 0)
        possible = {
            "quote": self._quote(moment),
            "word": telling_word(moment.said),
            "speaker": moment.speaker,
            "sound": moment.sound,
            "chapter": _tidy(moment.chapter or ""),
            "title": self._title,
            "time": position_in_words(told, self._language),
            "minutes": self._number(watched) if watched >= 2 else None,
            "seconds": self._number(seconds) if 2 <= seconds <= _MOST_SECONDS else None,
        }
        return {name: filling for name, filling in possible.items() if filling}

    def _quote(self, moment: Moment) -> str | None:
        last = self._last_long_quote
        is_free = last is None or moment.trigger - last >= _LONG_QUOTES_APART
        return shortened(moment.said, allow_long=is_free)

    def _number(self, number: int) -> str:
        return _NUMBERS.get(self._language, str)(number)


def slots_of(phrase: Phrase) -> frozenset[str]:
    """The names of the slots in a phrase."""
    return frozenset(_SLOT.findall(phrase.text))


def filled(phrase: Phrase, fillings: Mapping[str, str]) -> str:
    """The phrase with its slots filled."""

    def fill(slot: re.Match[str]) -> str:
        filling = fillings[slot.group(1)]
        begins_sentence = _SENTENCE_ENDS.search(phrase.text[: slot.start()])
        return filling[0].upper() + filling[1:] if begins_sentence else filling

    return _SLOT.sub(fill, phrase.text)


def _pattern(phrase: Phrase) -> re.Pattern[str]:
    """What lines that were made of the phrase look like, whatever a wish added to them."""
    pieces = _SLOT.sub("\0", phrase.text.rstrip(".。!！?？…~～ ")).split("\0")
    return re.compile(".+".join(map(re.escape, pieces)), re.IGNORECASE)


def _opener(text: str) -> str:
    words = _LETTERS.findall(text.casefold())
    return " ".join(words[: 3 if words and len(words[0]) == 1 else 2])


def _tidy(title: str) -> str:
    title = re.sub(r"[_\s]+", " ", title).strip(' .-《》“”"')
    if len(title) <= _LONGEST_TITLE:
        return title
    return title[:_LONGEST_TITLE].rsplit(" ", 1)[0].rstrip(" ,.:;-–—，：|") + "…"


# --- numbers and times, as they are said -----------------------------------------------

_DIGITS = "零一二三四五六七八九"
_ENGLISH = (
    *("zero", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)


def _chinese(number: int) -> str:
    """A count: `两`, `十二`, `二十五`."""
    return "两" if number == 2 else _chinese_numeral(number)


def _chinese_numeral(number: int) -> str:
    if number > 99:
        return str(number)
    tens, ones = divmod(number, 10)
    if not tens:
        return _DIGITS[ones]
    return (_DIGITS[tens] if tens > 1 else "") + "十" + (_DIGITS[ones] if ones else "")


def _english(number: int) -> str:
    return _ENGLISH[number] if number < len(_ENGLISH) else str(number)


def _chinese_position(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    said = f"{_chinese(hours)}小时" if hours else ""
    if minutes or hours:
        said += f"{_chinese(minutes)}分"
    return said + (f"{_chinese_numeral(rest)}秒" if rest or not said else "钟" if minutes else "")


def position_in_words(seconds: float, language: str) -> str:
    """A position as it is said."""
    return _POSITIONS.get(language, clock)(seconds)


_NUMBERS: Mapping[str, Callable[[int], str]] = {"zh": _chinese, "en": _english}
_POSITIONS: Mapping[str, Callable[[float], str]] = {"zh": _chinese_position}
"""Other languages get digits, and all others positions as players show them."""
