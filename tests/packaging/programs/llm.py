"""`llm`: asks a model on a server."""

import asyncio
import os
import sys

from watchbuddy_core.generation.model.calls import Model, Question
from watchbuddy_core.protocols import EmptyDesk


async def main(server: str) -> str:
    model = Model("openai/small", api_base=server, format="none")
    question = Question([{"role": "user", "content": "Say hello."}], schema={}, max_tokens=50)
    return "".join([text async for text in model.stream(question, EmptyDesk())])


os.environ["OPENAI_API_KEY"] = "none"
print(asyncio.run(main(sys.argv[1])))
