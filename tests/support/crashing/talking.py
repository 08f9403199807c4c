"""What viewers said to the companion who was killed, and what became of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from crashing.excuses import excuse_of_answer, served
from crashing.record import Manner
from crashing.verdict import Disturbed, Verdict, Watched, story
from watchbuddy_core.actions import Action, Speak
from watchbuddy_core.entries import Asked, Logged, Replied
from watchbuddy_core.session.history import History


def judge_talk(
    manner: Manner, watched: Watched, undisturbed: Watched, disturbed: Disturbed
) -> Verdict:
    """One viewer and the conversation: what was said and taken in has one answer, the whole of
    it, which is heard once; and who wants silence has it from when that was accepted."""
    record, log = watched.record, watched.log
    record = replace(record, connections=list(served(record.connections, disturbed.away)))
    verdict = Verdict(faults=[*_loud(manner, watched)])
    asked = {one.entry.text: one.entry.message_id for one in log if isinstance(one.entry, Asked)}
    given = _answers(log)
    heard = Counter(met.action.id for met in record.begun)
    for text, lines in _answers(undisturbed.log).items():
        verdict.expected += len(lines)
        id = asked.get(text)
        if record.may_be_lost(text) and id not in record.answering:
            verdict.missing["what was said was on its way at a kill"] += len(lines)
            continue
        if id not in record.answering & record.answered:
            verdict.faults.append(f"was not told that an answer has begun, or is over: {text}")
        answer = given.get(text, ())
        if list(map(_words, answer)) != list(map(_words, lines)):
            verdict.faults.append(f"another answer to {text}: {list(map(_words, answer))}")
        for line in answer:
            times = heard[line.id]
            reason = None if times else excuse_of_answer(line.id, record, log)
            if times == 1:
                verdict.met += 1
            elif reason is not None:
                verdict.missing[reason] += 1
            else:
                verdict.faults.append(f"begun {times} times: {_words(line)}")
                verdict.stories.append(story(_words(line), record, log))
    return verdict


def _answers(log: Sequence[Logged]) -> Mapping[str, Sequence[Action]]:
    """What was answered, by what was said."""
    said = {one.entry.message_id: one.entry.text for one in log if isinstance(one.entry, Asked)}
    answers: dict[str, list[Action]] = defaultdict(list)
    for logged in log:
        if isinstance(logged.entry, Replied):
            answers[said[logged.entry.message_id]] += logged.entry.actions
    return answers


def _words(action: Action) -> str:
    return action.text if isinstance(action, Speak) else action.action_type


def _loud(manner: Manner, watched: Watched) -> Iterator[str]:
    """What was said to a viewer who wants silence, once that was accepted."""
    if manner.mutes is None:
        return
    since, feedback = watched.record.muted_at, History(watched.log).feedback
    if since is None or feedback is None or feedback.density != "muted":
        yield f"the wish for silence is not heeded: {feedback}"
        return
    for met in watched.record.begun:
        if isinstance(met.action, Speak) and met.at > since and not met.is_answer:
            yield f"said to who wants silence: {met.key}"
