"""Import the file of the argument, and build the validators of its types and functions."""

import importlib.util
import sys
import warnings

from pydantic import BaseModel, TypeAdapter

warnings.simplefilter("error")
spec = importlib.util.spec_from_file_location("generated", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["generated"] = module
spec.loader.exec_module(module)
for name, value in vars(module).items():
    if isinstance(value, type) and issubclass(value, BaseModel):
        TypeAdapter(value).json_schema()
    elif isinstance(value, module._Arguments):
        for types in value._types.values():
            TypeAdapter(types).json_schema()
        if isinstance(value, module._Function):
            TypeAdapter(value._result).json_schema()
