"""`python -m watchbuddy_server.cli` is `watchbuddy`."""

from watchbuddy_server.cli import main

main()
