"""xarray objects. The tests create the same objects in Rust.

With the argument `encode`, print the objects as demessaging sends them: one JSON object by name.
With `check`, read such a JSON object, decode it with demessaging, and compare the objects with those
from `encode`.
"""

import json
import sys

import numpy as np
import xarray as xr

from demessaging.serializers.xarray import encode_xarray
from demessaging.validators.xarray import validate_dataarray, validate_dataset

NAN = np.nan


def with_encoding(obj, **encoding):
    obj.encoding = encoding
    return obj


def arrays():
    yield "attributes", xr.DataArray(
        [1.5, NAN, -0.25],
        dims="x",
        name="a",
        attrs={
            "a_text": "Grüße, 世界",
            "a_empty": "",
            "a_flag": True,
            "a_byte": np.int8(-1),
            "a_short": np.int16(300),
            "a_int": 70_000,
            "a_single": np.float32(0.1),
            "a_double": 0.1,
            "a_ints": [1, 2, 3],
            "a_doubles": [0.5, NAN],
        },
    )
    yield "grid", xr.DataArray(
        np.array([[1, 2, NAN], [4, 5, 6]], dtype="f4"),
        dims=("lat", "lon"),
        name="sst",
        attrs={"units": "degC"},
        coords={
            "lat": ("lat", [-10.0, -5.0], {"units": "degrees_north"}),
            "lon": ("lon", np.array([278, 279, 280], dtype="f4")),
            "depth": 0.5,
            "area": (("lat", "lon"), np.arange(6, dtype="i2").reshape(2, 3)),
        },
    )
    yield "cube", xr.DataArray(
        np.arange(24, dtype="i2").reshape(2, 3, 4),
        dims=("time", "y", "x"),
        name="cube",
        coords={
            "time": np.array(["2000-02-28", "2000-03-01"], dtype="M8[ns]"),
            "station": ("y", ["Lima", "Iquitos", "Ñuñoa"]),
        },
    )
    packed = xr.DataArray([273.15, NAN, 300.0], dims="x", name="packed")
    yield "packed", with_encoding(
        packed, dtype="i2", scale_factor=0.01, add_offset=273.15, _FillValue=-32768
    )
    single = xr.DataArray([1.5, 2.5, NAN], dims="x", name="single")
    yield "packed_single", with_encoding(
        single,
        dtype="i2",
        scale_factor=np.float32(0.1),
        add_offset=np.float32(1),
        _FillValue=-1,
    )
    counts = xr.DataArray([1.0, NAN, 16_777_217.0], dims="x", name="counts")
    yield "missing_integers", with_encoding(counts, dtype="i4", _FillValue=-1)
    old = xr.DataArray(np.array([1, NAN], dtype="f4"), dims="x", name="old")
    yield "missing_value", with_encoding(old, missing_value=np.float32(-999.9))
    unsigned = xr.DataArray([200.0, NAN], dims="x", name="unsigned")
    yield "unsigned", with_encoding(
        unsigned, dtype="i1", _Unsigned="true", _FillValue=255
    )
    yield "long_integers", xr.DataArray([2**31 - 1, -(2**31)], dims="x", name="n")
    yield "bytes", xr.DataArray(np.array([-128, 127], dtype="i1"), dims="x", name="b")
    yield "texts", xr.DataArray([["a", ""], ["Grüße", "世界"]], dims=("y", "x"), name="s")
    yield "text", xr.DataArray("one", name="s")
    yield "flags", xr.DataArray([True, False], dims="x", name="flags")
    yield "unnamed", xr.DataArray([1.0], dims="x", coords={"x": [7]})
    yield "named_as_its_dimension", xr.DataArray([1.0], dims="x", name="x")
    yield "latin_name", xr.DataArray([1.0], dims="é", name="ü", coords={"ß": 1})
    yield "scalar", xr.DataArray(-1.25, name="scalar")
    yield "empty", xr.DataArray(
        np.zeros((0, 2)), dims=("x", "y"), name="empty", coords={"x": np.zeros(0)}
    )
    yield "no_texts", xr.DataArray(np.zeros(0, dtype="U1"), dims="x", name="empty")
    times = ["1999-12-31T23:59:59.5", "NaT", "2000-01-01T12:00:00"]
    yield "times", xr.DataArray(np.array(times, dtype="M8[ns]"), dims="t", name="t")
    early = np.array(["1800-01-01T06:00", "2050-01-01"], dtype="M8[ns]")
    yield "early_times", xr.DataArray(early, dims="t", name="t")
    hours = xr.DataArray(np.array(["2000-01-01T06:00"], dtype="M8[ns]"), dims="t")
    hours.encoding = {
        "units": "days since 1900-01-01",
        "calendar": "proleptic_gregorian",
        "dtype": "f8",
    }
    yield "fractions_of_days", hours
    yield "no_times", xr.DataArray(np.zeros(0, dtype="M8[ns]"), dims="t", name="t")
    durations = np.array([90, "NaT", -30], dtype="m8[m]").astype("m8[ns]")
    yield "durations", xr.DataArray(durations, dims="x", name="d")


def datasets():
    yield "dataset", xr.Dataset(
        {
            "sst": (("time", "lon"), [[27.5, NAN], [27.4, 27.9]], {"units": "degC"}),
            "nino": ("time", np.array([1.5, -0.5], dtype="f4")),
            "note": ((), "checked"),
        },
        coords={
            "time": np.array(["1998-01-01", "1998-02-01"], dtype="M8[ns]"),
            "lon": [278.0, 279.0],
            "month": ("time", [1, 2]),
            "run": 3,
        },
        attrs={"title": "El Niño", "version": 2},
    )
    records = xr.Dataset(
        {
            "a": ("t", np.array([1, 2, 3], dtype="i2")),
            "b": (("t", "x"), np.arange(6.0).reshape(3, 2)),
            "fixed": ("x", [1, 2]),
        }
    )
    yield "unlimited", with_encoding(records, unlimited_dims={"t"})
    alone = xr.Dataset({"a": ("t", np.array([1, 2, 3], dtype="i1"))})
    yield "one_unlimited", with_encoding(alone, unlimited_dims={"t"})
    yield "only_coordinates", xr.Dataset(coords={"x": [1, 2], "z": ("y", [0.5])})
    yield "nothing", xr.Dataset()


def encoded():
    cases = [*arrays(), *datasets()]
    return {name: encode_xarray(obj) for name, obj in cases}


def variables(obj):
    if isinstance(obj, xr.DataArray):
        return {None: obj.variable, **obj.coords}
    return obj.variables


def check(name, expected, found):
    xr.testing.assert_identical(expected, found)
    for key, variable in variables(expected).items():
        dtype = variables(found)[key].dtype
        assert dtype == variable.dtype, f"{name}, {key}: {dtype}, not {variable.dtype}"


def main(command):
    own = encoded()
    if command == "encode":
        json.dump(own, sys.stdout)
        return
    sent = json.load(sys.stdin)
    assert sent.keys() == own.keys(), sent.keys() ^ own.keys()
    is_array = {name for name, _ in arrays()}
    for name, text in sent.items():
        read = validate_dataarray if name in is_array else validate_dataset
        check(name, read(None, own[name]).load(), read(None, text).load())
    print(f"{len(sent)} are identical")


if __name__ == "__main__":
    main(*sys.argv[1:])
