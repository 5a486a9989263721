"""Print which strings pydantic accepts. The input is a list of patterns with strings."""

import json
import sys
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import SchemaError


def adapter(pattern):
    kind = Annotated[str, Field(pattern=pattern)]
    try:
        return TypeAdapter(kind)
    except SchemaError:
        # A module with such a pattern must choose the other engine.
        return TypeAdapter(kind, config=ConfigDict(regex_engine="python-re"))


def accepts(types, text):
    try:
        return types.validate_python(text) == text
    except ValidationError:
        return False


cases = [(adapter(pattern), texts) for pattern, texts in json.load(sys.stdin)]
print(json.dumps([[accepts(types, text) for text in texts] for types, texts in cases]))
