"""Answers without a model: simple, honest, and in the character's voice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from watchbuddy_core.actions import Draft, Expression, Speak
from watchbuddy_core.character import AnswerKind, Character, Phrase
from watchbuddy_core.generation.chance import share
from watchbuddy_core.generation.composing import filled, position_in_words, slots_of
from watchbuddy_core.generation.quoting import shortened
from watchbuddy_core.generation.wishes import read_wish
from watchbuddy_core.protocols import Brief

_NOT_LONG_AGO = 30.0
"""Seconds after which what was said is no answer to what was said just now."""
_HAN = re.compile(r"[\u3400-\u9fff]")
_ASKED: tuple[tuple[AnswerKind, re.Pattern[str]], ...] = (
    (
        AnswerKind.UNSEEN,
        re.compile(
            r"\b(?:will|going to|gonna|what happens|the end(?:ing)?|spoil|next|later)\b"
            r"|结局|最后|后来|后面|接下来|会不会|剧透|凶手",
            re.IGNORECASE,
        ),
    ),
    (
        AnswerKind.SAID,
        re.compile(
            r"what (?:did|was|were|has|have) .{0,40}\b(?:say|said|saying)\b|\bsay that again\b"
            r"|\b(?:missed|didn['’]?t (?:hear|catch))\b|说了?(?:什么|啥)|没听(?:清|见|到)",
            re.IGNORECASE,
        ),
    ),
    (
        AnswerKind.WHERE,
        re.compile(
            r"\bwhere are we\b|\bhow (?:far|long|much (?:is )?left)\b|\bwhat time\b"
            r"|(?:多久|几分|多少分|看到哪|到哪|还有多长)",
            re.IGNORECASE,
        ),
    ),
    (
        AnswerKind.HELLO,
        re.compile(
            r"^\W*(?:hi|hello|hey|hallo|thanks?|thank you|good (?:morning|evening))\b"
            r"|你好|您好|嗨|哈喽|谢谢|在吗|早上好|晚上好",
            re.IGNORECASE,
        ),
    ),
)
"""The first that fits is what was asked."""

_ANYBODY: Mapping[str, Mapping[AnswerKind, tuple[str, ...]]] = {
    "en": {
        AnswerKind.HELLO: ("I am here.", "Hello to you."),
        AnswerKind.SAID: ("What I heard was: “{quote}”", "It was: “{quote}”"),
        AnswerKind.WHERE: ("We are at {time}.", "It is {time} now."),
        AnswerKind.UNKNOWN: (
            "Without a language model I cannot know that.",
            "I have no language model, so I have no answer to that.",
        ),
        AnswerKind.UNSEEN: ("We have not seen that yet.", "Let us see, rather than tell."),
    },
    "zh": {
        AnswerKind.HELLO: ("我在呢。", "你好呀。"),
        AnswerKind.SAID: ("我听到的是：“{quote}”", "刚才说的是“{quote}”"),
        AnswerKind.WHERE: ("现在是{time}。", "看到{time}了。"),
        AnswerKind.UNKNOWN: ("没有语言模型，这个我不知道。", "这个我答不上来，我没有语言模型。"),
        AnswerKind.UNSEEN: ("这里还没看到。", "先往下看吧，说破就没意思了。"),
    },
}


def answer(brief: Brief, message: str) -> Iterator[Draft]:
    """What the character says to it. The same message at the same place has the same answer."""
    fillings = _fillings(brief, _language(brief, message))
    kind = _kind_of(message)
    yield from _said(brief, message, kind, fillings)


def rather_not(brief: Brief, message: str) -> Iterator[Draft]:
    """What the character says instead of telling what the viewer has not seen."""
    fillings = _fillings(brief, _language(brief, message))
    yield from _said(brief, message, AnswerKind.UNSEEN, fillings)


def _kind_of(message: str) -> AnswerKind:
    return next((kind for kind, asked in _ASKED if asked.search(message)), AnswerKind.UNKNOWN)


def _said(
    brief: Brief, message: str, kind: AnswerKind, fillings: Mapping[str, str]
) -> Iterator[Draft]:
    language = _language(brief, message)
    position = brief.position or 0.0
    phrases = [
        phrase
        for phrase in _phrases(brief.character, language, kind)
        if slots_of(phrase) <= fillings.keys()
    ] or list(_phrases(brief.character, language, AnswerKind.UNKNOWN))
    said = {exchange.text for exchange in brief.talk if exchange.who == "companion"}
    wish = read_wish(brief.wish)

    def order(phrase: Phrase) -> tuple[bool, float]:
        line = wish.applied(filled(phrase, fillings))
        return line in said, share(message, position, phrase.text)

    phrase = min(phrases, key=order)
    line = wish.applied(filled(phrase, fillings))
    evidence = position
    comment = f"an answer: {kind}"
    if phrase.emotion is not None:
        yield Draft(
            action=Expression(trigger_timestamp=position, comment=comment, emotion=phrase.emotion),
            evidence_until=evidence,
        )
    yield Draft(
        action=Speak(trigger_timestamp=position, comment=comment, text=line),
        evidence_until=evidence,
        importance=1.0,
    )


def _phrases(character: Character, language: str, kind: AnswerKind) -> tuple[Phrase, ...]:
    own = character.answers.get(language, {}).get(kind, ())
    return own or tuple(Phrase(text=text) for text in _ANYBODY[language][kind])


def _language(brief: Brief, message: str) -> str:
    """The one that the message is in, if there are answers in it."""
    wanted = read_wish(brief.wish).language or brief.language
    return "zh" if _HAN.search(message) or wanted == "zh" else "en"


def _fillings(brief: Brief, language: str) -> dict[str, str]:
    """What the slots of answers can be filled with."""
    position = brief.position or 0.0
    fillings = {"time": position_in_words(position, language)}
    if brief.title:
        fillings["title"] = brief.title
    heard = [cue for cue in brief.understanding.cues if cue.text.strip()]
    if heard and position - heard[-1].end <= _NOT_LONG_AGO:
        quote = shortened(heard[-1].text, allow_long=True)
        if quote:
            fillings["quote"] = quote
    begun = [chapter for chapter in brief.understanding.chapters if chapter.start <= position]
    if begun:
        fillings["chapter"] = begun[-1].title
    return fillings
