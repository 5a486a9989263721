"""Call the modules of corpus.py with generated clients, and print the failures as a JSON list.

The arguments are the URL of the broker, the folder of the clients, and a file with a JSON list of the
modules: their `name`, `api_info` and `calls`.
"""

import base64
import importlib
import inspect
import json
import sys
import traceback
from typing import get_type_hints

from pydantic import TypeAdapter


def methods(cls):
    """Return the methods for the members, in the order of the module's description."""
    public = [name for name in vars(cls) if not name.startswith("_")]
    return [name for name in public if inspect.isfunction(getattr(cls, name))]


def properties(schema, tag):
    """Return the arguments in the order of a method: required arguments come first."""
    names = [
        name
        for name, value in schema["properties"].items()
        if name != tag and not value.get("is_reporter")
    ]
    return sorted(names, key=lambda name: name not in schema.get("required", []))


def read(hint, value):
    """Return JSON as a value of a type."""
    if hint is bytes:
        return base64.b64decode(value)
    return TypeAdapter(hint).validate_json(json.dumps(value))


def write(hint, value):
    """Return a value of a type as JSON, with the properties that are set."""
    if hint is bytes:
        return base64.b64encode(value).decode()
    return TypeAdapter(hint).dump_python(value, mode="json", by_alias=True, exclude_unset=True)


def call(function, names, arguments):
    """Call a method with arguments of the types in its signature."""
    hints = get_type_hints(function, include_extras=True)
    parameters = dict(zip(names, inspect.signature(function).parameters, strict=True))
    typed = {
        parameters[name]: read(hints[parameters[name]], value) for name, value in arguments.items()
    }
    required = [
        typed.pop(name)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is inspect.Parameter.empty
    ]
    return function(*required, **typed), hints["return"]


def without(value, names):
    if not names:
        return value
    return {name: item for name, item in value.items() if name not in names}


def check(client, api_info, case):
    """Call a member; return the error in the result."""
    functions, classes = api_info["functions"], api_info["classes"]
    members = methods(type(client))
    if case["class"] is None:
        owner = client
        names = [function["name"] for function in functions]
        method = members[names.index(case["function"])]
        schema = functions[names.index(case["function"])]["rpc_schema"]
    else:
        names = [cls["name"] for cls in classes]
        cls = classes[names.index(case["class"])]
        make = getattr(client, members[len(functions) + names.index(case["class"])])
        arguments = properties(cls["rpc_schema"], "class_name")
        owner, _ = call(make, arguments, case["constructor"])
        names = [method["name"] for method in cls["methods"]]
        method = methods(type(owner))[names.index(case["function"])]
        schema = cls["methods"][names.index(case["function"])]["rpc_schema"]
    arguments = properties(schema, "func_name")
    result, hint = call(getattr(owner, method), arguments, case["arguments"])
    result = write(hint, result)
    expected = without(case["result"], case["undeclared"])
    # Unlike `==`, this distinguishes 1, 1.0 and True.
    found, wanted = (json.dumps(value, sort_keys=True) for value in (result, expected))
    return None if found == wanted else f"returned {found} and not {wanted}"


def main():
    url, folder, samples = sys.argv[1:]
    sys.path.insert(0, folder)
    with open(samples, encoding="utf-8") as file:
        modules = json.load(file)
    failures = []
    for module in modules:
        with importlib.import_module(module["name"]).Client(url) as client:
            for case in module["calls"]:
                try:
                    failure = check(client, module["api_info"], case)
                except Exception as error:
                    failure = "".join(traceback.format_exception_only(error))
                if failure is not None:
                    failures.append(f"{module['name']}: {json.dumps(case)}: {failure}")
    print(json.dumps(failures))


if __name__ == "__main__":
    main()
