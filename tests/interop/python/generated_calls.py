"""Call the reference module through its generated client, and check the results.

The arguments are the folder of the client `generated_reference.py`, the URL of the broker (or the
host and port of a Pulsar, as in `localhost:8080`), the topic, and the language of the module. The
script prints nothing if everything is right.
"""

import asyncio
import datetime as dt
import pickle
import sys
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from pydantic import ValidationError

sys.path.insert(0, sys.argv.pop(1))

import generated_reference as reference  # noqa: E402
from generated_reference import AsyncClient, Client, Point, Pulsar  # noqa: E402

# Seconds that a call may take on a busy machine.
PATIENCE = 120.0
DAY = dt.datetime(2020, 2, 28, 12, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
TEXTS = ["", 'Grüße, ä 世 🌍 \0 "\\', "\x7f\x80\u2028\U0010ffff"]


def address(place: str) -> str | Pulsar:
    """Return the address of the broker."""
    if "://" in place:
        return place
    host, port = place.split(":")
    return Pulsar(host, int(port))


def fails(kind: type[Exception], call: Callable[[], object]) -> Any:
    """Return the exception that a call raises."""
    try:
        result = call()
    except kind as error:
        return error
    raise AssertionError(f"{result!r} instead of {kind.__name__}")


async def fails_later(kind: type[Exception], call: Coroutine[Any, Any, object]) -> Any:
    """Return the exception that an awaited call raises."""
    try:
        result = await call
    except kind as error:
        return error
    raise AssertionError(f"{result!r} instead of {kind.__name__}")


def blocking(client: Client, language: str) -> None:
    client.ping()
    assert [it["name"] for it in client.api_info()["classes"]] == ["Greeter"]
    assert client.add(3) == 5
    assert client.add(3, b=-4) == -1
    assert client.hello("Ada") == "Hello Ada"
    assert client.hello(name="Ada", lang="de") == "Hallo Ada"
    assert client.sqrt(2.25) == 1.5
    points = [Point(x=1.0, y=2.5), Point(x=-1.0)]
    assert client.area(points) == {"n": 2.0, "s": 1.0}
    assert client.area(points, scale=0.5) == {"n": 2.0, "s": 0.5}
    assert client.area([], scale=None) == {"n": 0.0, "s": 1.0}
    for text in TEXTS:
        assert client.echo(text) == text
    after = client.when(DAY)
    assert after == DAY + dt.timedelta(days=1)
    assert after.utcoffset() == DAY.utcoffset()
    assert client.none() is None
    assert client.greeter().greet("Ada") == "Hi Ada"
    greeter = client.greeter(greeting="Yo")
    assert greeter.greet("Ada") == "Yo Ada"
    assert greeter.twice("Bob", times=3) == ["Yo Bob"] * 3

    # The client rejects an invalid argument before it sends the request.
    error = fails(ValidationError, lambda: client.sqrt(0.0))
    assert [it["loc"] for it in error.errors()] == [("a",)], error
    assert "greater than 0" in str(error)
    wrong: Any = "fr"
    fails(ValidationError, lambda: client.hello("Ada", lang=wrong))
    number: Any = 3
    fails(ValidationError, lambda: client.greeter(greeting=number))
    fails(ValidationError, lambda: client.sqrt(float("nan")))

    # An unknown name, in a call and in a model.
    unknown: dict[str, Any] = {"bb": 2}
    error = fails(TypeError, lambda: client.add(1, **unknown))
    assert "unexpected keyword argument 'bb'" in str(error), error
    error = fails(TypeError, lambda: client.greeter(**unknown))
    assert "unexpected keyword argument 'bb'" in str(error), error
    error = fails(TypeError, lambda: Point(x=1.0, **unknown))
    assert str(error) == 'Point has no field "bb"; its fields are x, y'
    unknown = {"yy": 2.0}
    error = fails(TypeError, lambda: Point(x=1.0, **unknown))
    assert str(error) == 'Point has no field "yy"; did you mean "y"?'

    # A failure of the module has a kind.
    error = fails(reference.ModuleError, lambda: client.fail("nö 世"))
    assert (error.kind, error.message) == ("execution", "nö 世"), error
    assert str(error) == "executing: nö 世"
    assert error.text == "error executing request: nö 世"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert (error.code, error.details) == (None, None)
    if language == "rust":
        naive = DAY.replace(tzinfo=None)
        error = fails(reference.ModuleError, lambda: client.when(naive))
        assert error.kind == "validation", error

    reports: list[reference.Progress] = []
    watched = client.with_options(on_progress=reports.append)
    assert watched.slow(n=2) == "done"
    seen = [(it.status, [child.status for child in it.children]) for it in reports]
    assert seen[0] == ("running", []), seen
    assert ("running", ["success", "running"]) in seen, seen
    assert seen[-1] == ("success", ["success"] * 2), seen
    assert {it.step_message for it in reports} == {"working"}
    assert str(reports[0]) == "  0% working"
    assert "  0% working: step 0" in map(str, reports)
    assert str(reports[-1]) == "100% working"
    failed = reference.Progress(status="error", step_message="working")
    assert str(failed) == "100% working: failed"

    # The time restarts with each report.
    patient = client.with_options(timeout_without_progress=3.0)
    assert patient.slow(n=80) == "done"
    # Calls that end early come last: their reports delay those of other calls at a slow broker.
    error = fails(
        reference.NoAnswerError, lambda: client.with_options(timeout=0.6).slow(n=20)
    )
    assert isinstance(error, TimeoutError)
    assert "within 0.6 s; the module runs it, and is at " in str(error), error
    error = fails(
        reference.NoAnswerError, lambda: patient.with_options(timeout=0.6).slow(n=20)
    )

    large(client, language)


def large(client: Client, language: str) -> None:
    # A request in one frame, and a response in fragments.
    part = "0123456789" * 10_000
    parts = client.greeter(greeting="Yo").twice(part, times=50)
    assert parts == [f"Yo {part}"] * 50
    # Fragments in both directions, if the module supports them.
    whole = "0123456789ä" * 120_000
    if language == "rust":
        assert client.echo(whole) == whole
    else:
        error = fails(reference.TooLargeError, lambda: client.echo(whole))
        assert "accepts at most 716800" in str(error)
    assert client.add(1) == 3


def at_once(client: Client) -> None:
    """Call from many threads over one connection."""
    sums: dict[int, int] = {}

    def add(a: int) -> None:
        sums[a] = client.add(a, b=1)

    threads = [threading.Thread(target=add, args=(a,)) for a in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == {a: a + 1 for a in range(20)}


async def asynchronous(place: str, topic: str, language: str) -> None:
    async with AsyncClient(address(place), topic=topic, timeout=PATIENCE) as client:
        await client.ping()
        assert (await client.api_info())["functions"]
        sums = await asyncio.gather(*(client.add(a, b=1) for a in range(100)))
        assert sums == list(range(1, 101))
        assert await client.hello("Ada", lang="de") == "Hallo Ada"
        assert await client.sqrt(2.25) == 1.5
        assert await client.area([Point(x=1.0)]) == {"n": 1.0, "s": 1.0}
        for text in TEXTS:
            assert await client.echo(text) == text
        assert await client.when(DAY) == DAY + dt.timedelta(days=1)
        assert await client.none() is None
        greeter = client.greeter(greeting="Yo")
        assert await greeter.greet("Ada") == "Yo Ada"
        assert await greeter.twice("Bob") == ["Yo Bob"] * 2
        await fails_later(ValidationError, client.sqrt(-1.0))
        error = await fails_later(reference.ModuleError, client.fail("boom"))
        assert (error.kind, error.message) == ("execution", "boom")
        assert str(error) == "executing: boom"
        reports: list[reference.Progress] = []
        watched = client.with_options(on_progress=reports.append)
        assert await watched.slow(n=2) == "done"
        assert [it.status for it in reports][-1] == "success", reports
        patient = client.with_options(timeout_without_progress=3.0)
        assert await patient.slow(n=80) == "done"
        short = client.with_options(timeout=0.6)
        await fails_later(reference.NoAnswerError, short.slow(n=20))
        # Other calls go on when one is cancelled.
        call = asyncio.create_task(client.slow(n=10))
        await client.add(1)
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()
        part = "0123456789" * 10_000
        assert await greeter.twice(part, times=20) == [f"Yo {part}"] * 20
        whole = "0123456789ä" * 120_000
        if language == "rust":
            assert await client.echo(whole) == whole
        else:
            await fails_later(reference.TooLargeError, client.echo(whole))
    await fails_later(reference.NotConnectedError, client.add(1))


def main(place: str, topic: str, language: str) -> None:
    with Client(address(place), topic=topic, timeout=PATIENCE) as client:
        # The next calls have the largest and then the smallest numbers.
        client._connection._context = 2**31 - 4
        blocking(client, language)
        at_once(client)
    error = fails(reference.NotConnectedError, lambda: client.add(1))
    assert str(error) == "the client is closed"
    asyncio.run(asynchronous(place, topic, language))


main(*sys.argv[1:])
