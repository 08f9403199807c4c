"""The unit for systemd, read by systemd's own programs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "deployment"
UNIT = EXAMPLES / "watchbuddy.service"
UNITS = [UNIT, EXAMPLES / "watchbuddy-web@.service", EXAMPLES / "watchbuddy-worker@.service"]
ANALYZE = shutil.which("systemd-analyze")

pytestmark = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ANALYZE), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={"SYSTEMD_LOG_LEVEL": "warning", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_knows_every_word_of_it(unit: Path) -> None:
    """The program that it starts is not here, and that is all that is said of it."""
    name = unit.name.replace("@.", "@")
    said = [line for line in analyze("verify", unit).stderr.splitlines() if name[:14] in line]
    assert len(said) == 1
    assert "/opt/watchbuddy/bin/watchbuddy is not executable" in said[0]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_it_is_as_confined_as_the_page_says(unit: Path) -> None:
    said = analyze("security", "--offline=true", unit).stdout
    (exposure,) = re.findall(r"exposure level for watchbuddy\S*\.service: ([\d.]+)", said)
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    assert f"`systemd-analyze security` counts {exposure} of 10" in page
