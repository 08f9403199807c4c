"""What importing the library costs and offers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx

import watchbuddy_core

HEAVY = [
    *("litestar", "uvicorn", "litellm", "yt_dlp", "av", "numpy", "websockets", "pydantic"),
    *("redis", "saq"),
]


def modules_after(statement: str) -> set[str]:
    """The names in `sys.modules` of a fresh interpreter that has run `statement`."""
    program = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    return set(json.loads(printed))


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not modules_after("import watchbuddy_core") & set(HEAVY)


def test_every_public_name_needs_nothing_but_pydantic() -> None:
    loaded = modules_after("from watchbuddy_core import *")
    assert "pydantic" in loaded
    assert not loaded & (set(HEAVY) - {"pydantic"})


def test_every_module_of_the_core_imports_without_extras() -> None:
    program = (
        "import pkgutil, importlib, watchbuddy_core\n"
        "for found in pkgutil.walk_packages(watchbuddy_core.__path__, 'watchbuddy_core.'):\n"
        "    importlib.import_module(found.name)"
    )
    assert not modules_after(program) & (set(HEAVY) - {"pydantic"})


def test_what_the_command_line_says_of_itself_loads_none_of_what_commands_need() -> None:
    loaded = modules_after(commands_run(["--version"], ["--help"]))
    assert "click" in loaded
    assert not loaded & {*HEAVY, "asyncio", "rich"}


def test_a_command_that_needs_no_server_loads_none(tmp_path: Path) -> None:
    here = ["--data-dir", str(tmp_path)]
    program = commands_run(
        *(["plugins"], ["characters", *here], ["schema", "typescript"], ["tokens", "list", *here]),
        *(["sessions", "show", "--help"], ["bench", "--help"], ["generate", "--help"]),
        *([command, "--help"] for command in ("serve", "worker", "watch", "demo", "new")),
    )
    loaded = modules_after(program)
    assert {"watchbuddy_server.cli.sessions", "watchbuddy_server.cli.serve"} <= loaded
    assert not loaded & (set(HEAVY) - {"pydantic"})


def commands_run(*command_lines: list[str]) -> str:
    """A program that runs all these commands, one after the other."""
    return (
        "from contextlib import redirect_stdout, redirect_stderr\n"
        "from io import StringIO\n"
        "from watchbuddy_server.cli.commands import cli\n"
        "from watchbuddy_server.cli.outcome import exit_code\n"
        f"for sys.argv[1:] in {command_lines!r}:\n"
        "    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):\n"
        "        code = exit_code(cli)\n"
        "    assert code == 0, sys.argv"
    )


def test_public_names_are_exactly_those_that_are_listed() -> None:
    listed = {name for names in watchbuddy_core._HOME.values() for name in names}
    assert set(watchbuddy_core.__all__) == listed
    for name in listed:
        assert getattr(watchbuddy_core, name) is not None


def test_a_server_by_itself_loads_nothing_of_what_several_need(tmp_path: Path) -> None:
    """Also once it has answered: what is loaded late is loaded as well."""
    command = [sys.executable, "-X", "importtime", "-m", "watchbuddy_server.cli", "serve"]
    told = (tmp_path / "imports").open("w+", encoding="utf-8")
    with (
        told,
        subprocess.Popen(
            [*command, "--port", "0", "--data-dir", str(tmp_path / "data")],
            stdout=subprocess.PIPE,
            stderr=told,
            text=True,
        ) as server,
    ):
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            answer = httpx.get(f"{url}/api/v1/characters", timeout=60)
            assert answer.status_code == 200
        finally:
            server.terminate()
            server.wait()
        told.seek(0)
        packages = {line.rpartition("|")[2].strip().partition(".")[0] for line in told}
    assert {"litestar", "aiosqlite", "watchbuddy_core"} <= packages
    assert not packages & {"redis", "saq", "hiredis"}
