"""The protocol as documents, for people and programs that do not read Python.

    schemas      JSON Schemas of all that goes over the wire; AsyncAPI, which says which way
    typescript   the same as types for TypeScript

All of it is made from the models in `wire` and `actions`, which are what is really spoken.
"""

from watchbuddy_core.documents.schemas import asyncapi, json_schema
from watchbuddy_core.documents.typescript import typescript

__all__ = ["asyncapi", "json_schema", "typescript"]
