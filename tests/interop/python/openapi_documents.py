"""Check OpenAPI documents, of which each line of the input is one.

The output has a line for each mistake.
"""

import json
import sys

from openapi_spec_validator import OpenAPIV31SpecValidator

for line in sys.stdin:
    document = json.loads(line)
    title = document["info"]["title"]
    for error in OpenAPIV31SpecValidator(document).iter_errors():
        # The patterns are those of JSON Schema, and the validator knows those of Python.
        if error.validator == "format" and "\\p{" in error.instance:
            continue
        place = "/".join(map(str, error.absolute_path))
        print(f"{title}: {place}: {error.message[:500]}")
