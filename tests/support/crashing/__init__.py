"""Programs that are killed, their viewers, and the verdict on what they met.

See `tests/bench/crash.py` and `tests/bench/chaos.py`.

    film, unhurried                             what is watched, and who scripts it
    place, server, installation, balancer       what is killed
    wave, viewer, own_viewer, record            who watches, how, and what they have met
    comparing: verdict, excuses, talking, work  what is wrong with it: with what came by the
                                                script, with the conversation, with what was
                                                written down and paid for
    telling                                     what a run says at its end
"""
