"""Call the module `shown` of the tests with the types of dasf-exb-reference, with demessaging alone.

The arguments are the URL of the broker and the topic.
"""

import logging
import sys
from typing import List

from demessaging import BackendModule as _BackendModule
from demessaging.config import ModuleConfig

import present_cases
from dasf_exb.input_models import GeoArea, GeoLocation
from dasf_exb.return_models import (
    BinaryFile,
    DataSource,
    ExternalLink,
    GeoJson,
    MultipleResponses,
)


def send(name, value):
    request = {"func_name": name, "value": value}
    return BackendModule.model_validate(request).compute().root


def layer(value: GeoJson) -> GeoJson:
    return send("layer", value)


def table(value: DataSource) -> DataSource:
    return send("table", value)


def file(value: BinaryFile) -> BinaryFile:
    return send("file", value)


def link(value: ExternalLink) -> ExternalLink:
    return send("link", value)


def several(value: MultipleResponses) -> MultipleResponses:
    return send("several", value)


def place(value: GeoLocation) -> GeoLocation:
    return send("place", value)


def area(value: GeoArea) -> GeoArea:
    return send("area", value)


def places(value: List[GeoLocation]) -> List[GeoLocation]:
    return send("places", value)


FUNCTIONS = [layer, table, file, link, several, place, area, places]
URL, TOPIC = sys.argv[1:]
BackendModule = _BackendModule.create_model(
    __name__,
    class_name="BackendModule",
    members=FUNCTIONS,
    config=ModuleConfig(messaging_config={"topic": TOPIC, "websocket_url": URL}),
)


def main():
    # demessaging writes its log to the standard output.
    logging.disable()
    functions = {function.__name__: function for function in FUNCTIONS}
    calls = 0
    for name, value in present_cases.cases():
        answer = functions[name](value)
        assert type(answer) is type(value), answer
        assert answer.model_dump_json() == value.model_dump_json()
        calls += 1
    points = [GeoLocation(lon=1, lat=2), GeoLocation(lon=360, lat=-90)]
    assert places(points) == points
    print(f"{calls} calls were answered")


if __name__ == "__main__":
    main()
