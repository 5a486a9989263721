"""Read results with several variants with generated clients, without any broker.

The argument is the folder of the clients. The script prints nothing if everything is right.
"""

import sys

sys.path.insert(0, sys.argv.pop(1))

import generated_forms as forms  # noqa: E402
import generated_unusual as unusual  # noqa: E402


def read(module, function, text):
    return function.read(module._Answer(text, {}))


def refuses(module, function, text, *words):
    try:
        found = read(module, function, text)
    except module.ResultError as error:
        for word in words:
            assert word in str(error), (word, error)
        return
    raise AssertionError(f"{function.name} accepts {text}: {found}")


# A tag is required, also if it has a default.
for text, job in {
    '{"name": "a"}': forms.JobName(name="a"),
    '{"name": "a", "kind": "Sum"}': forms.JobNameSum(name="a", kind="Sum"),
    '{"name": "a", "kind": "Mean", "window": 3}': forms.JobNameMean(
        name="a", kind="Mean", window=3
    ),
}.items():
    assert read(forms, forms._JOB, text) == job, text
mixed = '[{"x": 0.5}, {"t": "A"}]'
assert read(forms, forms._UNTAGGED, mixed) == (
    forms.InsideX(x=0.5),
    forms.BesideA(t="A"),
)
versions = '[{"version": 2, "final": true}, {"version": 2}, {"kind": "cat"}, {"x": 1}, {}]'
assert read(unusual, unusual._VERSIONS, versions) == [
    unusual.Version2(version=2),
    unusual.Plain(),
    unusual.Cat(),
    unusual.Plain(x=1),
    unusual.Plain(),
]
assert unusual._VERSIONS.to_json({"a": unusual.Cat()}) == {"a": {"kind": "cat"}}

# Further properties are kept; properties with other names may have another type.
series, bag = read(
    forms, forms._SERIES, '[{"name": "a", "2001": 1, "unit": "m"}, {"name": "b", "ä": 0.5}]'
)
assert series.model_extra == {"2001": 1.0, "unit": "m"}
assert isinstance(series.model_extra["2001"], float)
assert bag.model_extra == {"ä": 0.5}
assert forms._SERIES.to_json({"series": series, "bag": bag}) == {
    "series": {"name": "a", "2001": 1.0, "unit": "m"},
    "bag": {"name": "b", "ä": 0.5},
}
refuses(forms, forms._SERIES, '[{"name": "a"}, {"name": "b", "c": "d"}]')
named = read(unusual, unusual._PATTERNS, '{"a": "x", "n_1": 0.5, "t_1": ["y"], "else": true}')
assert named.model_extra == {"n_1": 0.5, "t_1": ["y"], "else": True}
refuses(unusual, unusual._PATTERNS, '{"a": "x", "else": {}}')

# Variants of a newer module.
known = '["Red", {"event": "Rain", "amount": 1}, {"t": "Rain", "c": 1}, "Calm"]'
assert read(forms, forms._OTHERS, known) == (
    "Red",
    forms.EventRain(event="Rain", amount=1),
    forms.AdjacentRain(t="Rain", c=1),
    "Calm",
)
newer = '["Violet", {"event": "Hail", "size": [1]}, {"t": "Hail", "c": {}}, "Hail"]'
color, event, adjacent, outside = read(forms, forms._OTHERS, newer)
assert (color, outside) == ("Violet", "Hail")
assert isinstance(event, forms.EventOther)
assert (event.event, event.model_extra) == ("Hail", {"size": [1]})
assert isinstance(adjacent, forms.AdjacentOther)
assert (adjacent.t, adjacent.model_extra) == ("Hail", {"c": {}})
picture = read(
    forms,
    forms._PICTURE,
    '{"all": ["Red", "Violet"], "events": {"x": {"event": "Hail"}}, "t": "Rain", "c": 1}',
)
assert isinstance(picture, forms.PictureRain)
assert (picture.main, picture.all) == ("Green", ["Red", "Violet"])
assert isinstance(picture.events["x"], forms.EventOther)
# A mistake inside a known variant does not make it an unknown one.
refuses(forms, forms._OTHERS, newer.replace("Hail", "Rain"), "amount")
more = known.replace('"amount": 1', '"amount": 1, "newer": [1]')
assert isinstance(read(forms, forms._OTHERS, more)[1], forms.EventRain)
# If the enum is closed, the error names the unknown variant.
refuses(forms, forms._CLOSED, '"Oval"', "Oval")
refuses(forms, forms._CLOSED, '{"Oblong": {"side": 1}}', "Oblong")

# A request omits a default that violates its own limit.
assert unusual._DEFAULTS.to_json({"a": unusual.Opt()}) == {"a": {}}
assert read(unusual, unusual._DEFAULTS, "{}").steps == 1

# References may escape the names of definitions.
assert unusual._REFERENCES.to_json(
    {
        "a": unusual.Größe(x=1),
        "b": unusual.GridT(cells=[unusual.Größe(x=2)]),
        "c": "x",
    }
) == {"a": {"x": 1.0}, "b": {"cells": [{"x": 2.0}]}, "c": "x"}
