"""Thinking of things to say: from a brief to drafts.

    model       a language model, through litellm: prompts, calls, and the generator
    reading     drafts from what a model writes, while it writes

    moments     what happens in a video, as far as rules can notice
    pacing      which of it gets a line, which only a face
    composing   which phrase, and what stands in its slots
    wishes      what the viewer asked for, as far as rules can follow
    answering   what is answered where no model does
    offline     the generator made of these

The rules run from the start of the range and use nothing but what lies before each moment.
So a later window, which knows more, finds the script of the earlier ones again as it was:
which phrases are used up, and when the last long quote was, needs no memory. A model needs
one, and has it in its brief.
"""
