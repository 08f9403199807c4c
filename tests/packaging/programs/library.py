"""With no extra: imports every public name, and runs the program that it is given."""

import sys
from pathlib import Path

import watchbuddy_core
from watchbuddy_core import *  # noqa: F403

assert "site-packages" in watchbuddy_core.__file__, watchbuddy_core.__file__
exec(compile(Path(sys.argv[1]).read_text(encoding="utf-8"), "README.md", "exec"), {})
