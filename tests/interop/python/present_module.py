"""Serve functions with the types of dasf-exb-reference, with demessaging alone.

The arguments are the URL of the broker and the topic. Without arguments, the script prints the
description of the module. Each function returns its argument.
"""

import logging
import sys
from typing import List

from demessaging import BackendModule
from demessaging.config import ModuleConfig

from dasf_exb.input_models import GeoArea, GeoLocation
from dasf_exb.return_models import (
    BinaryFile,
    DataSource,
    ExternalLink,
    GeoJson,
    MultipleResponses,
)


def layer(value: GeoJson) -> GeoJson:
    """A layer."""
    return value


def table(value: DataSource) -> DataSource:
    """A table."""
    return value


def file(value: BinaryFile) -> BinaryFile:
    """A file."""
    return value


def link(value: ExternalLink) -> ExternalLink:
    """A link."""
    return value


def several(value: MultipleResponses) -> MultipleResponses:
    """Several results."""
    return value


def place(value: GeoLocation) -> GeoLocation:
    """A place."""
    return value


def area(value: GeoArea) -> GeoArea:
    """An area."""
    return value


def places(value: List[GeoLocation]) -> List[GeoLocation]:
    """Places."""
    return value


MEMBERS = [layer, table, file, link, several, place, area, places]


def main(url="ws://localhost/ws", topic=None):
    # demessaging writes its log to the standard output.
    logging.disable()
    module = BackendModule.create_model(
        __name__,
        class_name="Module",
        members=MEMBERS,
        config=ModuleConfig(
            messaging_config={"topic": topic or "shown", "websocket_url": url}
        ),
    )
    if topic:
        module.listen()
    else:
        print(module.get_api_info().model_dump_json())


if __name__ == "__main__":
    main(*sys.argv[1:])
