"""Call the module `reference` with a client that openapi-python-client has generated.

The arguments are the folder of the client, which is the package `generated`, and the URL of the gateway.
"""

import sys

sys.path.insert(0, sys.argv[1])

from generated import Client
from generated.api.jobs import get_job, get_job_result
from generated.api.modules import describe
from generated.api.reference import add, area, fail, get_add, hello, none
from generated.api.reference_greeter import greeter_twice
from generated.models import (
    AddArguments,
    AreaArguments,
    FailArguments,
    GreeterTwiceArguments,
    HelloArguments,
    NoneArguments,
    Point,
    Problem,
)

with Client(base_url=sys.argv[2]) as client:
    assert add.sync(client=client, body=AddArguments(a=3)) == 5
    assert add.sync(client=client, body=AddArguments(a=3, b=-4), prefer="wait=20") == -1
    assert get_add.sync(client=client, a=1, b=5) == 6
    assert hello.sync(client=client, body=HelloArguments.from_dict({"name": "Ada", "lang": "de"})) == "Hallo Ada"
    points = [Point(x=1.0, y=2.5), Point(x=-1.0)]
    result = area.sync(client=client, body=AreaArguments(points=points, scale=0.5))
    assert result.to_dict() == {"n": 2.0, "s": 0.5}, result
    body = GreeterTwiceArguments(name="Bob", greeting="Yo")
    assert greeter_twice.sync(client=client, body=body) == ["Yo Bob", "Yo Bob"]
    assert none.sync(client=client, body=NoneArguments()) is None

    response = fail.sync_detailed(client=client, body=FailArguments(msg="no luck"))
    assert response.status_code == 502, response
    assert isinstance(response.parsed, Problem) and response.parsed.message == "no luck", response
    response = add.sync_detailed(client=client, body=AddArguments(a="three"))
    assert response.status_code == 400, response
    assert [error.path for error in response.parsed.errors] == ["/a"], response

    job = add.sync(client=client, body=AddArguments(a=20, b=22), prefer="respond-async")
    assert get_job_result.sync(job.id, client=client, prefer="wait=20") == 42
    assert get_job.sync(job.id, client=client).status == "done"

    assert "sqrt" in [function.name for function in describe.sync(client=client).functions]

print("all calls returned")
