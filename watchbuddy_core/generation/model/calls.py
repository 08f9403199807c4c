"""One call of a language model through litellm: its text as it comes, or a failure of ours.

litellm takes seconds to import, reads files and opens connections while it does, and waits
for hours by default. All of that is dealt with here, and nothing of it is met elsewhere.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import re
import warnings
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from math import ceil
from typing import Any, Literal

from watchbuddy_core.entries import Usage
from watchbuddy_core.errors import MissingExtra
from watchbuddy_core.generation.model.failures import MAY_PASS, CallFailed, Reason
from watchbuddy_core.protocols import Desk
from watchbuddy_core.redaction import redacted

_log = logging.getLogger("watchbuddy.model")

Message = Mapping[str, Any]
"""As chat completions know it: a `role` and a `content`."""
Format = Literal["schema", "object", "none"]
"""How the model is held to JSON: by a schema, to any object, or by the prompt alone."""

_FORMATS: tuple[Format, ...] = ("schema", "object", "none")
_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches a price list, in the main thread
    "LITELLM_MODE": "PRODUCTION",  # else it reads a `.env` of the current folder
}
_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy", "openai")
"""Below warnings they log whole prompts."""
_IMPORTED_LATE = ("openai.resources", "litellm.proxy._types")
"""What litellm imports at its first call, for half a second, on the loop."""
_LONGEST_WAIT = 20.0
"""Seconds that a provider may ask to wait before it is tried again."""
_SLACK = 5.0
"""Seconds by which litellm's own limit lies behind ours, so that it never decides."""
_THINKING_TOKENS = 4096
"""Of an answer's limit, on top of what is to be said, for models that think first."""
_FAR_TOO_MUCH = 4
"""So many times as many tokens as were allowed, a server does not keep to what it is asked."""
PICTURE_TOKENS = 300
"""Providers count from 258 to some thousands for a picture of ours."""
_NO_KEY = "none"
_MILLION = 1_000_000
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_ABOUT_PICTURES = re.compile(r"image|vision|multi-?modal|picture|content part", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked in one call."""

    messages: Sequence[Message]
    schema: Mapping[str, Any]
    """Of the answer, as JSON schema."""
    max_tokens: int
    """Of the answer."""
    video_tokens: int = 0
    """Of a video that the model opens by itself."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What of the request is said in the provider's own words."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in monotonic seconds."""

    idle: float = 45.0
    """For the next piece of an answer, and for the first."""
    total: float = 180.0
    """For a whole answer."""
    retries: tuple[float, ...] = (1.0, 4.0)
    """Before each further try of a call that failed before its answer began."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Of one token, in US dollars. None: nobody knows."""

    prompt: float | None
    completion: float | None

    def usage(self, prompt_tokens: int, completion_tokens: int, *, calls: int = 1) -> Usage:
        """What so many tokens are, and cost."""
        cost = None
        if self.prompt is not None and self.completion is not None:
            cost = prompt_tokens * self.prompt + completion_tokens * self.completion
        return Usage(
            calls=calls,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            cost=cost,
        )


@dataclass(slots=True)
class Model:
    """A model by its litellm name, and what has been learnt about it."""

    name: str
    api_base: str | None = None
    key_variable: str | None = None
    """The environment variable that holds the key. None: the one that litellm expects."""
    format: Format | None = None
    """How it is held to JSON. None: found out, once."""
    reasoning: str = "low"
    """How hard a model that can think first is to do so; `none`: nothing is asked of it."""
    temperature: float | None = None
    patience: Patience = field(default_factory=Patience)
    _learnt: Format = "schema"

    def __post_init__(self) -> None:
        if find_spec("litellm") is None:
            raise MissingExtra("llm", "Asking a language model")

    # --- what is known without asking --------------------------------------------------

    async def prepare(self) -> tuple[str, ...]:
        """Load what is needed, and tell what is amiss, for the operator."""
        litellm = await _litellm()
        try:
            self._check(litellm)
        except CallFailed as exc:
            return (str(exc),)
        return ()

    async def can_see(self) -> bool:
        """Whether litellm knows that it takes pictures; False: it does not, or nobody knows."""
        litellm = await _litellm()
        return bool(litellm.supports_vision(model=self.name))

    async def prices(self) -> Prices:
        """By the list that litellm brings along."""
        litellm = await _litellm()
        try:
            prompt, completion = litellm.cost_per_token(
                model=self.name, prompt_tokens=_MILLION, completion_tokens=_MILLION
            )
        except Exception:  # noqa: BLE001 - it raises a plain Exception for an unknown model
            return Prices(None, None)
        return Prices(prompt / _MILLION, completion / _MILLION)

    # --- asking ------------------------------------------------------------------------

    async def stream(self, question: Question, desk: Desk) -> AsyncGenerator[str]:
        """The answer's text, as it comes. Closing the iterator ends the call at once.

        A call that fails before its answer begins is made again where that may help: after
        a while, or with less said about the form of the answer.

        Raises:
            CallFailed: nothing came, or not all of it.
            BudgetReached: it is not paid for.
        """
        litellm = await _litellm()
        self._check(litellm)
        formats = [self.format] if self.format else _FORMATS[_FORMATS.index(self._learnt) :]
        waits = list(self.patience.retries)
        failed_alike = 0
        while True:
            has_begun = False
            try:
                async with aclosing(self._call(litellm, question, formats[0], desk)) as texts:
                    async for text in texts:
                        if not has_begun:
                            has_begun = True
                            self._learnt = formats[0]
                        yield text
                return
            except CallFailed as exc:
                failed_alike += 1
                if has_begun:
                    waits.clear()
                elif _may_be_the_format(exc, failed_alike) and len(formats) > 1:
                    formats, failed_alike = formats[1:], 0
                    continue
                if not waits or exc.reason not in MAY_PASS or (exc.wait or 0.0) > _LONGEST_WAIT:
                    _log.warning("%s (%s)", exc, exc.detail)
                    raise
                _log.info("%s It is tried again. (%s)", exc, exc.detail)
                await asyncio.sleep(max(waits.pop(0), exc.wait or 0.0))

    async def _call(
        self, litellm: Any, question: Question, format: Format, desk: Desk
    ) -> AsyncGenerator[str]:
        """One request, and its answer to the end. What it uses is booked, however it ends."""
        thinks = self.reasoning != "none" and litellm.supports_reasoning(model=self.name)
        most = question.max_tokens + (_THINKING_TOKENS if thinks else 0)
        asked = ceil(tokens_of(question.messages)) + question.video_tokens
        usage = (await self.prices()).usage
        async with desk.paying(self.name, usage(asked, most)) as payment:
            payment.used = usage(asked, 0)
            finish, said = None, 0.0
            stream: Any = None
            try:
                stream, end = await self._opened(litellm, question, format, most, thinks=thinks)
                while chunk := await self._next(litellm, stream, end, has_begun=said > 0):
                    if told := getattr(chunk, "usage", None):
                        payment.used = usage(told.prompt_tokens, told.completion_tokens)
                    if not chunk.choices:
                        continue
                    finish = chunk.choices[0].finish_reason or finish
                    delta = chunk.choices[0].delta
                    text = delta.content or ""
                    said += _tokens(text) + _tokens(getattr(delta, "reasoning_content", "") or "")
                    if said > _FAR_TOO_MUCH * most:
                        finish = "length"
                        break
                    if text:
                        # At once: the iterator may be closed before another chunk comes.
                        payment.used = usage(asked, ceil(said))
                        yield text
            except CallFailed as exc:
                if not said and exc.reason != "timeout":  # else somebody was at work for us
                    payment.used = Usage()
                raise
            finally:
                if stream is not None:
                    await stream.aclose()
        if finish == "content_filter":
            raise CallFailed("refused", _SENTENCES["refused"].format(who=self._who))
        if finish == "length":
            raise CallFailed("cut_short", f"The answer of {self._who} became too long.")

    async def _opened(
        self, litellm: Any, question: Question, format: Format, most: int, *, thinks: bool
    ) -> tuple[Any, float]:
        """The stream of chunks, and the time at which it has to have ended.

        Raises:
            CallFailed
        """
        now = asyncio.get_running_loop().time()
        end = now + self.patience.total
        try:
            async with asyncio.timeout_at(min(now + self.patience.idle, end)):
                stream = await litellm.acompletion(
                    model=self.name,
                    messages=list(question.messages),
                    api_base=self.api_base,
                    api_key=self._key(),
                    stream=True,
                    stream_options={"include_usage": True},
                    max_tokens=most,
                    timeout=self.patience.idle + _SLACK,
                    num_retries=0,
                    max_retries=0,
                    drop_params=True,
                    **self._options(question, format, thinks=thinks),
                )
        except Exception as exc:  # noqa: BLE001 - whatever it is, the call has failed
            raise self._failure(litellm, exc) from None
        return stream, end

    async def _next(self, litellm: Any, stream: Any, end: float, *, has_begun: bool) -> Any:
        """The next chunk; None, where there are no more. With some providers it is the first
        one that sends the request.

        Raises:
            CallFailed
        """
        idle = asyncio.get_running_loop().time() + self.patience.idle
        try:
            async with asyncio.timeout_at(min(idle, end)):
                return await anext(stream, None)
        except Exception as exc:  # noqa: BLE001 - whatever it is, the call has failed
            raise self._failure(litellm, exc, has_begun=has_begun) from None

    def _options(self, question: Question, format: Format, *, thinks: bool) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if format == "schema":
            options["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": question.schema},
            }
        elif format == "object":
            # The schema beside it is what llama.cpp's own server reads; others pass it over.
            options["response_format"] = {"type": "json_object", "schema": question.schema}
        if question.extra:
            options["extra_body"] = dict(question.extra)
        if thinks:
            options["reasoning_effort"] = self.reasoning
        if self.temperature is not None:
            options["temperature"] = self.temperature
        return options

    # --- the key -----------------------------------------------------------------------

    def _key(self) -> str | None:
        """What is passed on; None: litellm looks for the key itself."""
        if self.key_variable is not None:
            return os.environ.get(self.key_variable) or _NO_KEY
        # A server of one's own needs no key, and the client library insists on one.
        return _NO_KEY if self.api_base and self._missing_keys(_loaded()) else None

    def _missing_keys(self, litellm: Any) -> list[str]:
        found = litellm.validate_environment(model=self.name)
        missing: list[str] = [name for name in found["missing_keys"] if "KEY" in name]
        return [] if found["keys_in_environment"] else missing

    def _check(self, litellm: Any) -> None:
        """Raises: CallFailed, where a call cannot succeed."""
        try:
            litellm.get_llm_provider(self.name)
        except Exception:  # noqa: BLE001 - a bad name, and nothing else is asked
            raise CallFailed(
                "no_model",
                f"The model {self.name!r} has no provider that is known:"
                " it is called provider/model, such as gemini/gemini-2.5-flash.",
            ) from None
        if self.key_variable is not None and not os.environ.get(self.key_variable):
            raise CallFailed("key", f"There is no key: {self.key_variable} is not set.")
        is_expected = self.key_variable is None and not self.api_base
        if is_expected and (missing := self._missing_keys(litellm)):
            raise CallFailed("key", f"There is no key for {self._who}: set {' or '.join(missing)}.")

    # --- failures ----------------------------------------------------------------------

    @property
    def _who(self) -> str:
        return f"the model {self.name!r}"

    def _failure(self, litellm: Any, exc: Exception, *, has_begun: bool = False) -> CallFailed:
        reason = _reason(litellm, exc)
        if has_begun and reason != "timeout":
            reason = "cut_short"
        wait = _retry_after(exc) if reason == "rate_limited" else None
        sentence = _SENTENCES[reason].format(who=self._who)
        return CallFailed(reason, sentence, wait=wait, detail=_told(exc))


_SENTENCES: dict[Reason, str] = {
    "key": "The provider of {who} does not take the key.",
    "no_model": "There is no {who}, or not at this address.",
    "rate_limited": "The provider of {who} takes no more calls now, or the quota is used up.",
    "unreachable": "Nobody answers at the address of {who}.",
    "timeout": "Nothing came from {who} for too long.",
    "rejected": "The provider of {who} does not understand the request.",
    "no_pictures": "It seems that {who} takes no pictures.",
    "too_long": "More was asked than {who} can take in.",
    "refused": "The provider of {who} refused to answer.",
    "provider": "The provider of {who} has a problem.",
    "cut_short": "The answer of {who} broke off.",
}


def _may_be_the_format(exc: CallFailed, failed_alike: int) -> bool:
    """A format that is not known is mostly refused, and by some servers with an error of
    their own: that is believed when it comes twice."""
    return exc.reason == "rejected" or (exc.reason == "provider" and failed_alike > 1)


def _reason(litellm: Any, exc: Exception) -> Reason:
    match exc:
        case TimeoutError() | litellm.Timeout():
            return "timeout"
        case litellm.AuthenticationError() | litellm.PermissionDeniedError():
            return "key"
        case litellm.RateLimitError():
            return "rate_limited"
        case litellm.NotFoundError():
            return "no_model"
        case litellm.ContextWindowExceededError():
            return "too_long"
        case litellm.ContentPolicyViolationError():
            return "refused"
        case litellm.BadRequestError() | litellm.UnprocessableEntityError():
            return "no_pictures" if _ABOUT_PICTURES.search(str(exc)) else "rejected"
    causes = {type(cause).__name__ for cause in _chain(exc)}
    if causes & {"APIConnectionError", "ConnectError", "ConnectTimeout"}:
        return "unreachable"
    return "provider"


def _chain(exc: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while exc is not None and exc not in chain:
        chain.append(exc)
        exc = exc.__cause__ or exc.__context__
    return chain


def _retry_after(exc: Exception) -> float | None:
    response = getattr(exc, "response", None)
    headers = getattr(exc, "litellm_response_headers", None) or getattr(response, "headers", {})
    try:
        return max(float(headers.get("retry-after", "")), 0.0)
    except (TypeError, ValueError):
        return None


def _told(exc: Exception) -> str:
    """What the provider said, for the log."""
    return redacted(" ".join(str(exc).split()))[:500]


# --- tokens ----------------------------------------------------------------------------


def tokens_of(messages: Sequence[Message]) -> float:
    """How many tokens messages take, more or less, whatever the model."""
    count = 0.0
    for message in messages:
        content = message["content"]
        if isinstance(content, str):
            count += _tokens(content)
            continue
        for part in content:
            count += _tokens(part["text"]) if part["type"] == "text" else PICTURE_TOKENS
    return count


def _tokens(text: str) -> float:
    """Four letters are about a token, and so is a character of an unspaced script."""
    unspaced = len(_UNSPACED.findall(text))
    return unspaced + (len(text) - unspaced) / 4


# --- litellm ---------------------------------------------------------------------------


async def _litellm() -> Any:
    """The module, loaded off the loop: it takes two seconds."""
    return await asyncio.to_thread(_loaded) if not _loaded.cache_info().currsize else _loaded()


@cache
def _loaded() -> Any:
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    loggers = list(map(logging.getLogger, _LOGGERS))
    for logger in loggers:
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    # Of its types, while it reads its first answer: nothing that its users can change.
    warnings.filterwarnings("ignore", r"Items? .* on TypedDict class", UserWarning)
    for name in _IMPORTED_LATE:
        with suppress(ImportError):
            importlib.import_module(name)
    for logger in loggers:
        logger.handlers.clear()  # of its own: each line would come twice
    return litellm
