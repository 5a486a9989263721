"""Check arguments and results with the types of a generated client, without any broker.

The argument is the folder of the client `generated_awkward.py`. The script prints nothing
if everything is right.
"""

import datetime as dt
import math
import sys
import uuid
from typing import Literal

from pydantic import ValidationError

sys.path.insert(0, sys.argv.pop(1))

import generated_awkward as awkward  # noqa: E402


def sent(function, **given):
    return function.to_json(given)


def read(function, text):
    return function.read(awkward._Answer(text, {}))


def refuses(function, **given):
    try:
        found = function.to_json(given)
    except ValidationError:
        return
    raise AssertionError(f"{function.name} accepts {given}: {found}")


# The names in JSON and in Python differ.
odd = awkward.Client2(
    class_="c",
    self_=1,
    list_=[1],
    int_=2,
    x2m=3,
    datetime_=dt.datetime(2020, 1, 2),
    x_y_z=0.5,
)
expected = {
    "class": "c", "self": 1, "list": [1], "int": 2, "2m": 3.0, "datetime": "2020-01-02T00:00:00", "x-y z": 0.5,
}  # fmt: skip
assert sent(awkward._NAMES, client=odd) == {"client": expected}
result = '{"class": "c", "self": 1, "list": [], "int": 2, "2m": 3, "datetime": "2020-01-02T00:00:00Z", "x-y z": 1, "new": 1}'
assert read(awkward._NAMES, result).class_ == "c"

# A request omits the fields that are not set, unless a program changes them in place.
tree = awkward.Tree(value=1)
assert sent(awkward._RECURSIVE, a=tree) == {"a": {"value": 1, "children": []}}
tree.children.append(awkward.Tree(value=2, left=None))
both = {"value": 1, "children": [{"value": 2, "left": None, "children": []}]}
assert sent(awkward._RECURSIVE, a=tree) == {"a": both}
assert sent(awkward._RECURSIVE, b={"a": [1, "x", {"b": []}]}, c=[[], [[]]]) == {
    "b": {"a": [1, "x", {"b": []}]},
    "c": [[], [[]]],
}
refuses(awkward._RECURSIVE, c=[1])
assert read(awkward._RECURSIVE, '{"a": [true, {}]}') == {"a": [True, {}]}

# A request contains a tag with a default, because the tag distinguishes the variants of a union.
class Dog(awkward._Model):
    kind: Literal["dog"] = "dog"
    size: Literal["small", "large"] = "small"
    name: str = ""


dog = {"kind": "dog", "size": "small"}
assert Dog().model_dump(exclude_unset=True) == dog
assert Dog(name="x").model_dump(exclude_unset=True) == {**dog, "name": "x"}
assert Dog.model_validate({}).model_dump(exclude_unset=True) == dog

# Unions, with and without a tag.
circle = awkward.Circle(kind="circle", radius=1)
assert sent(awkward._UNIONS, b=circle, c={"kind": "square", "side": 2}) == {
    "b": {"kind": "circle", "radius": 1.0},
    "c": {"kind": "square", "side": 2.0},
}
refuses(awkward._UNIONS, c={"kind": "other"})
refuses(awkward._UNIONS, b={"kind": "circle", "radius": 0})
assert read(awkward._UNIONS, '{"kind": "square", "side": 1}') == awkward.Square(
    kind="square", side=1
)
assert read(awkward._UNIONS, "null") is None
shapes = awkward.Shapes.model_validate_json('{"others": []}')
assert shapes.day == dt.date(2020, 1, 1)
assert shapes.origin == awkward.Tree(value=1)
refuses(awkward._UNIONS, e=4)

# Further properties have a type.
bag = awkward.Bag.model_validate({"a": "x", "b": 1})
assert sent(awkward._NAMES, bag=bag) == {"bag": {"a": "x", "b": 1}}
refuses(awkward._NAMES, bag={"a": "x", "b": "y"})

# Formats.
formats = {
    "a": dt.datetime(2020, 1, 2, 3, tzinfo=dt.timezone.utc),
    "b": dt.date(2020, 1, 2),
    "c": dt.time(3, 4),
    "d": dt.timedelta(hours=1),
    "e": uuid.UUID(int=1),
    "f": b"\xff\xfe",
}
assert sent(awkward._FORMATS, **formats) == {
    "a": "2020-01-02T03:00:00Z",
    "b": "2020-01-02",
    "c": "03:04:00",
    "d": "PT1H",
    "e": "00000000-0000-0000-0000-000000000001",
    "f": "//4=",
}
assert read(awkward._FORMATS, '"//4="') == b"\xff\xfe"
try:
    read(awkward._FORMATS, '"no base64"')
except awkward.ResultError as error:
    assert isinstance(error.__cause__, ValidationError)
else:
    raise AssertionError("no error")

# Constraints. The module checks a pattern that no engine in Python can read.
assert sent(awkward._TEXT, a="abc", b="é", c="[") == {"a": "abc", "b": "é", "c": "["}
for wrong in ("", "abcdef", "bcd"):
    refuses(awkward._TEXT, a=wrong)
refuses(awkward._TEXT, b="1")
assert sent(awkward._NUMBERS, a=1, b=0.5, h=None, i=[1, 2]) == {
    "a": 1,
    "b": 0.5,
    "h": None,
    "i": [1, 2],
}
for name, wrong in {
    "a": 0,
    "b": math.inf,
    "c": 4,
    "e": 256,
    "g": 3,
    "h": 0,
    "i": [],
}.items():
    refuses(awkward._NUMBERS, **{name: wrong})
refuses(awkward._NUMBERS, i=[0])
assert sent(awkward._SETS, a={1}, c=(1, "x"), d=[2, "y"]) == {
    "a": [1],
    "c": [1, "x"],
    "d": [2, "y"],
}
refuses(awkward._SETS, e={})
assert read(awkward._SETS, '["x", "y"]') == {"x", "y"}

# A request omits the arguments that are left out.
assert sent(awkward._DEFAULTS, a=awkward._LEFT_OUT, b=1) == {"b": 1}
