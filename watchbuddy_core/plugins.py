"""Plugins: found by name through the entry points of installed packages.

A package offers a plugin by naming it in its metadata:

    [project.entry-points."watchbuddy.characters"]
    rosa = "watchbuddy_rosa:rosa"

An entry point of `watchbuddy.sources`, `watchbuddy.generators`, `watchbuddy.schedulers` or
`watchbuddy.transcribers` names a factory that takes the plugin's own options as keyword
arguments. One of `watchbuddy.characters` names a Character, several of them, a folder of
character files (a Path), or a callable that takes nothing and returns one of these.

What this library brings along is declared in the same groups and found on the same road.
Nothing is imported before a plugin is used. One that cannot be used is passed over with
a warning, and listed with its reason; two packages that offer the same name are an error
that names both, since there is no telling which one was meant.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from dataclasses import dataclass, field, replace
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path

from watchbuddy_core.character import Character
from watchbuddy_core.characters import is_character_file, load_character, load_folder
from watchbuddy_core.characters.cast import Cast
from watchbuddy_core.characters.folder import CardFolder
from watchbuddy_core.errors import (
    InvalidCharacterFile,
    NoCharacterCard,
    PluginProblem,
    WatchBuddyError,
)

SOURCES = "watchbuddy.sources"
GENERATORS = "watchbuddy.generators"
SCHEDULERS = "watchbuddy.schedulers"
TRANSCRIBERS = "watchbuddy.transcribers"
CHARACTERS = "watchbuddy.characters"
GROUPS = (SOURCES, GENERATORS, SCHEDULERS, TRANSCRIBERS, CHARACTERS)

_ANYTHING = (Exception, SystemExit)
"""What the code of others may raise when it is imported or called, except being interrupted."""

_log = logging.getLogger("watchbuddy.plugins")


@dataclass(frozen=True, slots=True)
class Plugin:
    """One entry point, and who offers it. Holding one has imported nothing."""

    group: str
    name: str
    package: str
    """The distribution that offers it, as it is called where packages are installed."""
    version: str
    target: str
    """What the entry point names, as `module:attribute`."""
    problem: str | None = None
    """Why it cannot be used, as far as that is known."""
    _entry_point: EntryPoint = field(repr=False, kw_only=True)

    @property
    def owner(self) -> str:
        return f"{self.package} {self.version}"

    def load(self) -> object:
        """Import what the entry point names.

        Raises:
            PluginProblem: it cannot be imported, whatever the reason.
        """
        try:
            loaded: object = self._entry_point.load()
        except _ANYTHING as exc:
            raise self._broken(exc) from exc
        return loaded

    def make(self, **options: object) -> object:
        """Call the factory that the entry point names.

        Raises:
            PluginProblem: it cannot be imported, is no factory or does not take the options.
        """
        factory = self.load()
        if not callable(factory):
            raise self._broken(f"{self.target} cannot be called")
        try:
            made: object = factory(**options)
        except WatchBuddyError:
            raise
        except _ANYTHING as exc:
            raise self._broken(exc) from exc
        return made

    def _broken(self, reason: BaseException | str) -> PluginProblem:
        said = reason if isinstance(reason, str) else _in_words(reason)
        return PluginProblem(
            f"The plugin {self.name!r} of {self.owner} ({self.group}) cannot be used: {said}."
        )


def listing(group: str, *, load: bool = False) -> tuple[Plugin, ...]:
    """The plugins of a group, by name. Those with a `problem` cannot be used.

    Args:
        load: import each, so that the broken ones are known. Else nothing is imported,
            and only names that are offered twice are known as problems.
    """
    found = list(_offered(group))
    owners = defaultdict(list)
    for plugin in found:
        owners[plugin.name].append(plugin.owner)
    listed = [
        replace(plugin, problem=_clash(plugin.name, owners[plugin.name]))
        if len(owners[plugin.name]) > 1
        else plugin
        for plugin in found
    ]
    if load:
        listed = [_examined(plugin) for plugin in listed]
    return tuple(sorted(listed, key=lambda plugin: (plugin.name, plugin.owner)))


def find(group: str, name: str) -> Plugin:
    """The one plugin of this name. Imports nothing.

    Raises:
        PluginProblem: there is none, or two packages offer one.
    """
    plugins = listing(group)
    named = [plugin for plugin in plugins if plugin.name == name]
    if not named:
        known = ", ".join(plugin.name for plugin in plugins) or "none"
        raise PluginProblem(f"There is no plugin {name!r} in {group}. Installed: {known}.")
    _refuse_clash(named[0])
    return named[0]


def make_all(
    group: str, options: Mapping[str, Mapping[str, object]] | None = None
) -> dict[str, object]:
    """What every usable plugin of a group makes, by name; broken ones are passed over.

    Args:
        options: keyword arguments for the factories, by name of the plugin.

    Raises:
        PluginProblem: two packages offer one name.
    """
    made = {}
    for plugin in listing(group):
        _refuse_clash(plugin)
        try:
            made[plugin.name] = plugin.make(**(options or {}).get(plugin.name, {}))
        except PluginProblem as problem:
            _pass_over(problem)
    return made


@dataclass(frozen=True, slots=True)
class Offered:
    """A character, or a file or plugin that should hold one; and where it comes from."""

    owner: str
    """A package with its version, or a file."""
    character: Character | None = None
    problem: str | None = None
    """Why there is none."""
    is_own: bool = False
    """It is a file of the operator's, and replaces an installed character of its id."""
    is_brought: bool = False
    """It was imported, and replaces an installed character of its id, but not the operator's."""
    file: Path | None = None


def offered_characters(
    folders: Iterable[Path] = (), *, brought: CardFolder | None = None
) -> list[Offered]:
    """Every character of the installed packages and of some folders, also those that are
    broken or replaced; the ones of the folders last."""
    offered: list[Offered] = []
    for plugin in listing(CHARACTERS):
        try:
            _refuse_clash(plugin)
            found = _characters_of(plugin)
        except PluginProblem as problem:
            offered.append(Offered(plugin.owner, problem=str(problem)))
        else:
            offered += [Offered(plugin.owner, character) for character in found]
    for file in brought.files() if brought is not None else ():
        offered += _offered_by(file, is_brought=True)
    for folder in folders:
        for file in sorted(filter(is_character_file, folder.iterdir())):
            offered += _offered_by(file, is_brought=False)
    return offered


def characters(folders: Iterable[Path] = ()) -> dict[str, Character]:
    """Every character that can be used, by id; what is broken is passed over.

    Args:
        folders: with character files. One of them replaces an installed character of its id.

    Raises:
        PluginProblem: two packages offer one name or characters with one id.
        InvalidCharacterFile: two files hold characters with one id.
    """
    return dict(cast(folders))


def cast(folders: Iterable[Path] = (), *, brought: CardFolder | None = None) -> Cast:
    """Every character that can be used, and such as are brought along later; see `Cast`.

    Args:
        folders: with character files. One of them replaces another character of its id.
        brought: where those are kept that are brought along.

    Raises:
        PluginProblem: two packages offer one name or characters with one id.
        InvalidCharacterFile: two files of the folders hold characters with one id.
    """
    for plugin in listing(CHARACTERS):
        _refuse_clash(plugin)
    installed: dict[str, Offered] = {}
    own: dict[str, Offered] = {}
    for offered in offered_characters(folders):
        if offered.character is None:
            _log.warning("%s It is passed over.", offered.problem)
            continue
        same = (own if offered.is_own else installed).setdefault(offered.character.id, offered)
        if same is not offered and offered.is_own:
            raise InvalidCharacterFile(
                f"{same.owner} and {offered.owner} hold the same id, {offered.character.id!r}."
            )
        if same is not offered:
            raise PluginProblem(_clash(offered.character.id, [same.owner, offered.owner]))
    return Cast(
        {id: offered.character for id, offered in installed.items() if offered.character},
        own={id: offered.character for id, offered in own.items() if offered.character},
        cards={id: offered.file for id, offered in own.items() if offered.file},
        folder=brought,
    )


def _offered_by(file: Path, *, is_brought: bool) -> Iterator[Offered]:
    """What a file holds, or should hold; nothing, where it is a mere picture or document."""
    offered = Offered(str(file), is_own=not is_brought, is_brought=is_brought, file=file)
    try:
        yield replace(offered, character=load_character(file))
    except NoCharacterCard:
        return
    except InvalidCharacterFile as problem:
        yield replace(offered, problem=str(problem))


def _characters_of(plugin: Plugin) -> list[Character]:
    offered = plugin.load()
    if callable(offered):
        offered = plugin.make()
    try:
        if isinstance(offered, Path):
            offered = load_folder(offered)
        if isinstance(offered, Character):
            return [offered]
        if isinstance(offered, Mapping):
            offered = offered.values()
        if isinstance(offered, Iterable):
            several = list(offered)
            if all(isinstance(one, Character) for one in several):
                return several
    except _ANYTHING as exc:
        raise plugin._broken(exc) from exc
    raise plugin._broken(f"{plugin.target} is no character, no list of them and no folder")


def _offered(group: str) -> Iterator[Plugin]:
    """What the installed packages declare, whether or not it makes sense.

    `importlib.metadata.entry_points` would do, if it were not that another package may have
    put a reader of its own in its place, which fails for all where one declares nonsense.
    """
    seen: set[str] = set()
    for package in distributions():
        declared = _declared(package, group)
        if declared and (name := package.metadata["Name"] or "an unknown package") not in seen:
            seen.add(name)  # the first one on the path is the one that is imported
            for plugin, target in declared.items():
                yield Plugin(
                    group=group,
                    name=plugin,
                    package=name,
                    version=package.version,
                    target=target,
                    _entry_point=EntryPoint(plugin, target, group),
                )


def _declared(package: Distribution, group: str) -> Mapping[str, str]:
    """By name; see "Entry points specification", Python Packaging User Guide."""
    text = package.read_text("entry_points.txt") or ""
    if f"[{group}]" not in text:
        return {}
    parser = ConfigParser(delimiters="=", strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except ConfigParserError as exc:
        _log.warning("The entry points of a package cannot be read: %s", exc)
        return {}
    return dict(parser[group])


def _examined(plugin: Plugin) -> Plugin:
    if plugin.problem is not None:
        return plugin
    try:
        if plugin.group == CHARACTERS:
            _characters_of(plugin)
        else:
            plugin.load()
    except PluginProblem as problem:
        _pass_over(problem)
        return replace(plugin, problem=str(problem))
    return plugin


def _clash(name: str, owners: Iterable[str]) -> str:
    return (
        f"The name {name!r} is offered by {' and by '.join(sorted(owners))}: uninstall one of them."
    )


def _refuse_clash(plugin: Plugin) -> None:
    if plugin.problem is not None:
        raise PluginProblem(plugin.problem)


def _pass_over(problem: PluginProblem) -> None:
    _log.warning("%s It is passed over.", problem)


def _in_words(exc: BaseException) -> str:
    return f"{type(exc).__name__}: {exc}".rstrip(".: ")
