"""What is installed, in words for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from watchbuddy_core import plugins
from watchbuddy_core.plugins import Offered, Plugin
from watchbuddy_server.printable import printable

_Row = dict[str, object]


def plugin_rows(groups: Iterable[str] = plugins.GROUPS) -> list[_Row]:
    """Every plugin, by group and name; each is imported, so that broken ones are known."""
    return [_of_plugin(plugin) for group in groups for plugin in plugins.listing(group, load=True)]


def _of_plugin(plugin: Plugin) -> _Row:
    return {
        "group": plugin.group,
        "name": plugin.name,
        "package": plugin.package,
        "version": plugin.version,
        "target": plugin.target,
        "problem": plugin.problem,
    }


def character_rows(offered: Iterable[Offered]) -> list[_Row]:
    """Every character; one that replaces an installed one of its id comes instead of it."""
    offered = list(offered)
    counts = {one.character.id: one for one in sorted(offered, key=_rank) if one.character}
    return [
        _of_character(one)
        for one in offered
        if one.character is None or _rank(counts[one.character.id]) == _rank(one)
    ]


def _rank(offered: Offered) -> tuple[bool, bool]:
    """Of those with one id, the highest counts."""
    return offered.is_own, offered.is_brought


def _of_character(offered: Offered) -> _Row:
    character = offered.character
    return {
        "id": character.id if character else None,
        "name": character.name if character else {},
        "languages": list(character.languages) if character else [],
        "description": character.description if character else {},
        "revision": character.revision if character else None,
        "from": offered.owner,
        "problem": offered.problem,
    }


def as_json(rows: Sequence[_Row]) -> str:
    return json.dumps(rows, ensure_ascii=False, indent=2)


def plugin_lines(rows: Iterable[_Row]) -> Iterable[str]:
    """One line each, under the name of its group; a broken one with its reason."""
    group = None
    for row in rows:
        if row["group"] != group:
            group = row["group"]
            yield str(group)
        yield f"  {row['name']:<16} {row['package']} {row['version']}  ({row['target']})"
        yield from _reason(row)


def character_lines(rows: Iterable[_Row], language: str = "en") -> Iterable[str]:
    """One line each, with where it comes from; a broken one with its reason."""
    for row in rows:
        if row["problem"]:
            yield f"{'(broken)':<10} {row['from']}"
            yield from _reason(row)
            continue
        name, about = (_in_a_language(row[key], language) for key in ("name", "description"))
        spoken = ", ".join(map(str, row["languages"] if isinstance(row["languages"], list) else ()))
        yield f"{row['id']:<10} {name} [{spoken}]: {about or 'no description'}"
        yield f"{'':<10} from {row['from']}, revision {row['revision']}"


def _in_a_language(texts: object, language: str) -> str:
    if not isinstance(texts, dict) or not texts:
        return ""
    return printable(str(texts.get(language) or next(iter(texts.values()))))


def _reason(row: _Row) -> Iterable[str]:
    if row["problem"]:
        yield f"    broken: {' '.join(printable(str(row['problem'])).split())}"
