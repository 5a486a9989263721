"""Call the reference module with demessaging alone, and print the results.

The arguments are the URL of the broker (or the host and port of a Pulsar, as in `localhost:8080`),
the topic, and optionally the folder of the generated stub `stub.py`. Without it the calls use the
model that demessaging creates for the reference module. Each line of the output is a JSON object
with the case, and with its value or its error.
"""

import asyncio
import base64
import contextlib
import datetime as dt
import io
import json
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor

# The setting of demessaging for reports as text on the standard output.
os.environ["DASF_REPORT_SHOW_METHOD"] = "PRINT"

from demessaging import BackendModule  # noqa: E402
from deprogressapi.tree import ProgressReport  # noqa: E402

# By default, the reports appear in a window of the terminal. The tests have no terminal.
ProgressReport.show_curses = ProgressReport.show_print


def broker(place):
    """Return the settings for a broker."""
    if "://" in place:
        return {"websocket_url": place}
    host, port = place.split(":")
    return {"host": host, "port": port}


class Members:
    """The members of the reference module, called through its model."""

    def __init__(self, place, topic):
        self.BackendModule = BackendModule.create_model(
            "reference_module",
            messaging_config={"topic": topic, **broker(place)},
        )

    def send(self, request):
        return self.BackendModule.model_validate(request).compute().root

    def __getattr__(self, name):
        def function(**arguments):
            return self.send({"func_name": name, **arguments})

        return function

    def Greeter(self, **arguments):
        return Greeter(self, arguments)


class Greeter:
    def __init__(self, members, arguments):
        self._request = {"class_name": "Greeter", **arguments}
        self._members = members

    def __getattr__(self, name):
        def method(**arguments):
            request = {**self._request, "function": {"func_name": name, **arguments}}
            return self._members.send(request)

        return method


def cases(members):
    """Calls with the same results through the stub and through the model."""
    day = dt.datetime(2020, 2, 28, 12, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    points = [{"x": 1.0, "y": 2.5}, {"x": -1.0}]
    large = "0123456789" * 70_000
    huge = 2**62
    yield "add", lambda: members.add(a=3)
    yield "add both", lambda: members.add(a=3, b=-4)
    yield "add too much", lambda: members.add(a=huge, b=huge)
    yield "hello", lambda: members.hello(name="Ada")
    yield "hello in German", lambda: members.hello(name="Ada", lang="de")
    yield "hello in French", lambda: members.hello(name="Ada", lang="fr")
    yield "sqrt", lambda: members.sqrt(a=2.25)
    yield "sqrt of nothing", lambda: members.sqrt(a=0)
    yield "area", lambda: members.area(points=points)
    yield "area with a scale", lambda: members.area(points=points, scale=0.5)
    yield "area with null", lambda: members.area(points=[], scale=None)
    yield "fail", lambda: members.fail(msg="boom")
    yield "fail beyond ASCII", lambda: members.fail(msg="ä 世 🌍")
    yield "none", lambda: members.none()
    yield "echo", lambda: members.echo(data='Grüße, ä 世 🌍 \0 "\\')
    yield "echo of nothing", lambda: members.echo(data="")
    yield "large echo", lambda: members.echo(data=large) == large
    yield "when", lambda: members.when(t=day)
    yield "when in UTC", lambda: members.when(t=day.astimezone(dt.timezone.utc))
    yield "when without an offset", lambda: members.when(t=day.replace(tzinfo=None))
    yield "greet", lambda: members.Greeter().greet(name="Ada")
    yield "greet otherwise", lambda: members.Greeter(greeting="Yo").greet(name="Ada")
    yield "twice", lambda: members.Greeter(greeting="Yo").twice(name="Bob")
    yield "thrice", lambda: members.Greeter().twice(name="Bob", times=3)
    yield "slow", lambda: reports(lambda: members.slow(n=2))
    yield "one after the other", lambda: sum(members.add(a=a, b=0) for a in range(50))
    yield "threads", lambda: at_once(members)
    yield "in a running loop", lambda: asyncio.run(in_a_loop(members))
    # demessaging takes the first fragment as the whole response.
    yield "fragments", lambda: members.Greeter().twice(name="x" * 1000, times=1000)


def reports(call):
    """Return the result of a call, and the reports that demessaging prints before it."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        value = call()
    rest, found = printed.getvalue(), []
    while rest.strip():
        report, end = json.JSONDecoder().raw_decode(rest)
        found.append(report)
        rest = rest[end:].lstrip()
    return [value, found]


def at_once(members):
    with ThreadPoolExecutor(10) as pool:
        sums = pool.map(lambda a: members.add(a=a, b=a), range(50))
    return list(sums) == [2 * a for a in range(50)]


async def in_a_loop(members):
    return members.add(a=20, b=22)


def requests(send):
    """Raw requests, without the validation of demessaging."""
    raw = lambda request: send(payload=json.dumps(request))  # noqa: E731
    method = lambda function: raw({"class_name": "Greeter", "function": function})  # noqa: E731
    yield "raw add", lambda: raw({"func_name": "add", "a": 1})
    yield "raw add with more", lambda: raw({"func_name": "add", "a": 1, "c": {}})
    yield "raw sqrt", lambda: raw({"func_name": "sqrt", "a": -1})
    yield "raw hello", lambda: raw({"func_name": "hello", "name": "Ada", "lang": "fr"})
    yield "raw add without", lambda: raw({"func_name": "add"})
    yield "raw stranger", lambda: raw({"func_name": "stranger"})
    yield "raw fail", lambda: raw({"func_name": "fail", "msg": "boom"})
    yield "raw none", lambda: raw({"func_name": "none"})
    yield "raw greet", lambda: method({"func_name": "greet", "name": "ä"})
    yield "raw twice", lambda: method({"func_name": "twice", "name": "Bob"})
    yield "raw method", lambda: method({"func_name": "stranger"})
    yield "raw slow", lambda: reports(lambda: raw({"func_name": "slow", "n": 0}))
    yield "raw text", lambda: send(payload="no JSON")
    yield "raw info", lambda: json.loads(send(messageType="info"))["title"]
    yield "raw api_info", lambda: names(json.loads(send(messageType="api_info")))
    yield "raw gather", lambda: asyncio.run(gather(send.producer))


class Sender:
    def __init__(self, producer):
        self.producer = producer

    def __call__(self, payload="", **properties):
        answer = asyncio.run(self.producer.send_request(message(payload, properties)))
        return answer["msg"] if answer["status"] == "success" else {"error": answer["error"]}


def message(payload, properties):
    return {"payload": base64.b64encode(payload.encode()).decode(), "properties": properties}


async def gather(producer):
    ask = lambda a: message(json.dumps({"func_name": "add", "a": a}), {})  # noqa: E731
    answers = await asyncio.gather(*(producer.send_request(ask(a)) for a in range(20)))
    return [json.loads(answer["msg"]) for answer in answers]


def names(api_info):
    return [member["name"] for kind in ("functions", "classes") for member in api_info[kind]]


def main(place, topic, folder=None):
    # demessaging writes its log to the standard output.
    logging.disable()
    if folder is None:
        members = Members(place, topic)
    else:
        sys.path.insert(0, folder)
        import stub as members
    for name, call in cases(members):
        tell(name, call)
    if folder is None:
        config = members.BackendModule.backend_config.messaging_config
        for name, call in requests(Sender(config.producer)):
            tell(name, call)


def tell(name, call):
    try:
        outcome = {"value": call()}
    except Exception as error:
        outcome = {"error": type(error).__name__, "text": str(error)}
    print(json.dumps({"case": name, **outcome}, default=dt.datetime.isoformat), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
