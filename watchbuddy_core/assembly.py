"""From settings to the parts that sessions are made of."""

from __future__ import annotations

import logging

from watchbuddy_core import plugins
from watchbuddy_core.errors import PluginProblem
from watchbuddy_core.protocols import ActionGenerator, VideoSource
from watchbuddy_core.session.parts import Parts
from watchbuddy_core.settings import Settings
from watchbuddy_core.sources.hosts import DEFAULT_HOSTS

_log = logging.getLogger("watchbuddy.plugins")


def build_parts(settings: Settings) -> Parts:
    """Put together what is installed, as the settings ask for it.

    Sources and characters that are broken are passed over with a warning; the one
    generator that was asked for has to work.

    Raises:
        PluginProblem: the generator cannot be had, two packages offer one name, or there is
            no plugin to which options are given.
        InvalidCharacterFile: two files in the settings' folders hold one character.
    """
    _check_options(settings)
    hosts = settings.source_hosts
    return Parts(
        sources=_sources(settings),
        generator=_generator(settings),
        generator_name=settings.generator,
        characters=plugins.characters(settings.characters),
        allowed_hosts=DEFAULT_HOSTS if hosts is None else frozenset(hosts),
        density=settings.density,
        script_actions=settings.limits.script_actions,
        generating_idle_seconds=settings.limits.generating_idle_seconds,
        generating_seconds=settings.limits.generating_seconds,
        fetching_seconds=settings.limits.fetching_seconds,
    )


def _check_options(settings: Settings) -> None:
    known = {plugin.name for group in plugins.GROUPS for plugin in plugins.listing(group)}
    for name in settings.plugins:
        if name not in known:
            raise PluginProblem(f"There are options for a plugin {name!r}, and no such plugin.")


def _sources(settings: Settings) -> tuple[VideoSource, ...]:
    library = {"libraries": settings.libraries, **settings.plugins.get("library", {})}
    made = plugins.make_all(plugins.SOURCES, options={**settings.plugins, "library": library})
    for name, source in made.items():
        if not isinstance(source, VideoSource):
            _log.warning("The plugin %r makes no VideoSource. It is passed over.", name)
    return tuple(source for source in made.values() if isinstance(source, VideoSource))


def _generator(settings: Settings) -> ActionGenerator:
    name = settings.generator
    plugin = plugins.find(plugins.GENERATORS, name)
    made = plugin.make(**settings.plugins.get(name, {}))
    if not isinstance(made, ActionGenerator):
        raise PluginProblem(f"The plugin {name!r} of {plugin.owner} makes no ActionGenerator.")
    return made
