"""Call the module `arrays` of the tests with xarray objects, with its generated client.

The arguments are the folder of the client, the URL of the broker and the topic. The script prints
nothing if everything is right.
"""

import asyncio
import pickle
import sys

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import xarray as xr

sys.path.insert(0, sys.argv.pop(1))

from generated_arrays import (  # noqa: E402
    AsyncClient,
    Client,
    Layer,
    ModuleError,
    NetCDF,
    NetCDFArray,
    XarrayObject,
)
from pydantic import ValidationError  # noqa: E402

SST = xr.DataArray(
    [[27.0, 28.0], [27.5, 28.5]],
    dims=("time", "lon"),
    name="sst",
    attrs={"units": "degC"},
    coords={
        "time": np.array(["2000-01-01", "2000-01-02"], dtype="M8[ns]"),
        "lon": [278.0, 279.0],
    },
)
MEAN = SST.mean("time", keep_attrs=True)


def same(found: NetCDF, expected: object) -> None:
    xr.testing.assert_identical(found.to_xarray(), expected)


def check_shown(file: NetCDF) -> None:
    array = file.to_xarray()
    assert repr(file) == str(file) == f"{file}" == repr(array)
    html = file._repr_html_()
    assert html is not None and "<div" in html and "sst" in html
    # It is bytes nevertheless.
    assert file.startswith(b"CDF\x01") and bytes(file) == file
    kept = pickle.loads(pickle.dumps(file))
    assert type(kept) is NetCDFArray and kept == file
    # Not a NetCDF file.
    assert repr(NetCDF(b"CDF")) == "<NetCDF: a NetCDF file of 3 bytes>"
    assert NetCDF(b"CDF")._repr_html_() is None


def check_blocking(client: Client) -> None:
    mean = client.mean(SST, "time")
    assert type(mean) is NetCDFArray
    same(mean, MEAN)
    check_shown(mean)
    # Files are arguments, too: of a result, and of another program.
    same(client.mean(mean, "lon"), MEAN.mean("lon", keep_attrs=True))
    same(client.mean(bytes(NetCDF.from_xarray(SST)), "time"), MEAN)
    try:
        client.mean(SST, "depth")
    except ModuleError as error:
        assert str(error) == "executing: the array has no dimension `depth`", error
    else:
        raise AssertionError("there is no dimension depth")

    dataset = xr.Dataset({"sst": SST, "flags": ("time", [True, False])})
    same(client.stamp(dataset, "El Niño"), dataset.assign_attrs(title="El Niño"))
    # A dataset of one variable stays a dataset.
    stamped = client.stamp(SST.to_dataset(), "one")
    assert type(stamped) is NetCDF
    same(stamped, SST.to_dataset().assign_attrs(title="one"))

    arrays: dict[str, bytes | XarrayObject] = {"a": SST, "b": NetCDF.from_xarray(MEAN)}
    merged = client.merge(arrays, base=xr.Dataset(attrs={"title": "base"}))
    variables = {"a": SST, "b": MEAN}
    same(merged, xr.Dataset(variables, attrs={"title": "base"}))
    same(client.merge({"a": SST}, base=None), SST.to_dataset(name="a"))

    maybe = client.maybe(array=SST)
    assert maybe is not None
    same(maybe, SST)
    assert client.maybe() is None

    layer = client.same(Layer(title="t", array=NetCDFArray.from_xarray(SST)))
    same(layer.array, SST)
    layer = client.same(Layer.model_validate({"title": "t", "array": SST}))
    same(layer.array, SST)


def check_series(client: Client) -> None:
    frame = client.levels(True).to_pandas()
    hours = pd.to_datetime(["1970-01-01T00:00Z", "1970-01-01T01:00Z"])
    assert list(frame.index) == list(hours) and isinstance(frame.index, pd.DatetimeIndex)
    assert frame.index.name == "time"
    assert frame["level"].dtype == float
    assert frame["level"].iloc[0] == 1.25 and np.isnan(frame["level"].iloc[1])
    series = client.levels(False)
    assert list(series.to_pandas().index) == [0.5, 1.5]
    html = series._repr_html_()
    assert html is not None and "<table" in html and "NaN" in html


async def check_async(client: AsyncClient) -> None:
    same(await client.mean(SST, "time"), MEAN)
    same(await client.mean(NetCDF.from_xarray(SST), dimension="time"), MEAN)
    assert len((await client.levels(True)).to_pandas()) == 2


def check_refused(client: Client) -> None:
    """The client refuses what is no NetCDF, and what NetCDF cannot contain."""
    for wrong, problem in [
        (1, "Input should be a NetCDF file as bytes, or an xarray object"),
        ("%", "Only base64 data is allowed"),
        (xr.DataArray([1, 2**40], dims="x"), "int64"),
    ]:
        try:
            client.mean(wrong, "x")  # type: ignore[arg-type]
        except ValidationError as error:
            assert problem in str(error), error
        else:
            raise AssertionError(wrong)


def check_without_packages(client: Client) -> None:
    """Without xarray, pandas or scipy, results are bytes and models."""
    mean, levels = client.mean(SST, "time"), client.levels(True)
    modules = sys.modules.copy()
    for missing in ["xarray", "scipy"]:
        sys.modules[missing] = None  # type: ignore[assignment]
        assert client.mean(bytes(mean), "lon").startswith(b"CDF")
        text = f"<NetCDFArray: a NetCDF file of {len(mean)} bytes>"
        assert repr(mean) == str(mean) == text
        assert mean._repr_html_() is None
        try:
            mean.to_xarray()
        except ImportError as error:
            expected = "NetCDFArray.to_xarray() needs xarray and scipy; install with: pip install xarray scipy"
            assert str(error) == expected, error
            assert error.name == missing
        else:
            raise AssertionError(missing)
        sys.modules[missing] = modules[missing]
    sys.modules["pandas"] = None  # type: ignore[assignment]
    assert levels._repr_html_() is None
    try:
        levels.to_pandas()
    except ImportError as error:
        expected = "Series.to_pandas() needs pandas; install with: pip install pandas"
        assert str(error) == expected, error
    else:
        raise AssertionError("pandas")
    sys.modules["pandas"] = modules["pandas"]


def main(url: str, topic: str) -> None:
    with Client(url, topic=topic, timeout=20) as client:
        check_blocking(client)
        check_series(client)
        check_refused(client)
        check_without_packages(client)

    async def call() -> None:
        async with AsyncClient(url, topic=topic, timeout=20) as client:
            await check_async(client)

    asyncio.run(call())


if __name__ == "__main__":
    main(*sys.argv[1:])
