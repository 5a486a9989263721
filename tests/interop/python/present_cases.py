"""Write values of dasf-exb-reference, and read and write those of Rust again.

Each line has the name of a function of `present_module.py` and the JSON of a value. The script first
prints its own lines, then an empty line, and then those of the standard input, read and written by
pydantic.
"""

import datetime as dt
import math
import sys
from base64 import b64encode

from shapely.geometry import LineString, MultiPolygon, Point, Polygon

import geopandas as gpd

from dasf_exb.input_models import GeoArea, GeoLocation
from dasf_exb.return_models import (
    BinaryFile,
    DataSource,
    ExternalLink,
    GeoJson,
    MultipleResponses,
)

TYPES = {
    "layer": GeoJson,
    "table": DataSource,
    "file": BinaryFile,
    "link": ExternalLink,
    "several": MultipleResponses,
    "place": GeoLocation,
    "area": GeoArea,
}


def frame():
    """Return features as geopandas makes them."""
    square = Polygon([(0, 0), (1, 0), (1, 1)], [[(0.5, 0.25), (0.75, 0.25), (0.75, 0.5)]])
    return gpd.GeoDataFrame(
        {"name": ["a", "Grüße 世", "c", "d"], "height": [1, 2, 3, 4]},
        geometry=[
            Point(9.99, 53.55),
            LineString([(0, 0, 1.5), (1, 1, 2.5)]),
            square,
            MultiPolygon([square]),
        ],
        crs="EPSG:4326",
    )


def cases():
    layer = GeoJson(data=frame().to_geo_dict(), title="Ä")
    yield "layer", layer
    renderer = {"type": "simple", "symbol": {"size": 6, "colors": [1, 2.5, None, True]}}
    crs = {"type": "name", "properties": {"name": "EPSG:4326"}}
    data = {"type": "FeatureCollection", "features": [], "crs": crs}
    yield "layer", GeoJson(data=data, renderer=renderer)
    time = dt.datetime(2020, 1, 2, 3, 4, 5, 678000)
    records = [
        {"time": time, "day": time.date(), "zone": time.replace(tzinfo=dt.timezone.utc)},
        {"n": 1, "x": 1.5, "large": 1e300, "small": -5e-324, "text": "ä\u0007", "": 0},
        {},
    ]
    table = DataSource(name="records", records=records)
    yield "table", table
    data = b64encode(bytes(range(256)))
    file = BinaryFile(data=data, filename="a.bin", mimetype="application/x")
    yield "file", file
    yield "file", BinaryFile(data=b"", mimetype="text/plain", text="", category="")
    link = ExternalLink(href="https://www.hereon.de", category="Links")
    yield "link", link
    yield "link", ExternalLink(href="http://EXAMPLE.org:80/ä?b#c", text="A link")
    yield "several", MultipleResponses(data=[layer, table, file, link])
    yield "several", MultipleResponses(data=[])
    place = GeoLocation(lon=-180, lat=90)
    yield "place", place
    yield "area", GeoArea(points=[place, GeoLocation(lon=1.5, lat=-math.pi)])


def main():
    for name, value in cases():
        print(name, value.model_dump_json())
    print()
    for line in sys.stdin:
        name, text = line.split(" ", 1)
        print(name, TYPES[name].model_validate_json(text).model_dump_json())


if __name__ == "__main__":
    main()
