"""A language model as the companion's mind.

    brief ──► prompts ──► a call ──► text as it comes ──► reader ──► drafts
              what it is   litellm,                       the moment
              told         or a failure of ours           an object closes

`generator` puts it together and is what others see. `calls` is the only module that knows
litellm. `prompts/*.md` is what the model is told; the rest of what stands here is for people.
"""
