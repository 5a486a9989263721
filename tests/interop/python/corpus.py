"""Small modules. Each has one kind of type from scientific code, as demessaging describes it.

    corpus.py api-info                       one JSON object: the API description of each module
    corpus.py examples                       one JSON object: calls of each module and their results
    corpus.py serve --websocket-url URL      all modules, each on the topic of its name

`serve` prints a line when all modules listen. demessaging computes the results of `examples` for the
same requests.
"""

import argparse
import asyncio
import dataclasses
import datetime as dt
import enum
import ipaddress
import json
import logging
import threading
import uuid
import warnings
from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Dict,
    FrozenSet,
    Generic,
    List,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    Tuple,
    TypeVar,
    Union,
)

import pydantic
from demessaging import BackendModule, configure
from demessaging.config import ModuleConfig
from deprogressapi.tree import ProgressReport
from pydantic import BaseModel, ConfigDict, Field, RootModel
from typing_extensions import NotRequired, Required, TypeAliasType, TypedDict, deprecated

MODULES = {}


def module(define):
    """Add a module: a function that yields the calls of its members. It has the module's docstring."""
    MODULES[define.__name__] = define
    return define


@dataclasses.dataclass
class Call:
    """A call of a client, with the arguments in JSON."""

    member: Any
    arguments: dict
    method: Optional[str] = None
    constructor: Optional[dict] = None
    # Properties of the result that the schema does not describe.
    undeclared: tuple = ()
    # The argument for progress reports.
    reporter: Optional[str] = None

    def request(self):
        name = self.member.__name__
        if self.method is None:
            # Nothing reads the reports of this call.
            silent = {"step_message": "", "settings": {"show_method": "NONE"}}
            reports = {} if self.reporter is None else {self.reporter: silent}
            return {"func_name": name, **reports, **self.arguments}
        function = {"func_name": self.method, **self.arguments}
        return {"class_name": name, **self.constructor, "function": function}


def call(function, **arguments):
    return Call(function, arguments)


def on(cls, **constructor):
    """Return a function that calls methods of an object: `on(Greeter, greeting="Yo")("greet", name="Ada")`."""
    return lambda method, **arguments: Call(cls, arguments, method, constructor)


def named(name):
    """Give a function a name that is not valid in Python."""

    def rename(function):
        function.__name__ = name
        return function

    return rename


# Plain values.


@module
def scalars():
    """Numbers, booleans, strings and nothing."""

    def negate(a: int) -> int:
        return -a

    def half(x: float) -> float:
        return x / 2

    def toggle(flag: bool) -> bool:
        return not flag

    def shout(text: str) -> str:
        return text.upper()

    def nothing() -> None:
        pass

    def ignore(value: None) -> None:
        return value

    def both(a: int, b: float = 0.5, c: bool = True, d: str = "x") -> str:
        return f"{a} {b} {c} {d}"

    yield call(negate, a=9007199254740991)
    yield call(negate, a=0)
    yield call(half, x=5)
    yield call(half, x=1e-300)
    yield call(toggle, flag=False)
    yield call(shout, text='Grüße, ä 世 🌍 "\\\n\u0000')
    yield call(nothing)
    yield call(ignore, value=None)
    yield call(both, a=1)
    yield call(both, a=1, b=-2.5, c=False, d="")


@module
def optionals():
    """Values that may be missing."""

    def maybe(a: Optional[int]) -> Optional[int]:
        return a

    def maybe_not(a: Optional[str] = None) -> Optional[str]:
        return a

    def preset(a: Optional[float] = 1.5) -> Optional[float]:
        return a

    def gaps(values: List[Optional[float]]) -> List[Optional[float]]:
        return values[::-1]

    def nested(values: Optional[List[Optional[List[int | None]]]] = None) -> int:
        return -1 if values is None else len(values)

    yield call(maybe, a=3)
    yield call(maybe, a=None)
    yield call(maybe_not)
    yield call(maybe_not, a="b")
    yield call(preset)
    yield call(preset, a=None)
    yield call(gaps, values=[1.5, None])
    yield call(nested)
    yield call(nested, values=[None, [1, None]])


@module
def unions():
    """Values of several types."""

    class Point(BaseModel):
        x: float
        y: float

    class Circle(BaseModel):
        center: Point
        radius: float

    def number_or_text(value: Union[int, str]) -> Union[int, str]:
        return value

    def anything_plain(
        value: Union[bool, int, float, str, None] = None,
    ) -> Union[bool, int, float, str, None]:
        return value

    def shape(shape: Union[Point, Circle]) -> Union[Point, Circle]:
        return shape

    def shapes(shapes: List[Union[Circle, Point, None]]) -> List[Union[Circle, Point, None]]:
        return shapes

    def lists(
        values: Union[List[int], List[str], Dict[str, int]],
    ) -> Union[List[int], List[str], Dict[str, int]]:
        return values

    def one_or_many(value: Union[float, List[float]]) -> List[float]:
        return value if isinstance(value, list) else [value]

    def same(value: Union[int, pydantic.StrictInt]) -> Union[int, pydantic.StrictInt]:
        return value

    def known_or_any(unit: Union[Literal["m", "km"], str] = "m") -> Union[Literal["m", "km"], str]:
        return unit

    yield call(number_or_text, value=3)
    yield call(number_or_text, value="3")
    yield call(anything_plain)
    yield call(anything_plain, value=True)
    yield call(anything_plain, value=2.5)
    yield call(anything_plain, value="text")
    yield call(shape, shape={"x": 1.0, "y": -2.5})
    yield call(shape, shape={"center": {"x": 1.0, "y": 2.0}, "radius": 0.5})
    yield call(shapes, shapes=[None, {"x": 0.5, "y": 0.25}])
    yield call(lists, values=[1, 2])
    yield call(lists, values=["a"])
    yield call(lists, values={"a": 1})
    yield call(one_or_many, value=0.5)
    yield call(one_or_many, value=[0.5, 1.5])
    yield call(same, value=5)
    yield call(known_or_any)
    yield call(known_or_any, unit="km")
    yield call(known_or_any, unit="mile")


@module
def literals():
    """Values in the signature."""

    def word(value: Literal["red", "green-ish", "BLUE"]) -> Literal["red", "green-ish", "BLUE"]:
        return value

    def number(value: Literal[1, 2, -3] = 2) -> Literal[1, 2, -3]:
        return value

    def mixed(value: Literal["auto", 1, True, None]) -> Literal["auto", 1, True, None]:
        return value

    def only(value: Literal["this"] = "this") -> Literal["this"]:
        return value

    def odd(value: Literal["", " ", "1", "a/b", "A B", "a b", "世", '"', "\\"]) -> str:
        return value

    def either(
        value: Union[Literal["a"], Literal["b", 3], None] = None,
    ) -> Optional[Literal["a", "b", 3]]:
        return value

    yield call(word, value="green-ish")
    yield call(number)
    yield call(number, value=-3)
    yield call(mixed, value="auto")
    yield call(mixed, value=None)
    yield call(only)
    for value in ["", " ", "1", "a/b", "A B", "a b", "世", '"', "\\"]:
        yield call(odd, value=value)
    yield call(either)
    yield call(either, value=3)


@module
def enums():
    """Enumerations."""

    class Color(str, enum.Enum):
        """A color."""

        RED = "red"
        GREEN = "green"
        DARK_BLUE = "dark blue"

    class Level(enum.IntEnum):
        LOW = 1
        HIGH = 10
        NEGATIVE = -1

    class Mixed(enum.Enum):
        A = "a"
        B = 2
        C = 3.5
        D = None

    class Only(enum.Enum):
        THIS = "this"

    class Clash(str, enum.Enum):
        LOWER = "ab"
        UPPER = "AB"
        DASH = "a-b"
        SPACE = "a b"
        EMPTY = ""
        NUMBER = "1"
        SIGN = "+"

    class Setting(BaseModel):
        color: Color = Color.RED
        levels: List[Level] = [Level.LOW]

    def paint(color: Color) -> Color:
        return color

    def paint_red(color: Color = Color.RED) -> Color:
        return color

    def raise_level(level: Level = Level.LOW) -> Level:
        return Level.HIGH if level is Level.LOW else level

    def mixed(value: Mixed) -> Mixed:
        return value

    def only(value: Only = Only.THIS) -> Only:
        return value

    def clash(values: List[Clash]) -> List[Clash]:
        return values

    def counts(counts: Dict[Color, int]) -> Dict[Color, int]:
        return counts

    def setting(setting: Setting = Setting()) -> Setting:
        return setting

    yield call(paint, color="dark blue")
    yield call(paint_red)
    yield call(paint_red, color="green")
    yield call(raise_level)
    yield call(raise_level, level=-1)
    yield call(mixed, value="a")
    yield call(mixed, value=2)
    yield call(mixed, value=3.5)
    yield call(only)
    yield call(clash, values=["ab", "AB", "a-b", "a b", "", "1", "+"])
    yield call(counts, counts={"red": 1, "dark blue": 2})
    yield call(setting)
    yield call(setting, setting={"color": "green", "levels": [10, -1]})


@module
def discriminated():
    """Unions with a tag."""

    class Cat(BaseModel):
        kind: Literal["cat"]
        lives: int = 9

    class Dog(BaseModel):
        kind: Literal["dog", "puppy"] = "dog"
        name: str

    class Fish(BaseModel):
        kind: Literal["fish"] = "fish"

    Pet = Annotated[Union[Cat, Dog, Fish], Field(discriminator="kind")]

    class Household(BaseModel):
        pet: Pet
        others: List[Pet] = []
        guests: Dict[str, Pet] = {}

    def keep(pet: Pet) -> Pet:
        return pet

    def keep_all(pets: List[Pet]) -> List[Pet]:
        return pets

    def house(household: Household) -> Household:
        return household

    def maybe(pet: Optional[Pet] = None) -> Optional[Pet]:
        return pet

    yield call(keep, pet={"kind": "cat", "lives": 7})
    yield call(keep, pet={"kind": "puppy", "name": "Rex"})
    yield call(keep_all, pets=[{"kind": "fish"}, {"kind": "dog", "name": "Bo"}])
    yield call(
        house,
        household={
            "pet": {"kind": "cat", "lives": 1},
            "others": [{"kind": "fish"}],
            "guests": {"a": {"kind": "dog", "name": "Al"}},
        },
    )
    yield call(maybe)
    yield call(maybe, pet={"kind": "fish"})


@module
def schemas():
    """Schemas written by hand or by an older pydantic."""

    class Point(BaseModel):
        x: float = 0.0

    POINT = Point.model_json_schema()

    def of(schema):
        return Annotated[Any, pydantic.WithJsonSchema(schema)]

    WEIGHT = {"properties": {"y": {"type": "integer"}}, "required": ["y"]}

    def all_of(
        value: of({"allOf": [POINT], "default": {"x": 1.0}, "description": "A point."}),
        both: of({"allOf": [POINT, WEIGHT]}),
    ) -> of({"allOf": [POINT, WEIGHT]}):
        return both

    def one_of(
        value: of({"oneOf": [{"type": "integer"}, {"type": "string"}]}),
    ) -> of({"oneOf": [{"type": "integer"}, {"type": "string"}]}):
        return value

    def types(
        value: of({"type": ["integer", "null"]}),
    ) -> of({"type": ["integer", "string", "null"]}):
        return value

    def excluded(value: of({"not": {"type": "string"}})) -> of({"type": "array", "items": True}):
        return value

    def conditional(
        value: of(
            {"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"type": "integer"}}
        ),
    ) -> of({}):
        return value

    def tuple_of_old(
        value: of(
            {"type": "array", "items": [{"type": "integer"}, {"type": "string"}], "minItems": 2}
        ),
    ) -> of({"type": "array", "items": [{"type": "integer"}, {"type": "string"}], "minItems": 2}):
        return value

    def conflicting(
        value: of({"allOf": [{"type": "string"}, {"type": "integer"}]}) = "neither",
    ) -> of({"allOf": [{"type": "string"}, {"type": "integer"}]}):
        return value

    def nothing_fits(value: of({"enum": []}) = None) -> of({"not": {}}):
        return value

    def values(
        value: of({"enum": [1, "a", None, 2.5, [1], {"a": 1}]}),
    ) -> of({"enum": [1, "a", None, 2.5, [1], {"a": 1}]}):
        return value

    def constant(value: of({"const": {"a": [1]}})) -> of({"const": 1.5}):
        return 1.5

    def untyped_properties(
        value: of({"properties": {"a": {"type": "integer"}}}),
    ) -> of({"required": ["a"], "properties": {"a": {"type": "integer"}}}):
        return value

    def patterned(
        value: of({"type": "object", "patternProperties": {"^n_": {"type": "integer"}}}),
    ) -> of({"type": "object", "patternProperties": {"^n_": {"type": "integer"}}}):
        return value

    yield call(all_of, value={"x": 1.5}, both={"x": 2.5, "y": 2})
    yield call(one_of, value=3)
    yield call(one_of, value="3")
    yield call(types, value=None)
    yield call(types, value=5)
    yield call(excluded, value=[1])
    yield call(conditional, value="ab")
    yield call(tuple_of_old, value=[1, "a"])
    yield call(conflicting)
    yield call(nothing_fits)
    yield call(values, value=[1])
    yield call(values, value=2.5)
    yield call(constant, value={"a": [1]})
    yield call(untyped_properties, value={"a": 5})
    yield call(patterned, value={"n_1": 1})


# Values with constraints.


@module
def bounded_numbers():
    """Numbers with constraints."""

    class Grid(BaseModel):
        rows: pydantic.PositiveInt
        step: Annotated[float, Field(gt=0, le=180, description="In degrees.")] = 0.25
        offset: pydantic.NonNegativeFloat = 0.0

    def latitude(value: Annotated[float, Field(ge=-90, le=90)]) -> Annotated[float, Field(ge=-90)]:
        return value

    def even(value: Annotated[int, Field(multiple_of=2, gt=-10, lt=10)] = 4) -> int:
        return value

    def old_style(a: pydantic.conint(ge=1, le=12), b: pydantic.confloat(gt=0.5) = 1.0) -> float:
        return a * b

    def grid(grid: Grid) -> Grid:
        return grid

    def strict(
        a: pydantic.StrictInt, b: pydantic.StrictFloat, c: pydantic.StrictBool = True
    ) -> int:
        return a

    def finite(x: pydantic.FiniteFloat) -> pydantic.FiniteFloat:
        return x

    def percentages(
        values: List[Annotated[float, Field(ge=0, le=100, multiple_of=0.5)]],
    ) -> Optional[Annotated[float, Field(ge=0)]]:
        return max(values, default=None)

    @configure(field_params={"a": {"gt": 0, "description": "Greater than 0."}}, returns={"gt": 0})
    def configured(a: float) -> float:
        return a

    yield call(latitude, value=-90)
    yield call(even)
    yield call(even, value=-8)
    yield call(old_style, a=12, b=1.5)
    yield call(grid, grid={"rows": 5, "step": 0.5, "offset": 0.0})
    yield call(strict, a=1, b=2.5)
    yield call(finite, x=-1e300)
    yield call(percentages, values=[0.5, 100])
    yield call(percentages, values=[])
    yield call(configured, a=0.5)


@module
def bounded_texts():
    """Strings, lists and maps with constraints."""

    Code = Annotated[str, Field(min_length=2, max_length=4, pattern=r"^[A-Z]{2}\d*$")]

    class Station(BaseModel):
        code: Code
        label: Annotated[str, Field(pattern=r'["\\/*`]?$', max_length=20)] = "*/"

    def code(value: Code) -> Code:
        return value

    def stripped(value: Annotated[str, pydantic.StringConstraints(strip_whitespace=True)]) -> str:
        return value

    def some(values: Annotated[List[int], Field(min_length=1, max_length=3)]) -> List[int]:
        return values

    def old_style(
        value: pydantic.conlist(pydantic.constr(min_length=1), min_length=2),
    ) -> List[str]:
        return value

    def few_keys(value: Annotated[Dict[Code, int], Field(max_length=2)]) -> Dict[Code, int]:
        return value

    def station(station: Station) -> Station:
        return station

    yield call(code, value="AB12")
    yield call(stripped, value=" a ")
    yield call(some, values=[1, 2, 3])
    yield call(old_style, value=["a", "b"])
    yield call(few_keys, value={"AB": 1})
    yield call(station, station={"code": "XY", "label": "*/"})


# Values that are strings in JSON.


@module
def decimals():
    """Decimal numbers, which are strings in results."""

    class Price(BaseModel):
        amount: Decimal
        discount: Annotated[Decimal, Field(max_digits=5, decimal_places=2)] = Decimal("0.10")

    def exact(value: Decimal) -> Decimal:
        return value

    def bounded(value: pydantic.condecimal(gt=Decimal("0.5")) = Decimal("1.50")) -> Decimal:
        return value

    def price(price: Price) -> Price:
        return price

    def total(values: List[Decimal]) -> Dict[str, Decimal]:
        return {"total": sum(values)}

    yield call(exact, value="1.10")
    yield call(exact, value=2)
    yield call(bounded)
    yield call(bounded, value="0.75")
    yield call(price, price={"amount": "3.30", "discount": "0.20"})
    yield call(total, values=["0.1", "0.2"])


@module
def dates():
    """Dates, times and durations."""

    class Measurement(BaseModel):
        at: dt.datetime
        day: dt.date = dt.date(2020, 1, 1)
        every: dt.timedelta = dt.timedelta(minutes=5)
        daily: Optional[dt.time] = None

    def next_day(day: dt.date) -> dt.date:
        return day + dt.timedelta(days=1)

    def moment(t: dt.datetime) -> dt.datetime:
        return t

    def clock(t: dt.time = dt.time(12, 30)) -> dt.time:
        return t

    def duration(length: dt.timedelta) -> dt.timedelta:
        return length

    def since(start: dt.datetime = dt.datetime(2000, 1, 1), end: Optional[dt.date] = None) -> str:
        return f"{start} {end}"

    def measure(measurement: Measurement) -> Measurement:
        return measurement

    def aware(t: pydantic.AwareDatetime) -> pydantic.AwareDatetime:
        return t

    def local(t: pydantic.NaiveDatetime) -> pydantic.NaiveDatetime:
        return t

    def days(days: List[dt.date]) -> Dict[dt.date, int]:
        return {day: day.toordinal() for day in days}

    yield call(next_day, day="2020-02-28")
    yield call(moment, t="2020-02-28T12:30:00+02:00")
    yield call(moment, t="2020-02-28T12:30:00.123456Z")
    yield call(moment, t="2020-02-28T12:30:00")
    yield call(clock)
    yield call(clock, t="23:59:59.500000")
    yield call(duration, length="P1DT2H3M4.500000S")
    yield call(duration, length="-PT5M")
    yield call(since)
    yield call(since, start="1999-12-31T23:59:59", end="2001-01-01")
    yield call(measure, measurement={"at": "2020-01-01T00:00:00Z", "daily": "06:00:00"})
    yield call(aware, t="2020-02-28T12:30:00-11:30")
    yield call(local, t="2020-02-28T12:30:00")
    yield call(days, days=["2020-01-01", "2020-12-31"])


@module
def identifiers():
    """UUIDs."""

    class Item(BaseModel):
        id: uuid.UUID
        parent: Optional[pydantic.UUID4] = None

    NIL = uuid.UUID(int=0)

    def same(id: uuid.UUID) -> uuid.UUID:
        return id

    def preset(id: uuid.UUID = NIL) -> uuid.UUID:
        return id

    def items(items: Dict[uuid.UUID, Item]) -> Dict[uuid.UUID, Item]:
        return items

    ONE = "6f1f3a5e-9e2b-4c55-8a53-0c6b1a3f0e11"
    yield call(same, id=ONE)
    yield call(preset)
    yield call(preset, id=ONE)
    yield call(items, items={ONE: {"id": ONE, "parent": ONE}})


@module
def binary():
    """Bytes, as plain strings and as base64."""

    class Blob(BaseModel):
        content: pydantic.Base64Bytes
        raw: bytes = b"raw"

    def raw(data: bytes) -> bytes:
        return data

    def preset(data: bytes = b"abc") -> bytes:
        return data

    def encoded(data: pydantic.Base64Bytes) -> int:
        return len(data)

    def again(data: pydantic.Base64Bytes) -> pydantic.Base64Bytes:
        # demessaging decodes the result of a function once more.
        return pydantic.Base64Encoder.encode(data)

    def url_safe(data: pydantic.Base64UrlBytes) -> int:
        return len(data)

    def text(data: pydantic.Base64Str = "YWJj") -> str:
        return data

    def size(blob: Blob) -> int:
        return len(blob.content) + len(blob.raw)

    yield call(raw, data="Grüße")
    yield call(preset)
    yield call(encoded, data="AAEC/w==")
    yield call(encoded, data="")
    yield call(again, data="AAEC/w==")
    yield call(url_safe, data="__79")
    yield call(text)
    yield call(text, data="Z3LDvG4=")
    yield call(size, blob={"content": "AAECAw==", "raw": "x"})


@module
def formats():
    """Strings with a format."""

    class Place(BaseModel):
        url: pydantic.AnyUrl
        file: Path = Path("data/input.nc")

    def path(path: Path = Path(".")) -> Path:
        return path

    def host(address: ipaddress.IPv4Address) -> ipaddress.IPv4Address:
        return address

    def any_host(address: pydantic.IPvAnyAddress) -> pydantic.IPvAnyAddress:
        return address

    def network(network: ipaddress.IPv6Network) -> ipaddress.IPv6Network:
        return network

    def url(url: pydantic.HttpUrl) -> pydantic.HttpUrl:
        return url

    def secret(password: pydantic.SecretStr) -> pydantic.SecretStr:
        return password

    def embedded(values: pydantic.Json[List[int]]) -> int:
        return sum(values)

    def place(place: Place) -> Place:
        return place

    def z(value: complex) -> complex:
        return value.conjugate()

    def ratio(value: Fraction) -> str:
        return str(value)

    def size(value: pydantic.ByteSize) -> int:
        return value

    yield call(path)
    yield call(path, path="/tmp/a b")
    yield call(host, address="127.0.0.1")
    yield call(any_host, address="::1")
    yield call(network, network="2001:db8::/32")
    yield call(url, url="https://example.org/a?b=c")
    yield call(secret, password="hunter2")
    yield call(embedded, values="[1, 2]")
    yield call(place, place={"url": "ftp://example.org/", "file": "x.nc"})
    yield call(z, value="1+2j")
    yield call(ratio, value="2/4")
    yield call(size, value="2KB")


# Values that contain others.


@module
def lists():
    """Lists, lists of lists, and similar types."""

    def flatten(values: List[List[int]]) -> List[int]:
        return [value for row in values for value in row]

    def deep(values: List[List[List[List[float]]]]) -> List[List[List[List[float]]]]:
        return values

    def untyped(values: list) -> list:
        return values

    def sequence(values: Sequence[str]) -> Sequence[str]:
        return values

    def queue(values: deque[int]) -> deque[int]:
        return values

    def preset(values: List[str] = ["a", "b"], others: List[List[int]] = [[], [1]]) -> int:
        return len(values) + len(others)

    yield call(flatten, values=[[1, 2], [], [3]])
    yield call(deep, values=[[[[1.5], []]], []])
    yield call(untyped, values=[1, "a", None, {"b": [2.5]}])
    yield call(sequence, values=["a", "b"])
    yield call(queue, values=[1, 2])
    yield call(preset)
    yield call(preset, values=[], others=[[5, 6]])


@module
def sets():
    """Sets."""

    class Tags(BaseModel):
        names: FrozenSet[str] = frozenset()
        numbers: set[int]

    def unique(values: set[int]) -> set[int]:
        return values

    def frozen(values: FrozenSet[str]) -> List[str]:
        return sorted(values)

    def one(values: FrozenSet[str] = frozenset({"a"})) -> FrozenSet[str]:
        return values

    def nested(values: List[set[float]]) -> List[set[float]]:
        return values

    def days(values: set[dt.date]) -> int:
        return len(values)

    def pairs(values: set[Tuple[int, str]]) -> int:
        return len(values)

    def tags(tags: Tags) -> Tags:
        return tags

    yield call(unique, values=[1, 2, 3])
    yield call(frozen, values=["b", "a"])
    yield call(one)
    yield call(one, values=["z"])
    yield call(nested, values=[[0.5], []])
    yield call(days, values=["2020-01-01"])
    yield call(pairs, values=[[1, "a"], [2, "b"]])
    yield call(tags, tags={"names": ["a"], "numbers": [1]})


@module
def tuples():
    """Tuples."""

    class Track(BaseModel):
        start: Tuple[float, float]
        ends: Tuple[Tuple[float, float], ...] = ()

    def swap(pair: Tuple[int, str]) -> Tuple[str, int]:
        return pair[1], pair[0]

    def many(values: Tuple[int, ...]) -> Tuple[int, ...]:
        return values

    def nested(
        value: Tuple[Tuple[int, int], List[Tuple[str, Optional[float]]]],
    ) -> Tuple[Tuple[int, int], List[Tuple[str, Optional[float]]]]:
        return value

    def empty(value: Tuple[()] = ()) -> Tuple[()]:
        return value

    def single(value: Tuple[bool]) -> Tuple[bool]:
        return value

    def box(west_east: Tuple[float, float] = (-180.0, 180.0)) -> float:
        return west_east[1] - west_east[0]

    def untyped(value: tuple) -> tuple:
        return value

    def long(
        value: Tuple[int, int, int, int, int, int, int, int, int, int, int, int, int, str],
    ) -> str:
        return value[-1]

    def track(track: Track) -> Track:
        return track

    yield call(swap, pair=[1, "a"])
    yield call(many, values=[1, 2, 3])
    yield call(nested, value=[[1, 2], [["a", None], ["b", 0.5]]])
    yield call(empty)
    yield call(single, value=[True])
    yield call(box)
    yield call(box, west_east=[0.5, 10])
    yield call(untyped, value=[1, "a"])
    yield call(long, value=[*range(13), "end"])
    yield call(track, track={"start": [0.5, 1.5], "ends": [[2.5, 3.5]]})


@module
def named_tuples():
    """Tuples with named parts."""

    class Position(NamedTuple):
        """A place."""

        lat: float
        lon: float
        height: Optional[float] = None

    class Leg(NamedTuple):
        start: Position
        end: Position

    def move(position: Position) -> Position:
        return position._replace(height=1.5)

    def leg(leg: Leg) -> Leg:
        return leg

    def legs(legs: List[Leg]) -> int:
        return len(legs)

    yield call(move, position=[0.5, 1.5, None])
    yield call(leg, leg=[[0.5, 1.5, 2.5], [3.5, 4.5, None]])
    yield call(legs, legs=[])


@module
def maps():
    """Dictionaries."""

    class Point(BaseModel):
        x: float

    def counts(text: str) -> Dict[str, int]:
        return {letter: text.count(letter) for letter in text}

    def by_number(values: Dict[int, str]) -> Dict[int, str]:
        return values

    def by_float(values: Dict[float, bool]) -> Dict[float, bool]:
        return values

    def by_literal(values: Dict[Literal["a", "b"], float]) -> Dict[Literal["a", "b"], float]:
        return values

    def by_pair(values: Dict[Tuple[int, int], str] = {(1, 2): "a"}) -> int:
        return len(values)

    def points(points: Dict[str, Point]) -> Dict[str, Point]:
        return points

    def nested(
        values: Dict[str, Dict[str, List[Dict[str, int]]]],
    ) -> Dict[str, Dict[str, List[Dict[str, int]]]]:
        return values

    def untyped(values: dict) -> dict:
        return values

    def anything(values: Dict[str, Any] = {"a": [1, {"b": None}]}) -> Dict[str, Any]:
        return values

    def mapping(values: Mapping[str, Optional[int]]) -> OrderedDict[str, Optional[int]]:
        return OrderedDict(values)

    def default(values: defaultdict[str, List[int]]) -> Dict[str, List[int]]:
        return values

    yield call(counts, text="abba")
    yield call(by_number, values={"1": "a", "-2": "b"})
    yield call(by_float, values={"0.5": True})
    yield call(by_literal, values={"a": 0.5})
    yield call(by_pair)
    yield call(points, points={"": {"x": 0.5}, "ä": {"x": 1.5}})
    yield call(nested, values={"a": {"b": [{"c": 1}], "d": []}})
    yield call(untyped, values={"a": 1, "b": [None]})
    yield call(anything)
    yield call(anything, values={"x": "y"})
    yield call(mapping, values={"a": None, "b": 2})
    yield call(default, values={"a": [1]})


# Named types.


@module
def models():
    """Models in models."""

    class Address(BaseModel):
        street: str
        number: Optional[int] = None

    class Person(BaseModel):
        """A person.

        With an address or two.
        """

        name: str
        age: int = Field(18, description="In years.")
        home: Address
        others: List[Address] = []
        by_city: Dict[str, Address] = {}
        work: Optional[Address] = None

    class Company(BaseModel):
        boss: Person
        staff: Dict[str, List[Person]] = Field(default_factory=dict)

    class Empty(BaseModel):
        pass

    def older(person: Person, years: int = 1) -> Person:
        return person.model_copy(update={"age": person.age + years})

    def company(company: Company) -> Company:
        return company

    def empty(empty: Empty = Empty()) -> Empty:
        return empty

    def addresses(people: List[Person]) -> List[Address]:
        return [person.home for person in people]

    ADA = {"name": "Ada", "age": 36, "home": {"street": "St James's Square", "number": 12}}
    yield call(older, person=ADA)
    yield call(older, person=ADA, years=2)
    yield call(company, company={"boss": ADA, "staff": {"a": [ADA]}})
    yield call(empty)
    yield call(empty, empty={})
    yield call(addresses, people=[ADA, ADA])


@module
def class_of_data():
    """Dataclasses."""

    @dataclasses.dataclass
    class Sample:
        """A sample."""

        values: List[float]
        unit: str = "m"
        notes: Dict[str, str] = dataclasses.field(default_factory=dict)

    @pydantic.dataclasses.dataclass
    class Series:
        samples: List[Sample]
        first: Optional[Sample] = None
        quality: Annotated[int, Field(ge=0, le=3)] = 0

    @dataclasses.dataclass(frozen=True)
    class Unit:
        symbol: str

    def scale(sample: Sample, factor: float = 2) -> Sample:
        return dataclasses.replace(sample, values=[v * factor for v in sample.values])

    def series(series: Series) -> Series:
        return series

    def unit(unit: Unit = Unit("m")) -> Unit:
        return unit

    SAMPLE = {"values": [0.5, 1.5], "unit": "km", "notes": {"a": "b"}}
    yield call(scale, sample=SAMPLE)
    yield call(scale, sample=SAMPLE, factor=0.5)
    yield call(series, series={"samples": [SAMPLE], "quality": 3})
    yield call(unit)
    yield call(unit, unit={"symbol": "s"})


@module
def typed_dicts():
    """Dictionaries with known keys."""

    class Movie(TypedDict):
        """A movie."""

        title: str
        year: int

    class Options(TypedDict, total=False):
        verbose: bool
        name: Required[str]

    class Extended(Movie):
        rating: NotRequired[float]
        options: NotRequired[Options]

    def remake(movie: Movie) -> Movie:
        return {**movie, "year": movie["year"] + 30}

    def options(options: Options) -> Options:
        return options

    def extended(movies: List[Extended]) -> List[Extended]:
        return movies

    ALIEN = {"title": "Alien", "year": 1979}
    yield call(remake, movie=ALIEN)
    yield call(options, options={"name": "a"})
    yield call(options, options={"name": "a", "verbose": True})
    yield call(extended, movies=[ALIEN, {**ALIEN, "rating": 8.5, "options": {"name": ""}}])


class Tree(BaseModel):
    """A tree."""

    value: int
    children: List["Tree"] = []


class Link(BaseModel):
    value: str
    rest: Optional["Link"] = None


class Keyed(BaseModel):
    keys: Dict[str, "Keyed"] = {}
    either: Union["Keyed", int, None] = None


@module
def recursive():
    """Types that contain themselves."""

    def mirror(tree: Tree) -> Tree:
        children = [mirror(child) for child in reversed(tree.children)]
        return Tree(value=tree.value, children=children)

    def depth(tree: Tree) -> int:
        return 1 + max(map(depth, tree.children), default=0)

    def push(link: Optional[Link], value: str) -> Link:
        return Link(value=value, rest=link)

    def keyed(keyed: Keyed) -> Keyed:
        return keyed

    TREE = {"value": 1, "children": [{"value": 2, "children": []}, {"value": 3, "children": []}]}
    yield call(mirror, tree=TREE)
    yield call(depth, tree=TREE)
    yield call(push, link=None, value="a")
    yield call(push, link={"value": "b", "rest": {"value": "c", "rest": None}}, value="a")
    yield call(keyed, keyed={"keys": {"a": {"keys": {}, "either": 5}}, "either": None})


class Department(BaseModel):
    name: str
    head: Optional["Employee"] = None


class Employee(BaseModel):
    name: str
    department: Optional[Department] = None
    reports: List["Employee"] = []


class Expression(BaseModel):
    operation: Union["Sum", "Product"]


class Sum(BaseModel):
    terms: List[Union[float, Expression]]


class Product(BaseModel):
    factors: Tuple[Union[float, Expression], Union[float, Expression]]


@module
def mutual():
    """Types that contain each other."""

    def department(employee: Employee) -> Optional[Department]:
        return employee.department

    def employee(department: Department) -> Optional[Employee]:
        return department.head

    def expression(expression: Expression) -> Expression:
        return expression

    ADA = {"name": "Ada", "department": {"name": "A", "head": None}, "reports": []}
    yield call(department, employee=ADA)
    yield call(employee, department={"name": "B", "head": {**ADA, "reports": [ADA]}})
    yield call(
        expression,
        expression={
            "operation": {
                "terms": [0.5, {"operation": {"factors": [1.5, {"operation": {"terms": []}}]}}]
            }
        },
    )


@module
def generics():
    """Types with parameters."""

    T = TypeVar("T")
    U = TypeVar("U")
    Bound = TypeVar("Bound", bound=float)

    class Box(BaseModel, Generic[T]):
        """A box."""

        content: T

    class Pair(BaseModel, Generic[T, U]):
        first: T
        second: Optional[U] = None

    def number(box: Box[int]) -> Box[int]:
        return box

    def text(box: Box[str]) -> Box[str]:
        return box

    def nested(box: Box[Box[List[int]]]) -> Box[List[int]]:
        return box.content

    def pair(pair: Pair[Box[int], Dict[str, Box[str]]]) -> Pair[Box[int], Dict[str, Box[str]]]:
        return pair

    def open_box(box: Box) -> Box:
        return box

    def variable(value: T, bound: Bound = 0.5) -> T:
        return value

    yield call(number, box={"content": 1})
    yield call(text, box={"content": "a"})
    yield call(nested, box={"content": {"content": [1]}})
    yield call(pair, pair={"first": {"content": 1}, "second": {"a": {"content": "b"}}})
    yield call(open_box, box={"content": [1, "a"]})
    yield call(variable, value={"a": 1})
    yield call(variable, value=None, bound=1.5)


@module
def root_models():
    """Models that are not an object in JSON."""

    class Point(BaseModel):
        x: float

    class Numbers(RootModel[List[int]]):
        """Some numbers."""

    class Points(RootModel[Dict[str, Point]]):
        pass

    class Name(RootModel[Annotated[str, Field(min_length=1)]]):
        pass

    class Maybe(RootModel[Optional[Point]]):
        root: Optional[Point] = None

    class Either(RootModel[Union[Name, Numbers]]):
        pass

    class Alias(RootModel[Point]):
        pass

    class Holder(BaseModel):
        name: Name
        numbers: Numbers = Numbers([1, 2])
        maybe: Maybe = Maybe(None)

    def numbers(numbers: Numbers) -> Numbers:
        return numbers

    def points(points: Points) -> Points:
        return points

    def name(name: Name = Name("x")) -> Name:
        return name

    def maybe(value: Maybe) -> Maybe:
        return value

    def either(value: Either) -> Either:
        return value

    def alias(value: Alias) -> Alias:
        return value

    def holder(holder: Holder) -> Holder:
        return holder

    yield call(numbers, numbers=[1, 2])
    yield call(points, points={"a": {"x": 0.5}})
    yield call(name)
    yield call(name, name="y")
    yield call(maybe, value=None)
    yield call(maybe, value={"x": 0.5})
    yield call(either, value="a")
    yield call(either, value=[1])
    yield call(alias, value={"x": 0.5})
    yield call(holder, holder={"name": "a", "numbers": [], "maybe": {"x": 1.5}})


@module
def inheritance():
    """Models that extend others."""

    class Base(BaseModel):
        id: int
        label: Optional[str] = None

    class Middle(Base):
        """Between."""

        weight: float = 1.0

    class Leaf(Middle):
        label: str = "leaf"
        parent: Optional[Base] = None

    class Mixin(BaseModel):
        tags: List[str] = []

    class Both(Mixin, Base):
        pass

    def base(base: Base) -> Base:
        return base

    def leaf(leaf: Leaf) -> Leaf:
        return leaf

    def both(both: Both) -> Both:
        return both

    def any_of_them(value: Union[Leaf, Middle, Base]) -> str:
        return type(value).__name__

    yield call(base, base={"id": 1, "label": None})
    yield call(leaf, leaf={"id": 1, "weight": 0.5, "parent": {"id": 2}})
    yield call(both, both={"id": 1, "tags": ["a"]})
    yield call(any_of_them, value={"id": 1, "label": "a", "weight": 0.5})


@module
def extras():
    """Models with and without further properties."""

    class Open(BaseModel):
        model_config = ConfigDict(extra="allow")
        name: str

    class Closed(BaseModel):
        model_config = ConfigDict(extra="forbid")
        name: str = "closed"

    class Typed(BaseModel):
        model_config = ConfigDict(extra="allow")
        __pydantic_extra__: Dict[str, int]
        name: str

    class Free(BaseModel):
        model_config = ConfigDict(extra="allow")

    class Computed(BaseModel):
        side: float

        @pydantic.computed_field
        @property
        def area(self) -> float:
            return self.side**2

    def open(value: Open) -> Open:
        return value

    def closed(value: Closed = Closed()) -> Closed:
        return value

    def typed(value: Typed) -> Typed:
        return value

    def free(value: Free) -> Free:
        return value

    def computed(value: Computed) -> Computed:
        return value

    yield call(open, value={"name": "a"})
    yield call(open, value={"name": "a", "more": [1, None], "größe": {"b": 2}})
    yield call(closed)
    yield call(closed, value={"name": "a"})
    yield call(typed, value={"name": "a", "b": 1})
    yield call(free, value={"a": 1, "b": "c"})
    yield Call(computed, {"value": {"side": 1.5}}, undeclared=("area",))


# Defaults.


@module
def defaults():
    """Defaults that are not a simple number."""

    class Window(BaseModel):
        width: int = 3
        kind: Literal["flat", "round"] = "flat"

    class Settings(BaseModel):
        window: Window = Window(width=5)
        windows: List[Window] = Field(default_factory=lambda: [Window()])
        names: Dict[str, List[int]] = {"a": [1, 2]}
        point: Tuple[float, str] = (0.5, "x")
        seed: int = Field(default_factory=lambda: 7)
        text: str = 'quote " backslash \\ end */ """ `{}` ${x} \n'
        nothing: None = None
        huge: float = 1e100
        ratio: float = -0.0
        big: int = 2**53

    def filtered(window: Window = Window(width=7, kind="round")) -> Window:
        return window

    def listed(windows: List[Window] = [Window(), Window(width=1)]) -> int:
        return sum(window.width for window in windows)

    def mapped(windows: Dict[str, Optional[Window]] = {"a": None, "b": Window()}) -> int:
        return len(windows)

    def tupled(pair: Tuple[int, Window] = (1, Window())) -> int:
        return pair[1].width

    def either(value: Union[Window, int, str] = "text") -> str:
        return str(value)

    def settings(settings: Settings = Settings()) -> Settings:
        return settings

    def many(
        a: int = 1,
        b: float = -1.5,
        c: str = "c",
        d: bool = False,
        e: Optional[int] = None,
        f: List[int] = [],
        g: Dict[str, int] = {},
        h: Literal["x", "y"] = "y",
        *,
        required: int,
    ) -> str:
        return repr((a, b, c, d, e, f, g, h, required))

    yield call(filtered)
    yield call(filtered, window={"width": 2, "kind": "flat"})
    yield call(listed)
    yield call(listed, windows=[{"width": 4, "kind": "flat"}])
    yield call(mapped)
    yield call(tupled)
    yield call(tupled, pair=[1, {"width": 9, "kind": "round"}])
    yield call(either)
    yield call(either, value=5)
    yield call(settings)
    yield call(settings, settings={"window": {"width": 1}, "text": "", "nothing": None})
    yield call(many, required=1)
    yield call(many, required=1, e=5, h="x", d=True, g={"a": 1})


# Names.


@module
def aliases():
    """Names in JSON that differ from those in Python."""

    class Header(BaseModel):
        model_config = ConfigDict(serialize_by_alias=True)
        content_type: str = Field(alias="content-type")
        dotted: int = Field(1, alias="a.b.c")
        spaced: Optional[str] = Field(None, alias="a b")
        colon: Dict[str, int] = Field({}, alias="ns:name")

    class Camel(BaseModel):
        model_config = ConfigDict(
            alias_generator=pydantic.alias_generators.to_camel, serialize_by_alias=True
        )
        some_long_name: int
        html_url: str = ""

    class Unaware(BaseModel):
        snake_case: int = Field(alias="camelCase")

    def header(header: Header) -> Header:
        return header

    def camel(camel: Camel) -> Camel:
        return camel

    def unaware(value: Unaware) -> int:
        return value.snake_case

    @configure(field_params={"a": {"alias": "x-y"}, "b": {"alias": "x.y"}})
    def dashed(a: int, b: int = 2) -> int:
        return a + b

    yield call(header, header={"content-type": "a", "a.b.c": 2, "a b": "c", "ns:name": {"d": 3}})
    yield call(camel, camel={"someLongName": 1, "htmlUrl": "x"})
    yield call(unaware, value={"camelCase": 5})
    yield call(dashed, **{"x-y": 1})
    yield call(dashed, **{"x-y": 1, "x.y": 5})


KEYWORDS = """
    abstract as async await become box break case class const continue crate def default del delete do
    dyn elif else enum export extends extern False finally fn for from function gen get global if impl
    import in instanceof interface is lambda let loop macro match mod move mut new None nonlocal not null
    of or pass print priv pub raise ref return self Self set static struct super switch this throw trait
    true True try type typeof undefined union unsafe use var virtual void where while with yield
""".split()


@module
def keywords():
    """Names that are keywords of some language."""

    fields = {
        f"field_{number}": (int, Field(number, alias=name)) for number, name in enumerate(KEYWORDS)
    }
    Keywords = pydantic.create_model(
        "Keywords", __config__=ConfigDict(serialize_by_alias=True), **fields
    )

    class type(BaseModel):
        type: str

    def all_keywords(value: Keywords) -> Keywords:
        return value

    def a_type(value: type) -> type:
        return value

    def soft(match: int, type: str, loop: bool = True, fn: Optional[int] = None) -> str:
        return f"{match} {type} {loop} {fn}"

    def odd_soft(arguments: int, eval: int, constructor: int, prototype: int, this: int = 1) -> int:
        return arguments + eval + constructor + prototype + this

    names = ["class", "from", "self", "Self", "crate", "await", "super", "None", "default"]

    @configure(field_params={f"a{number}": {"alias": name} for number, name in enumerate(names)})
    def hard(
        a0: int,
        a1: int,
        a2: int,
        a3: int,
        a4: int,
        a5: int = 0,
        a6: int = 0,
        a7: int = 0,
        a8: int = 0,
    ) -> int:
        return a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8

    yield call(all_keywords, value={name: -number for number, name in enumerate(KEYWORDS)})
    yield call(a_type, value={"type": "a"})
    yield call(soft, match=1, type="a")
    yield call(soft, match=1, type="a", loop=False, fn=5)
    yield call(odd_soft, arguments=1, eval=2, constructor=3, prototype=4)
    yield call(odd_soft, arguments=1, eval=2, constructor=3, prototype=4, this=5)
    yield call(hard, **{"class": 1, "from": 2, "self": 3, "Self": 4, "crate": 5})
    yield call(hard, **{name: 1 for name in names})


@module
def collisions():
    """Names that become equal in the spelling of another language."""

    class Fields(BaseModel):
        model_config = ConfigDict(serialize_by_alias=True)
        one: int = Field(1, alias="a_b")
        two: int = Field(2, alias="aB")
        three: int = Field(3, alias="AB")
        four: int = Field(4, alias="a-b")
        five: int = Field(5, alias="a_b_")
        six: int = Field(6, alias="_a_b")
        seven: int = Field(7, alias="a_b_2")

    def make(name, **fields):
        return pydantic.create_model(name, **fields)

    Point, point, P_oint = (
        make("Point", x=(int, 0)),
        make("point", y=(int, 0)),
        make("P_oint", z=(int, 0)),
    )
    Again = make("Point", again=(str, ""))

    # Names that the generated code uses.
    Std = [
        make(name, x=(int, 0))
        for name in (
            "Option Vec String Box Result Some None Ok Value Client Builder Error Self Default "
            "Call Module int str list dict Any Optional Literal object Array Promise Map Object "
            "Record Set number string unknown symbol HashMap BTreeMap Serialize Deserialize "
            "Date Buffer WebSocket BaseModel TypedDict Enum datetime dasf serde core std"
        ).split()
    ]
    Standard = pydantic.create_model(
        "Standard", **{f"f{n}": (Std[n], Std[n]()) for n in range(len(Std))}
    )

    def fields(value: Fields) -> Fields:
        return value

    def points(a: Point, b: point, c: P_oint, d: Again) -> Tuple[Point, point, P_oint, Again]:
        return a, b, c, d

    def standard(value: Standard) -> Standard:
        return value

    def get_item(item: int) -> str:
        return f"get_item {item}"

    def getItem(item: int) -> str:
        return f"getItem {item}"

    def GetItem(item: int) -> str:
        return f"GetItem {item}"

    def arguments(a_b: int, aB: int, AB: int = 3, A_B: int = 4) -> List[int]:
        return [a_b, aB, AB, A_B]

    class get_items:
        def __init__(self, item: int = 0):
            self.start = item

        def item(self) -> int:
            return self.start

        def one(self, item: int) -> int:
            return self.start + item

        def One(self, item: int) -> int:
            return self.start - item

    yield call(
        fields,
        value={"a_b": -1, "aB": -2, "AB": -3, "a-b": -4, "a_b_": -5, "_a_b": -6, "a_b_2": -7},
    )
    yield call(points, a={"x": 1}, b={"y": 2}, c={"z": 3}, d={"again": "4"})
    yield call(standard, value={f"f{n}": {"x": n} for n in range(len(Std))})
    yield call(get_item, item=1)
    yield call(getItem, item=2)
    yield call(GetItem, item=3)
    yield call(arguments, a_b=1, aB=2)
    yield call(arguments, a_b=1, aB=2, AB=5, A_B=6)
    yield on(get_items, item=5)("item")
    yield on(get_items, item=5)("one", item=2)
    yield on(get_items)("One", item=2)


@module
def odd_names():
    """Names that are not identifiers."""

    names = [
        "1st",
        "$ref",
        "a b",
        "a/b",
        "~",
        "%",
        "💡",
        "___",
        "-",
        'a"b',
        "a\\b",
        "a\nb",
        "*/",
        "#",
        "",
    ]
    fields = {
        f"field_{number}": (int, Field(number, alias=name)) for number, name in enumerate(names)
    }
    Odd = pydantic.create_model("Odd", __config__=ConfigDict(serialize_by_alias=True), **fields)

    class Titled(BaseModel):
        model_config = ConfigDict(title='A title: with / signs & "quotes" */')
        value: int = Field(1, title='*/ \\ "')

    def odd(value: Odd) -> Odd:
        return value

    def titled(value: Titled) -> Titled:
        return value

    @named("with-dash")
    def with_dash(a: int) -> int:
        return a

    @named("1st")
    def first(a: int) -> int:
        return a + 1

    @named("a.b/c d")
    def punctuated(a: int) -> int:
        return a + 2

    @named("<lambda>")
    def nameless(a: int) -> int:
        return a + 3

    @named("___")
    def underscores(a: int) -> int:
        return a + 4

    yield call(odd, value={name: -number for number, name in enumerate(names)})
    yield call(titled, value={"value": 2})
    for function in [with_dash, first, punctuated, nameless, underscores]:
        yield call(function, a=1)


@module
def scripts():
    """Namen und Werte in Sprachen mit anderen Buchstaben: 世界, мир, κόσμος."""

    class Größe(BaseModel):
        """Wie groß."""

        höhe: float
        世: str = "界"
        ñandú: Optional[int] = None

    class Мир(enum.Enum):
        ДА = "да"
        НЕТ = "нет"

    class 世界(BaseModel):
        größe: Größe

    def größe(größe: Größe) -> Größe:
        return größe

    def 世(名: str = "世") -> str:
        return 名 + "界"

    def мир(ответ: Мир = Мир.ДА) -> Мир:
        return ответ

    def welt(welt: 世界) -> 世界:
        return welt

    class Straße:
        def __init__(self, länge: float = 1.0):
            self.länge = länge

        def überqueren(self, fußgänger: str) -> str:
            return f"{fußgänger} {self.länge}"

    SIZE = {"höhe": 1.5, "世": "x", "ñandú": 5}
    yield call(größe, größe=SIZE)
    yield call(世)
    yield call(世, 名="🌍")
    yield call(мир)
    yield call(мир, ответ="нет")
    yield call(welt, welt={"größe": SIZE})
    yield on(Straße)("überqueren", fußgänger="ä")
    yield on(Straße, länge=0.5)("überqueren", fußgänger="ß")


@module
def keyword_functions():
    """Functions whose names are keywords or built-in names."""

    def identity(a: int = 1) -> int:
        return a

    for name in KEYWORDS:
        function = named(name)(lambda a: [a])
        function.__annotations__ = {"a": int, "return": List[int]}
        yield call(function, a=1)

    yield call(identity)


@module
def client_functions():
    """Functions with the names of methods that every client or every object has."""

    names = """
        close ping connect timeout info api_info send call caller builder new default clone drop then catch
        finally constructor toString to_string valueOf hasOwnProperty __init__ __enter__ __exit__ __repr__
        __class__ into_future into from_str try_from subscribe disconnect topic url address request compute
        on_progress onProgress client Client poll await_ wait retry id name main
    """.split()
    for name in names:
        function = named(name)(lambda topic, timeout=2, url="x": [topic, timeout, url])
        function.__annotations__ = {"topic": str, "timeout": int, "url": str, "return": List[Any]}
        yield call(function, topic="t")
        yield call(function, topic="t", timeout=3)


# Values of any type.


@module
def untyped():
    """Arguments without annotations, and arguments of any type."""

    def bare(a, b=2, c=None):
        return [a, b, c]

    def anything(value: Any) -> Any:
        return value

    def an_object(value: object = None) -> object:
        return value

    def variadic(**options: int) -> Any:
        return options

    def json_value(value: pydantic.JsonValue) -> pydantic.JsonValue:
        return value

    def json_values(values: Dict[str, pydantic.JsonValue]) -> List[pydantic.JsonValue]:
        return list(values.values())

    yield call(bare, a={"b": [1]})
    yield call(bare, a=1, b="x", c=[None])
    for value in [None, True, 1, 2.5, "a", [1, [2]], {"a": {"b": []}}]:
        yield call(anything, value=value)
        yield call(json_value, value=value)
    yield call(an_object)
    yield call(an_object, value=1)
    yield call(variadic, options=5)
    yield call(json_values, values={"a": 1, "b": [None, {}]})


Json = TypeAliasType("Json", "Union[Dict[str, Json], List[Json], str, float, bool, None]")
Nested = TypeAliasType("Nested", "List[Union[int, Nested]]")


@module
def type_aliases():
    """Aliases of types."""

    T = TypeVar("T")
    Celsius = NewType("Celsius", float)
    Latitude = TypeAliasType("Latitude", Annotated[float, Field(ge=-90, le=90)])
    Pair = TypeAliasType("Pair", Tuple[T, T], type_params=(T,))
    Names = TypeAliasType("Names", List[str])

    class Place(BaseModel):
        latitude: Latitude
        names: Names = []

    def warmer(value: Celsius) -> Celsius:
        return value + 1

    def north(latitude: Latitude, other: Latitude = 0.5) -> Latitude:
        return max(latitude, other)

    def pair(pair: Pair[int]) -> Pair[int]:
        return pair

    def names(names: Names) -> Optional[Names]:
        return names or None

    def json_again(value: Json) -> Json:
        return value

    def nested(value: Nested) -> Nested:
        return value

    def place(place: Place) -> Place:
        return place

    yield call(warmer, value=0.5)
    yield call(north, latitude=-0.5)
    yield call(north, latitude=-0.5, other=-1.5)
    yield call(pair, pair=[1, 2])
    yield call(names, names=["a"])
    yield call(names, names=[])
    yield call(json_again, value={"a": [1.5, None, {"b": True}]})
    yield call(nested, value=[1, [2, [3], []]])
    yield call(place, place={"latitude": 0.5, "names": ["a"]})


# Documentation.


@module
def documented():
    '''Docs with everything that ends a comment: */ """ \'\'\' # // --> and \\ at the end \\

    ```python
    print("a fence")
    ```

    A [link](https://example.org), `code`, <html>, {braces}, ${x}, %s, \\u0041 and \\N{BULLET}.

        an indented block

    ```
    an open fence
    '''

    class Described(BaseModel):
        r'''Ends with a backslash \ and quotes """'''

        a: int = Field(1, description='Quotes " \' and */ and """ and \\')
        b: int = Field(2, description="Two\nlines\n\nand a paragraph")
        c: int = Field(3, description="")
        d: int = Field(4, description="x" * 500)
        e: int = Field(5, description=" \t leading, trailing \r\n ")

    def numpy_style(a: int, b: int = 2) -> int:
        """Adds.

        Parameters
        ----------
        a : int
            The first. */ And a "quote".
        b : int
            The second,
            over two lines.

        Returns
        -------
        int
            The sum.
        """
        return a + b

    def google_style(a: int) -> int:
        """Adds.

        Args:
            a: The only one \\ with a backslash.

        Returns:
            The same.
        """
        return a

    def fences(described: Described = Described()) -> Described:
        '''A fence:

        ```rust
        panic!("a doc test");
        ```

            assert!(false, "an indented block")

        And """ and \'\'\' and /* an open comment.
        '''
        return described

    def unicode_lines(a: int) -> int:
        return a

    unicode_lines.__doc__ = (
        "Separators: \u2028 \u2029 \x85 \x0b \x0c, \u202e right to left, \x00 nul.\r\n" + "z" * 300
    )

    def quoted(a: int) -> int:
        return a

    quoted.__doc__ = '"'

    def backslashed(a: int) -> int:
        return a

    backslashed.__doc__ = "ends with \\"

    class Documented:
        """A class. */

        Parameters
        ----------
        a : int
            Of the constructor.
        """

        def __init__(self, a: int = 1):
            self.a = a

        def get(self, b: int) -> int:
            '''Ends with a quote "'''
            return self.a + b

    yield call(numpy_style, a=1)
    yield call(google_style, a=1)
    yield call(fences)
    yield call(fences, described={"a": 1, "b": 2, "c": 3, "d": 4, "e": 5})
    yield call(unicode_lines, a=1)
    yield call(quoted, a=1)
    yield call(backslashed, a=1)
    yield on(Documented, a=5)("get", b=1)


@module
def deprecations():
    """Deprecated members."""

    @deprecated("use New")
    class Old(BaseModel):
        a: int = 1

    class New(BaseModel):
        a: int = Field(1, deprecated=True, examples=[1, 2])
        b: Optional[str] = Field(None, json_schema_extra={"uiSchema": {"ui:widget": "textarea"}})

    @configure(json_schema_extra={"deprecated": True})
    def old(old: Old = Old()) -> Old:
        return old

    def new(new: New, unit: Annotated[str, Field(deprecated="not used")] = "m") -> New:
        return new

    class Machine:
        def __init__(self):
            pass

        def run(self, steps: int = 1) -> int:
            return steps

        @configure(json_schema_extra={"deprecated": True})
        def start(self) -> str:
            return "started"

    yield call(old)
    yield call(old, old={"a": 2})
    yield call(new, new={"a": 1, "b": "c"})
    yield call(new, new={"a": 1}, unit="km")
    yield on(Machine)("run")
    yield on(Machine)("run", steps=3)
    yield on(Machine)("start")


# Classes.


@module
def classes():
    """Classes."""

    class Point(BaseModel):
        x: float
        y: float = 0.0

    class Color(str, enum.Enum):
        RED = "red"
        BLUE = "blue"

    class Greeter:
        """Greets.

        Parameters
        ----------
        greeting : str
            Which greeting
        """

        def __init__(self, greeting: str = "Hi"):
            self.greeting = greeting

        def greet(self, name: str) -> str:
            """Greet someone.

            Parameters
            ----------
            name : str
                Who
            """
            return f"{self.greeting} {name}"

        def twice(self, name: str, times: int = 2) -> List[str]:
            return [self.greet(name)] * times

        def greeting_itself(self) -> str:
            return self.greeting

        def _hidden(self) -> None:
            pass

    class Plotter:
        """Has arguments of every kind."""

        def __init__(
            self,
            origin: Point,
            scale: Annotated[float, Field(gt=0)],
            color: Color = Color.RED,
            labels: Optional[Dict[str, List[Point]]] = None,
        ):
            self.origin, self.scale, self.color, self.labels = origin, scale, color, labels

        def plot(self, point: Point, color: Optional[Color] = None) -> Tuple[Point, Color]:
            x = self.origin.x + self.scale * point.x
            return Point(x=x, y=point.y), color or self.color

        def label(self, name: str) -> Optional[List[Point]]:
            return (self.labels or {}).get(name)

    class Counter:
        # Without this, demessaging expects the arguments of `object.__init__`, and cannot pass them.
        def __init__(self):
            pass

        def greet(self, count: int = 1) -> int:
            return count

    class lower_case:
        def __init__(self, type: str, match: int = 1):
            self.type, self.match = type, match

        @named("class")
        def class_(self) -> str:
            return f"{self.type} {self.match}"

        def close(self) -> str:
            return self.type

        def new(self, type: int) -> int:
            return self.match + type

    # The call uses the name of the method in the class.
    setattr(lower_case, "class", lower_case.class_)
    del lower_case.class_

    def greeter(name: str) -> str:
        return f"not {name}"

    yield on(Greeter)("greet", name="Ada")
    yield on(Greeter, greeting="Yo")("greet", name="世")
    yield on(Greeter, greeting="Yo")("twice", name="Ada")
    yield on(Greeter)("twice", name="Ada", times=1)
    yield on(Greeter, greeting="")("greeting_itself")
    plotter = on(Plotter, origin={"x": 1.5, "y": 0.0}, scale=2)
    yield plotter("plot", point={"x": 1.0, "y": 0.5})
    yield plotter("plot", point={"x": 1.0, "y": 0.5}, color="blue")
    yield plotter("label", name="a")
    labelled = on(
        Plotter,
        origin={"x": 1.5, "y": 0.0},
        scale=0.5,
        color="blue",
        labels={"a": [{"x": 0.5, "y": 0.5}]},
    )
    yield labelled("label", name="a")
    yield on(Counter)("greet")
    yield on(lower_case, type="t")("class")
    yield on(lower_case, type="t", match=5)("class")
    yield on(lower_case, type="t")("close")
    yield on(lower_case, type="t")("new", type=4)
    yield call(greeter, name="Ada")


@module
def progress():
    """Functions that report their progress."""

    def slow(
        n: int = 3, reporter: ProgressReport = ProgressReport(step_message="working", steps=3)
    ) -> str:
        """Reports each step."""
        with reporter:
            for step in range(n):
                with reporter.create_subreport(step_message=f"step {step}"):
                    pass
        return "done"

    def later(reporter: Optional[ProgressReport] = None, on_progress: int = 1) -> int:
        return on_progress

    for function, arguments in [
        (slow, {}),
        (slow, {"n": 1}),
        (later, {}),
        (later, {"on_progress": 5}),
    ]:
        yield Call(function, arguments, reporter="reporter")


@module
def large():
    """A module with many members."""

    Wide = pydantic.create_model(
        "Wide", **{f"column_{n}": (Optional[float], None) for n in range(60)}
    )

    def wide(value: Wide) -> Wide:
        return value

    yield call(wide, value={f"column_{n}": n + 0.5 for n in range(60)})
    for number in range(40):
        function = named(f"function_{number}")(lambda a, b: a * b)
        function.__annotations__ = {"a": int, "b": int, "return": int}
        yield call(function, a=number, b=2)


@module
def minimal():
    def run() -> int:
        return 42

    yield call(run)


# The commands.


def build(name, websocket_url=""):
    """Return the model that demessaging creates for a module, and the calls of its members."""
    define = MODULES[name]
    calls = list(define())
    members = list({id(each.member): each.member for each in calls}.values())
    config = ModuleConfig(
        messaging_config={"topic": name, "websocket_url": websocket_url},
        doc=define.__doc__ or "",
        log_config={"level": logging.CRITICAL},
    )
    return BackendModule.create_model(members=members, config=config, class_name=name), calls


def example(model, each):
    """Return a call with its result, as demessaging computes it for a message."""
    result = model.model_validate_json(json.dumps(each.request()))().model_dump_json()
    name = each.member.__name__
    return {
        "function": name if each.method is None else each.method,
        "class": None if each.method is None else name,
        "constructor": each.constructor,
        "arguments": each.arguments,
        "result": json.loads(result),
        "undeclared": each.undeclared,
    }


def listen(model, is_open):
    """Listen as `BackendModule.listen` does, and report the connection."""
    # A consumer needs the event loop of its thread. Only the main thread has one by default.
    asyncio.set_event_loop(asyncio.new_event_loop())
    model.test_connect()
    model.pulsar.subscription.on_open = lambda _: is_open.set()
    model.pulsar.wait_for_request()


def serve(websocket_url):
    threads = []
    for name in MODULES:
        model, _ = build(name, websocket_url)
        is_open = threading.Event()
        thread = threading.Thread(target=listen, args=(model, is_open))
        thread.start()
        threads.append((thread, is_open))
    for _, is_open in threads:
        is_open.wait()
    print("all modules listen", flush=True)
    # After the end of the main thread, the interpreter accepts no more requests.
    for thread, _ in threads:
        thread.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("api-info")
    commands.add_parser("examples")
    commands.add_parser("serve").add_argument("--websocket-url", required=True)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.command == "serve":
        return serve(arguments.websocket_url)
    printed = {}
    for name in MODULES:
        model, calls = build(name)
        if arguments.command == "api-info":
            printed[name] = json.loads(model.get_api_info().model_dump_json())
        else:
            printed[name] = [example(model, each) for each in calls]
    print(json.dumps(printed))


if __name__ == "__main__":
    main()
