"""Thinking of things to say.

    moments     what happens in a video, as far as rules can notice
    pacing      which of it gets a line, which only a face
    composing   which phrase, and what stands in its slots
    wishes      what the viewer asked for, as far as rules can follow
    offline     the generator made of these

Everything runs from the start of the range and uses nothing but what lies before each
moment. So a later window, which knows more, finds the script of the earlier ones again as
it was: which phrases are used up, and when the last long quote was, needs no memory.
"""
