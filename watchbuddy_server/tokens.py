"""Tokens: what a caller shows to be let in, where others than oneself reach the server.

A token is 32 random bytes, and it is printed once. What is kept is its SHA-256: whoever reads
the file has no token. A hash that takes long would protect nothing here, as nobody guesses 256
bits, and it would be paid for at every request; it is for what people think up.

A token is looked up by its hash, so how long that takes says nothing of the ones there are.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from watchbuddy_core.errors import WatchBuddyError
from watchbuddy_core.locks import take
from watchbuddy_core.settings import Settings

PREFIX = "wb_"
"""How a token begins, so that people, and programs that look for secrets, know it as one."""
BY_TOKEN = "token:"
"""How the name of a caller begins who has shown one; see `SessionRecord.caller`."""
_NAME = re.compile(r"[A-Za-z0-9][\w.@-]{0,63}", re.ASCII)
_LONGEST = 256
"""Characters of what may be a token: more are not looked at."""
_LOOK_SECONDS = 1.0
"""So long, at the most, a change of the file goes unnoticed."""

_log = logging.getLogger("watchbuddy.server")


class TokenProblem(WatchBuddyError):
    """The tokens cannot be read or changed as was asked; the message says why."""


def new_token() -> str:
    """A token that nobody has seen before."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_of(token: str) -> str:
    """What is kept of a token: its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


def caller_of(token_hash: str) -> str:
    """The name of the caller who shows the token: a part of the hash is enough to tell them."""
    return f"{BY_TOKEN}{token_hash[:16]}"


def tokens_file(settings: Settings) -> Path:
    """Where the tokens are kept that `watchbuddy tokens` makes."""
    return settings.data_dir / "tokens.json"


class KeptToken(BaseModel):
    """What is kept of a token."""

    model_config = ConfigDict(frozen=True)

    name: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    created_at: float
    """Seconds since 1970."""

    @property
    def caller(self) -> str:
        return caller_of(self.sha256)


class _Content(BaseModel):
    tokens: tuple[KeptToken, ...] = ()


class TokenFile:
    """The tokens that an operator has made. Replaced as a whole, so it is never half a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[KeptToken, ...]:
        """All of them, the oldest first. None, where there is no file.

        Raises:
            TokenProblem: it cannot be read, or is not one of ours.
        """
        try:
            return _Content.model_validate_json(self.path.read_bytes()).tokens
        except FileNotFoundError:
            return ()
        except OSError as exc:
            raise TokenProblem(f"{self.path} cannot be read: {exc.strerror}.") from exc
        except ValidationError as exc:
            raise TokenProblem(
                f"{self.path} is no file of tokens. Remove it, and make new ones."
            ) from exc

    def add(self, name: str, *, now: float) -> str:
        """Make a token; it cannot be had again.

        Args:
            now: seconds since 1970.

        Raises:
            TokenProblem: the name is taken, or none; or the file cannot be changed.
        """
        if not _NAME.fullmatch(name):
            raise TokenProblem("A token's name has letters, digits, and . _ @ - between them.")
        token = new_token()
        with self._changing() as there:
            if any(one.name == name for one in there):
                raise TokenProblem(f"There is a token {name} already. Choose another name.")
            self._write((*there, KeptToken(name=name, sha256=hash_of(token), created_at=now)))
        return token

    def remove(self, name: str) -> None:
        """Whoever shows it is not let in any more.

        Raises:
            TokenProblem: there is none of this name; or the file cannot be changed.
        """
        with self._changing() as there:
            if all(one.name != name for one in there):
                raise TokenProblem(f"There is no token {name}.")
            self._write(tuple(one for one in there if one.name != name))

    @contextmanager
    def _changing(self) -> Iterator[tuple[KeptToken, ...]]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self.path.with_suffix(".lock").open("ab") as lock:
                if not take(lock):
                    raise TokenProblem("Another program changes the tokens. Try again.")
                yield self.read()
        except OSError as exc:
            raise TokenProblem(f"{self.path} cannot be written: {exc.strerror}.") from exc

    def _write(self, tokens: tuple[KeptToken, ...]) -> None:
        content = _Content(tokens=tokens).model_dump_json(indent=2)
        # Made with mode 0600, and on the disk before it takes the old one's place.
        with tempfile.NamedTemporaryFile("w", dir=self.path.parent, delete=False) as file:
            try:
                file.write(content + "\n")
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, self.path)
            except BaseException:
                os.unlink(file.name)
                raise


@dataclass(frozen=True, slots=True)
class _Looked:
    """What was known of the file when it was last looked at."""

    facts: tuple[int, int, int] | None
    hashes: frozenset[str]


class Tokens:
    """Those that are good now: in the file, which is looked at again, and in the settings.

    A file that cannot be read holds none: nobody is let in by mistake.

    Args:
        hashes: SHA-256 of tokens that are good whatever the file holds.
        now: monotonic seconds.
    """

    def __init__(
        self,
        file: TokenFile | None = None,
        hashes: Collection[str] = (),
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file = file
        self._given = frozenset(hashes)
        self._now = now
        self._look_at = -1.0
        self._looked = _Looked(None, frozenset())
        self._callers: frozenset[str] = frozenset(map(caller_of, self._given))

    def find(self, token: str) -> str | None:
        """The name of the caller who shows it. None: it is no good one."""
        if len(token) > _LONGEST:
            return None
        self._look()
        token_hash = hash_of(token)
        is_good = token_hash in self._given or token_hash in self._looked.hashes
        return caller_of(token_hash) if is_good else None

    def knows(self, caller: str) -> bool:
        """Whether the token of a caller who has shown one is still good."""
        self._look()
        return caller in self._callers

    def __bool__(self) -> bool:
        """Whether there is any."""
        self._look()
        return bool(self._callers)

    def _look(self) -> None:
        """To ask for the file's facts takes microseconds, and once a second is often enough."""
        if self._file is None or (now := self._now()) < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        facts = _facts(self._file.path)
        if facts == self._looked.facts:
            return
        try:
            hashes = frozenset(one.sha256 for one in self._file.read())
        except TokenProblem as exc:
            _log.error("nobody is let in by a token of the file: %s", exc)
            hashes = frozenset()
        self._looked = _Looked(facts, hashes)
        self._callers = frozenset(map(caller_of, self._given | hashes))


def _facts(path: Path) -> tuple[int, int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino
