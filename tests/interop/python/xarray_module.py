"""Serve functions with xarray objects, with demessaging alone.

The arguments are the URL of the broker and the topic. `mean` and `stamp` are the functions of the
module `arrays` of the tests; `ramp` has responses of several frames.
"""

import logging
import sys
from typing import Annotated, Any

import numpy as np
import xarray as xr

from demessaging import BackendModule, configure
from demessaging.config import ModuleConfig
from demessaging.serializers.xarray import encode_xarray
from demessaging.validators.xarray import validate_dataarray, validate_dataset
from pydantic import WithJsonSchema

# The description of a result, for generated clients.
ARRAY = {
    "title": "DataArray",
    "type": "string",
    "contentEncoding": "base64",
    "contentMediaType": "application/x-netcdf",
}

# demessaging describes a module before it serves it, and cannot describe a type that pydantic does not
# know. So each validator has a serializer, and the results are `Any`. (`return_validators` would allow
# annotations, but current xarray rejects the call of `validate_dataset` with a dataset.)


@configure(
    validators={"array": [validate_dataarray]},
    serializers={"array": encode_xarray},
    return_serializer=encode_xarray,
)
def mean(array: xr.DataArray, dimension: str) -> Any:
    """The mean over one dimension."""
    if dimension not in array.dims:
        raise ValueError(f"the array has no dimension `{dimension}`")
    return array.mean(dimension, keep_attrs=True)


@configure(
    validators={"dataset": [validate_dataset]},
    serializers={"dataset": encode_xarray},
    return_serializer=encode_xarray,
)
def stamp(dataset: xr.Dataset, title: str) -> Any:
    """The same with a title."""
    return dataset.assign_attrs(title=title)


@configure(return_serializer=encode_xarray)
def ramp(length: int) -> Annotated[Any, WithJsonSchema(ARRAY)]:
    """The numbers from zero on."""
    return xr.DataArray(np.arange(float(length)), dims="x", name="ramp")


def main(url, topic):
    # demessaging writes its log to the standard output.
    logging.disable()
    module = BackendModule.create_model(
        __name__,
        class_name="Module",
        members=[mean, stamp, ramp],
        config=ModuleConfig(messaging_config={"topic": topic, "websocket_url": url}),
    )
    module.listen()


if __name__ == "__main__":
    main(*sys.argv[1:])
