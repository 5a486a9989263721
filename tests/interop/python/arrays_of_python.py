"""Call the module `xarray_module.py` with xarray objects, with its generated client.

The module does not describe its arguments, and describes only the result of `ramp`. The arguments are
the folder of the client, the URL of the broker and the topic. The script prints nothing if everything
is right.
"""

import asyncio
import sys

import numpy as np
import xarray as xr

sys.path.insert(0, sys.argv.pop(1))

from generated_xarray import AsyncClient, Client, NetCDF, NetCDFArray  # noqa: E402

SST = xr.DataArray(
    [[27.0, 28.0], [27.5, 28.5]], dims=("time", "lon"), name="sst", attrs={"units": "degC"}
)
MEAN = SST.mean("time", keep_attrs=True)


def main(url, topic):
    with Client(url, topic=topic, timeout=20) as client:
        # What the module does not describe is what JSON contains.
        text = client.mean(SST, "time")
        assert isinstance(text, str)
        mean = NetCDFArray.from_base64(text)
        xr.testing.assert_identical(mean.to_xarray(), MEAN)
        # A file is an argument, too.
        again = NetCDFArray.from_base64(client.mean(mean, "lon"))
        xr.testing.assert_identical(again.to_xarray(), MEAN.mean("lon", keep_attrs=True))
        stamped = NetCDF.from_base64(client.stamp(SST.to_dataset(), "one"))
        expected = SST.to_dataset().assign_attrs(title="one")
        xr.testing.assert_identical(stamped.to_xarray(), expected)

        # The module describes this result.
        ramp = client.ramp(3)
        assert type(ramp) is NetCDFArray
        expected = xr.DataArray(np.arange(3.0), dims="x", name="ramp")
        xr.testing.assert_identical(ramp.to_xarray(), expected)
        assert repr(ramp) == repr(expected)

    async def call():
        async with AsyncClient(url, topic=topic, timeout=20) as client:
            text = await client.mean(SST, dimension="time")
            found = NetCDFArray.from_base64(text).to_xarray()
            xr.testing.assert_identical(found, MEAN)

    asyncio.run(call())


if __name__ == "__main__":
    main(*sys.argv[1:])
