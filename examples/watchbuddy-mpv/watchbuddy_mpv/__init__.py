"""AI Watch Buddy in mpv: the companion's lines over the film, its pauses and jumps obeyed.

    ipc        Mpv: a running mpv, asked and told over its JSON IPC
    player     MpvPlayer: the same as a `Player` of watchbuddy_core
    screen     Screen: what is written over the film
    watching   watch: a session before that player, from the first line to the last
    command    the command `watchbuddy-mpv`

All that is particular to mpv is in the first three; `watching` is what any player needs.
"""

from watchbuddy_mpv.ipc import Mpv, MpvGone, MpvRefused
from watchbuddy_mpv.player import MpvPlayer
from watchbuddy_mpv.screen import Screen
from watchbuddy_mpv.watching import watch

__all__ = ["Mpv", "MpvGone", "MpvPlayer", "MpvRefused", "Screen", "watch"]
