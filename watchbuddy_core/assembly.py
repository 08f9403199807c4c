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
        PluginProblem: the generator cannot be had, or two packages offer one name.
    """
    return Parts(
        sources=_sources(settings),
        generator=_generator(settings.generator),
        generator_name=settings.generator,
        characters=plugins.characters(),
        allowed_hosts=DEFAULT_HOSTS if settings.allowed_hosts is None else settings.allowed_hosts,
        density=settings.density,
        script_actions=settings.limits.script_actions,
    )


def _sources(settings: Settings) -> tuple[VideoSource, ...]:
    made = plugins.make_all(plugins.SOURCES, options={"library": {"libraries": settings.libraries}})
    for name, source in made.items():
        if not isinstance(source, VideoSource):
            _log.warning("The plugin %r makes no VideoSource. It is passed over.", name)
    return tuple(source for source in made.values() if isinstance(source, VideoSource))


def _generator(name: str) -> ActionGenerator:
    plugin = plugins.find(plugins.GENERATORS, name)
    made = plugin.make()
    if not isinstance(made, ActionGenerator):
        raise PluginProblem(f"The plugin {name!r} of {plugin.owner} makes no ActionGenerator.")
    return made
