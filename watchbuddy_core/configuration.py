"""Settings from a file, the environment and arguments: the later ones win.

    watchbuddy.toml  <  WATCHBUDDY_…  <  arguments

Each setting remembers where it comes from, so that a wrong value can be told by its place,
and the settings in force can be shown with theirs.
"""

from __future__ import annotations

import json
import logging
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from watchbuddy_core.errors import InvalidSettings
from watchbuddy_core.redaction import without_password
from watchbuddy_core.settings import Settings, user_config_dir

FILE_NAME = "watchbuddy.toml"
FILE_VARIABLE = "WATCHBUDDY_CONFIG"
"""Names the file, where it does not lie where it is looked for."""
TOKEN_VARIABLE = "WATCHBUDDY_TOKEN"
"""What a client shows to a server. No setting: it is nobody else's to read."""
_PREFIX = "WATCHBUDDY_"
_LEVEL = "__"
"""In a variable or an argument, what stands between the name of a group and a setting in it."""

_log = logging.getLogger("watchbuddy.settings")

Name = tuple[str, ...]
"""A setting, with the groups that it is in."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """The settings in force, and where each comes from."""

    settings: Settings
    origins: Mapping[Name, str]
    """In words, such as `watchbuddy.toml`; those that are not in it are defaults."""


def configure(
    arguments: Mapping[str, object] | None = None,
    *,
    spelled: Mapping[str, str] | None = None,
    file: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Configuration:
    """Read the settings from wherever they are given.

    Args:
        arguments: by name of the setting, of which two underscores lead into a group; None
            means that it was not given.
        spelled: how the arguments are called where they were given, such as `--library`.
        file: the file to read. None: the one that WATCHBUDDY_CONFIG names, else
            `watchbuddy.toml` in the current folder, else in the user's configuration folder,
            else none.

    Raises:
        InvalidSettings: a file cannot be read, a setting is unknown, or a value is wrong.
    """
    found = _Found()
    path = file or _file(environment)
    if path is not None:
        found.read_file(path)
    found.read_environment(environment)
    for name, value in (arguments or {}).items():
        if value is not None:
            found.put(tuple(name.split(_LEVEL)), value, (spelled or {}).get(name, "an argument"))
    return found.configuration()


def settings_in(
    model: type[BaseModel] = Settings, group: Name = ()
) -> Iterator[tuple[Name, FieldInfo]]:
    """Every setting, group by group."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from settings_in(inner, (*group, name))
        else:
            yield (*group, name), field


def variable_of(name: Name) -> str:
    """The environment variable of a setting."""
    return _PREFIX + _LEVEL.join(name).upper()


def as_toml(configuration: Configuration) -> str:
    """The settings in force as a file that would give the same ones, with comments.

    But for passwords in URLs: what is shown may be seen by others.
    """
    lines: list[str] = []
    group: Name = ()
    for name, field in sorted(settings_in(), key=lambda item: item[0][:-1]):
        if name[:-1] != group:
            group = name[:-1]
            lines += [f"[{'.'.join(group)}]", ""]
        value: Any = configuration.settings
        for part in name:
            value = getattr(value, part)
        origin = configuration.origins.get(name, "default")
        meaning = " ".join((field.description or "").split())
        lines += [f"# {meaning}", *_assignments(name, value, origin), ""]
    return "\n".join(lines)


def _assignments(name: Name, value: object, origin: str) -> list[str]:
    if value is None:
        return [f"# {name[-1]} is not set  # {origin}"]
    if isinstance(value, dict):
        tables = [f"# {name[-1]}: {origin}"]
        for key, options in value.items():
            tables.append(f"[{name[-1]}.{json.dumps(key)}]")
            tables += [f"{json.dumps(k)} = {_toml(v)}" for k, v in options.items()]
        return tables
    return [f"{name[-1]} = {_toml(value)}  # {origin}"]


def _toml(value: object) -> str:
    if isinstance(value, Path):
        return _toml(str(value))
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, str):
        value = without_password(value)
    # The strings of JSON are those of TOML, and so are its numbers and truth values.
    return json.dumps(value, ensure_ascii=False)


# --- where they are found --------------------------------------------------------------


def _file(environment: Mapping[str, str]) -> Path | None:
    if named := environment.get(FILE_VARIABLE):
        return Path(named)
    for folder in (Path.cwd(), user_config_dir(environment)):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return None


class _Found:
    """What was given, and where; a later one replaces an earlier one."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._origins: dict[Name, str] = {}

    def put(self, name: Name, value: object, origin: str) -> None:
        inner = self._values
        for group in name[:-1]:
            inner = inner.setdefault(group, {})
        inner[name[-1]] = value
        self._origins[name] = origin

    def read_file(self, path: Path) -> None:
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it is no text"
            raise InvalidSettings(f"The settings in {path} cannot be read: {reason}.") from exc
        except tomllib.TOMLDecodeError as exc:
            raise InvalidSettings(f"{path} is not TOML: {exc}.") from exc
        for name, value in _leaves(content):
            self.put(name, _beside(path, name, value), str(path))

    def read_environment(self, environment: Mapping[str, str]) -> None:
        for variable, text in environment.items():
            if not variable.startswith(_PREFIX) or variable in (FILE_VARIABLE, TOKEN_VARIABLE):
                continue
            name = tuple(variable.removeprefix(_PREFIX).lower().split(_LEVEL))
            if name in _known():
                self.put(name, _value(name, text), variable)
            else:
                _log.warning("%s is no setting.%s", variable, _suggestion(name, variable_of))

    def configuration(self) -> Configuration:
        try:
            settings = Settings.model_validate(self._values)
        except ValidationError as exc:
            raise self._complaint(exc) from None
        return Configuration(settings, self._origins)

    def _complaint(self, exc: ValidationError) -> InvalidSettings:
        error = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        name = tuple(str(part) for part in error["loc"])
        while name and name not in self._origins:
            name = name[:-1]
        dotted = ".".join(name or map(str, error["loc"]))
        origin = self._origins.get(name, "the settings")
        if error["type"] == "extra_forbidden":
            return InvalidSettings(
                f"{dotted} in {origin} is no setting.{_suggestion(name, '.'.join)}"
            )
        place = origin if origin.startswith(("--", _PREFIX)) else f"{dotted} in {origin}"
        reason = error["msg"].removeprefix("Value error, ")  # pydantic's words before ours
        return InvalidSettings(f"{place}: {reason}.")


def _leaves(content: Mapping[str, Any], group: Name = ()) -> Iterator[tuple[Name, object]]:
    """What stands in a file, setting by setting; also what is none."""
    for key, value in content.items():
        name = (*group, key)
        if isinstance(value, dict) and any(
            known[: len(name)] == name != known for known in _known()
        ):
            yield from _leaves(value, name)
        else:
            yield name, value


def _beside(path: Path, name: Name, value: object) -> object:
    """A relative path in a file is relative to that file."""
    if name not in _known() or not _holds_paths(_known()[name]):
        return value
    if isinstance(value, str):
        return str(path.absolute().parent / Path(value).expanduser())
    if isinstance(value, list):
        return [_beside(path, name, item) for item in value]
    return value


def _value(name: Name, text: str) -> object:
    """What a variable says. A list is separated as paths are, or by commas."""
    field = _known()[name]
    if _is_list(field):
        return [item for item in text.split(os.pathsep if _holds_paths(field) else ",") if item]
    if get_origin(field.annotation) is dict:
        try:
            return json.loads(text)
        except ValueError:
            raise InvalidSettings(f"{variable_of(name)} is not JSON.") from None
    return text


@cache
def _known() -> dict[Name, FieldInfo]:
    return dict(settings_in())


def _holds_paths(field: FieldInfo) -> bool:
    return field.annotation is Path or Path in get_args(field.annotation)


def _is_list(field: FieldInfo) -> bool:
    kinds = (field.annotation, *get_args(field.annotation))
    return any(get_origin(kind) is tuple for kind in kinds)


def _suggestion(name: Name, spell: Callable[[Name], str]) -> str:
    known = {".".join(one[:n]): one[:n] for one in _known() for n in range(1, len(one) + 1)}
    near = get_close_matches(".".join(name), known, n=1)
    return f" Is it {spell(known[near[0]])} that you mean?" if near else ""
