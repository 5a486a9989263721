"""Files with packed numbers of all types, and the values that xarray reads from them.

Print a list of objects, each with a `file` in base64, the stored type `packed`, the `dtype` that
xarray unpacks it to, and the `values`.
"""

import io
import itertools
import json
from base64 import b64encode

import numpy as np
import xarray as xr

from scipy.io import netcdf_file

PACKED = ["int8", "int16", "int32", "float32", "float64"]
FACTORS = [None, "float32", "float64"]


def file(packed, scale, offset, fill, unsigned):
    buffer = io.BytesIO()
    dataset = netcdf_file(buffer, "w")
    dataset.createDimension("x", 4)
    variable = dataset.createVariable("v", packed, ("x",))
    variable[:] = np.array([-1, 2, 100, 3], packed)
    if scale:
        variable.scale_factor = np.dtype(scale).type(0.1)
    if offset:
        variable.add_offset = np.dtype(offset).type(273.15)
    if fill:
        setattr(variable, fill, np.dtype(packed).type(2))
    if unsigned:
        variable._Unsigned = unsigned
    dataset.flush()
    return buffer.getvalue()


def cases():
    fills = [None, "_FillValue", "missing_value"]
    for case in itertools.product(PACKED, FACTORS, FACTORS, fills, [None, "true"]):
        if case[0].startswith("float") and case[-1]:
            continue
        content = file(*case)
        array = xr.open_dataarray(content).load()
        yield {
            "file": b64encode(content).decode(),
            "packed": case[0],
            "dtype": str(array.dtype),
            "values": [None if np.isnan(value) else float(value) for value in array.values],
        }


print(json.dumps(list(cases())))
