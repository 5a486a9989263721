"""Call the module `arrays` of the tests with xarray objects, with demessaging alone.

The arguments are the URL of the broker and the topic.
"""

import logging
import sys

import numpy as np
import xarray as xr

from demessaging import BackendModule as _BackendModule
from demessaging import configure
from demessaging.config import ModuleConfig
from demessaging.serializers.xarray import encode_xarray
from demessaging.validators.xarray import validate_dataarray, validate_dataset


def send(request):
    return BackendModule.model_validate(request).compute().root


@configure(
    serializers={"array": encode_xarray},
    return_validators=[validate_dataarray],
    return_serializer=encode_xarray,
)
def mean(array: xr.DataArray, dimension: str) -> xr.DataArray:
    """Compute the mean over one dimension."""
    return send({"func_name": "mean", "array": array, "dimension": dimension})


@configure(
    serializers={"dataset": encode_xarray},
    return_validators=[validate_dataset],
    return_serializer=encode_xarray,
)
def stamp(dataset: xr.Dataset, title: str) -> xr.Dataset:
    """Add a title."""
    return send({"func_name": "stamp", "dataset": dataset, "title": title})


URL, TOPIC = sys.argv[1:]
BackendModule = _BackendModule.create_model(
    __name__,
    class_name="BackendModule",
    members=[mean, stamp],
    config=ModuleConfig(messaging_config={"topic": TOPIC, "websocket_url": URL}),
)


def main():
    # demessaging writes its log to the standard output.
    logging.disable()
    days = np.array(["2000-01-01", "2000-01-02"], dtype="M8[ns]")
    sst = xr.DataArray(
        [[27.0, 28.0], [27.5, 28.5]],
        dims=("time", "lon"),
        name="sst",
        attrs={"units": "degC"},
        coords={"time": days, "lon": [278.0, 279.0]},
    )
    expected = sst.mean("time", keep_attrs=True)
    xr.testing.assert_identical(mean(sst, "time").load(), expected)

    dataset = xr.Dataset({"sst": sst, "flags": ("time", [True, False])})
    stamped = stamp(dataset, "El Niño").load()
    xr.testing.assert_identical(stamped, dataset.assign_attrs(title="El Niño"))

    try:
        mean(sst, "depth")
    except ValueError as error:
        print(f"refused: {error}")
    print("all calls were answered")


if __name__ == "__main__":
    main()
