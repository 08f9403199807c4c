"""No address of a viewer's, and nothing that it leads to, reaches an inner network.

The addresses are tried in a network namespace of their own (see hostile_world), where
nothing can leave even if the guard fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

PUBLIC = "93.184.216.34"
UNSHARE = ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]


@pytest.fixture(scope="module")
def report(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    trial = subprocess.run(
        [*UNSHARE, "ip", "link", "set", "lo", "up"], capture_output=True, text=True
    )
    if trial.returncode:
        pytest.skip(f"No network namespace can be made here: {trial.stderr.strip()}")
    file = tmp_path_factory.mktemp("hostile") / "report.json"
    world = Path(__file__).with_name("hostile_world.py")
    done = subprocess.run(
        [*UNSHARE, sys.executable, str(world), str(clip), str(file)],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_nothing_but_the_public_site_is_ever_connected_to(report: dict[str, Any]) -> None:
    assert report["control"] == ["10.0.0.5", "169.254.169.254"], "the world is not wired"
    assert report["connected"] == [PUBLIC]


def test_every_hostile_address_is_refused_with_a_documented_code(report: dict[str, Any]) -> None:
    outcomes = report["outcomes"]
    by = Counter(outcome["by"] for outcome in outcomes)
    assert by["links"] >= 60
    assert by["yt-dlp"] >= 15
    documented = {"UNSUPPORTED_VIDEO_SOURCE", "VIDEO_UNAVAILABLE"}
    assert [one for one in outcomes if one["code"] not in documented] == []


def test_a_server_that_knows_the_usual_sites_refuses_them_at_once(report: dict[str, Any]) -> None:
    assert [one["url"] for one in report["outcomes"] if one["allowed"]] == []
