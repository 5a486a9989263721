"""Send frames to the connection of a generated client by hand, and check the effects.

The argument is the folder of the client `generated_reference.py`. The script prints nothing
if everything is right.
"""

import asyncio
import base64
import hashlib
import json
import logging
import math
import os
import queue
import re
import socket
import sys
import threading
import time
import urllib.parse
from typing import Annotated, Any

from pydantic import TypeAdapter

sys.path.insert(0, sys.argv.pop(1))

import generated_reference as client  # noqa: E402
from generated_reference import Pulsar  # noqa: E402


class Socket:
    """A connection that keeps the sent frames, or loses them."""

    def __init__(self, is_lost: bool = False) -> None:
        self.is_lost = is_lost
        self.sent: list[dict[str, Any]] = []

    def send(self, text: str) -> None:
        if self.is_lost:
            raise OSError("lost")
        self.sent.append(json.loads(text))

    def abort(self) -> None:
        pass


class Sockets:
    """A replacement of the thread that keeps a connection open."""

    failure = None

    def __init__(self) -> None:
        self.number = 0
        self.reconnected_at = -math.inf
        self.socket: Any = None

    def current(self) -> tuple[int, Any]:
        return self.number, self.socket

    def connect(self, is_lost: bool = False) -> Any:
        self.number += 1
        self.socket = Socket(is_lost)
        return self.socket


def connection(address: str | Pulsar = "ws://nowhere/ws") -> Any:
    made: Any = client._Connection(address, "demo", None, None)
    made._sockets = (Sockets(), Sockets())
    # The first call has the number 0.
    made._context = -1
    made._sockets[0].connect()
    return made


def begin(
    on: Any, payload: bytes = b"{}", is_on_demand: bool = False
) -> tuple[Any, list[Any]]:
    events: list[Any] = []
    call = on.register(
        "request",
        payload,
        client._deadline(1.5),
        events.append,
        lambda: True,
        is_on_demand,
    )
    on.write(call)
    return call, events


def deliver(on: Any, call: Any, payload: str, **properties: Any) -> None:
    properties = {
        "messageType": "response",
        "requestContext": call.context,
        **properties,
    }
    on._on_delivery({"messageId": "m", "payload": payload, "properties": properties})


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def addresses() -> None:
    def urls(address: Any, **options: Any) -> tuple[str, str, dict[str, str]]:
        made: Any = client._Connection(address, "demo", options.get("token"), None)
        name = made._response_topic
        assert name.startswith("demo_") and len(name) == 27
        consumer = made._consumer_url.replace(name, "NAME").replace(name[5:], "ID")
        return made._producer_url, consumer, made._door.headers

    for base in ("ws://h:1/ws", "ws://h:1/ws/"):
        producer, consumer, headers = urls(base)
        assert producer == "ws://h:1/ws/demo?nobodyListens=Refuse"
        assert consumer == "ws://h:1/ws/NAME/python-client-ID"
        assert not headers
    found = urls("wss://h/ws?token=x", token="secret")
    assert found[0] == "wss://h/ws/demo?token=x&nobodyListens=Refuse"
    assert found[1].endswith("/python-client-ID?token=x")
    assert found[2] == {"authorization": "Token secret"}
    found = urls(Pulsar("h", 80, tenant="t", namespace="n", tls=True), token="secret")
    base = "wss://h:80/ws/v2"
    assert found[0] == f"{base}/producer/non-persistent/t/n/demo"
    path = "NAME/python-client-ID?subscriptionMode=NonDurable"
    assert found[1] == f"{base}/consumer/non-persistent/t/n/{path}"
    assert found[2] == {"authorization": "Bearer secret"}
    found = urls(Pulsar("h", 80, tenant="a/b", namespace="c?d"))
    assert found[0] == "ws://h:80/ws/v2/producer/non-persistent/a%2Fb/c%3Fd/demo"
    for host, place in [
        ("::1", "[::1]:80"),
        ("[::1]", "[::1]:80"),
        ("2001:DB8::0:1", "[2001:db8::1]:80"),
        ("127.0.0.1", "127.0.0.1:80"),
        ("größe.example_1", "größe.example_1:80"),
        ("h\n", "h:80"),
    ]:
        found = urls(Pulsar(host, 80))
        assert found[0].startswith(f"ws://{place}/ws/v2/producer/"), found
    asks = "?nobodyListens=Refuse"
    assert urls("ws://[::1]:8080/ws\r\n")[0] == f"ws://[::1]:8080/ws/demo{asks}"
    assert urls("ws://[::1]")[0] == f"ws://[::1]/demo{asks}"

    # The message names the mistake, and contains no password.
    secret = "the broker's address contains a user name; use a token instead"
    empty = "the host is empty; give a name or an address"
    neither = "is not a host name or an IP address"
    form = "write ws://host:port/path or wss://host/path"
    scheme = f"the broker's URL does not begin with ws:// or wss://; {form}"
    brackets = "put an IPv6 address in brackets, as in ws://[::1]:8080"
    no_host = f"the broker's URL has no valid host and port; {form}; {brackets}"
    no_url = "is a URL; give only the host name, and `tls=True` for wss://"
    port = "is not valid; use a number from 1 to 65535"
    wrong: list[tuple[str | Pulsar, str]] = [
        ("http://h", scheme),
        ("localhost:8080", scheme),
        ("", scheme),
        ("ws://me:secret@h/ws", secret),
        ("ws://", empty),
        ("ws:///ws", empty),
        ("ws://:80/ws", empty),
        ("ws://::1:8080/ws", no_host),
        ("ws://localhost:port/ws", no_host),
        ("ws://localhost:70000/ws", f"the port 70000 {port}"),
        ("ws://local host/ws", f"the broker's URL contains a space; {form}"),
        (
            "ws://h/ws\nx",
            "the URL of the broker contains a newline; use one line",
        ),
        (Pulsar("me:secret@h"), secret),
        (Pulsar(""), empty),
        (Pulsar(" "), empty),
        (Pulsar(" h"), f"the host ' h' {neither}"),
        (Pulsar("h/ws"), f"the host 'h/ws' {neither}"),
        (Pulsar("fe80::1%eth0"), f"the host 'fe80::1%eth0' {neither}"),
        (Pulsar("[h]"), f"the host '[h]' {neither}"),
        (
            Pulsar("localhost:18080"),
            "the host 'localhost:18080' contains a port; give it as `port=18080`",
        ),
        (Pulsar("ws://localhost"), f"the host 'ws://localhost' {no_url}"),
        (Pulsar("a\nb"), "the host contains a newline; use one line"),
        (Pulsar("h", 0), f"the port 0 {port}"),
    ]
    for address, text in wrong:
        assert refused(lambda: urls(address)) == text
    for topic in ("", "a/b", "a?b", "ä", "a\n"):
        try:
            client._Connection("ws://h", topic, None, None)
        except ValueError:
            continue
        raise AssertionError(topic)


def refused(attempt: Any) -> str:
    try:
        attempt()
    except ValueError as error:
        return str(error)
    raise AssertionError("no error")


def secrets() -> None:
    def headers(**options: Any) -> Any:
        given = {"topic": "demo", "token": None, "headers": None, **options}
        return client._Connection("ws://h", **given)._door.headers

    # A secret from a file ends with a newline.
    assert headers(token="secret\n") == {"authorization": "Token secret"}
    assert headers(headers={"x": "secret\r\n"}) == {"x": "secret"}
    text = "contains a newline; use one line"
    for token in ("secret\nx", "\nsecret", "secret\rx: y"):
        assert refused(lambda: headers(token=token)) == f"the token {text}"
        said = refused(lambda: headers(headers={"x": token}))
        assert said == f"the header 'x' {text}"
    assert refused(lambda: headers(headers={"x\ny": ""})) == f"a header's name {text}"


def identities() -> None:
    def made(topic: str) -> Any:
        return client._Connection("ws://h", topic, None, None)

    # The database of a broker may limit names to 50 characters.
    for length, room in [(4, 22), (27, 22), (28, 21), (35, 14), (41, 8), (42, 22)]:
        topic = "x" * length
        names = {made(topic)._response_topic for _ in range(100)}
        assert len(names) == 100
        for name in names:
            assert re.fullmatch(f"{topic}_[-_A-Za-z0-9]{{{room}}}", name), name
    begins = [made("demo")._next_context() for _ in range(100)]
    assert len(set(begins)) > 90 and all(0 <= int(it) < 2**31 for it in begins)
    # Some databases store no larger number. Two unfinished calls have different numbers.
    on = connection()
    waits, _ = begin(on)
    on._context = 2**31 - 2
    contexts = [begin(on)[0].context for _ in range(2)]
    assert (waits.context, contexts) == ("0", [str(2**31 - 1), "1"])


def strangers() -> None:
    on = connection()
    call, events = begin(on)
    mine = on._response_topic
    logged: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    client._log.addHandler(handler)
    forged: list[dict[str, Any]] = [
        {"source_topic": "x" * 200, "response_topic": ["y" * 200], "note": "private"},
        {"source_topic": "another"},
        {"source_topic": "demo", "response_topic": "demo_another"},
        {"messageType": "progress", "source_topic": "another"},
        {"messageType": "pong", "source_topic": "another"},
        {"status": "error", "source_topic": "another"},
        {"messageType": "fetch", "source_topic": "another", "response_topic": "x"},
        {"requestContext": "1"},
    ]
    for properties in forged:
        deliver(on, call, in_base64(b"0"), **properties)
    assert not events and call.sender is None
    source, response = "'" + "x" * 96 + "...", "['" + "y" * 95 + "..."
    text = f"ignoring a message from topic {source} to topic {response}, not for this client"
    assert logged == [f"{text}; further warnings of this kind are not logged"], logged
    for _ in range(2):
        deliver(on, call, "", messageType="fetch", response_topic="z" * 200)
        deliver(on, call, in_base64(b"{}"), messageType="progress")
    in_vain = "ignoring a request for a payload on topic '" + "z" * 96 + "..."
    assert (
        logged[1] == f"{in_vain}; further warnings of this kind are not logged"
    ), logged
    assert logged[2].startswith("cannot read a progress report: "), logged
    # Each client logs a warning once.
    other = connection()
    deliver(other, begin(other)[0], "", source_topic="another")
    client._log.removeHandler(handler)
    assert len(logged) == 4, logged
    deliver(on, call, in_base64(b"1"), source_topic="demo", response_topic=mine)
    assert [it.text for it in events] == ["1"]


def proxies() -> None:
    for name in list(os.environ):
        if name.lower() in ("http_proxy", "https_proxy", "no_proxy"):
            del os.environ[name]

    def found(url: str, **variables: str) -> str:
        os.environ.update(variables)
        parts = urllib.parse.urlsplit(url)
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        try:
            proxy = client._proxy(parts.scheme, parts.hostname or "", port)
        except ConnectionError as error:
            return str(error)
        finally:
            for name in variables:
                del os.environ[name]
        login = proxy and proxy.login
        name = "" if proxy is None else str(proxy).removeprefix("the proxy ")
        return f"{name} {base64.b64decode(login).decode()}" if login else name

    for url, variables, expected in [
        ("wss://h", {}, ""),
        ("wss://h", {"HTTPS_PROXY": "http://p:3128"}, "p:3128 of HTTPS_PROXY"),
        ("wss://h", {"HTTPS_PROXY": " p\n"}, "p:80 of HTTPS_PROXY"),
        ("wss://h", {"HTTPS_PROXY": "p:1", "https_proxy": ""}, "p:1 of HTTPS_PROXY"),
        ("wss://h", {"HTTPS_PROXY": "p:1", "https_proxy": "q:2"}, "q:2 of https_proxy"),
        (
            "wss://h",
            {"HTTPS_PROXY": "http://me:p%40ss@[::1]:8/"},
            "[::1]:8 of HTTPS_PROXY me:p@ss",
        ),
        ("wss://h", {"HTTPS_PROXY": "me@p"}, "p:80 of HTTPS_PROXY me:"),
        ("wss://h", {"HTTP_PROXY": "p:1"}, ""),
        ("ws://h", {"HTTPS_PROXY": "p:1"}, ""),
        ("ws://h", {"HTTP_PROXY": "p:1"}, "p:1 of HTTP_PROXY"),
        ("ws://h", {"HTTP_PROXY": "p:1", "REQUEST_METHOD": "GET"}, ""),
        (
            "ws://h",
            {"http_proxy": "p:1", "REQUEST_METHOD": "GET"},
            "p:1 of http_proxy",
        ),
        ("wss://localhost", {"HTTPS_PROXY": "p:1"}, ""),
        ("wss://127.1.2.3", {"HTTPS_PROXY": "p:1"}, ""),
        ("wss://[::1]", {"HTTPS_PROXY": "p:1"}, ""),
    ]:
        assert found(url, **variables) == expected, (url, variables)
    for value, text in [
        ("https://me:secret@p:1", "is not an HTTP proxy"),
        ("socks5://p:1", "is not an HTTP proxy"),
        ("http://", "is not valid"),
        ("http://me:secret@p:x", "is not valid"),
    ]:
        hint = "write it as http://host:port"
        said = found("wss://h", HTTPS_PROXY=value)
        assert said == f"the proxy of HTTPS_PROXY {text}; {hint}"

    for url, direct, is_direct in [
        ("wss://a.b.c", "x, B.C ,", True),
        ("wss://a.b.c", ".b.c", True),
        ("wss://a.b.c", "*.b.c", True),
        ("wss://b.c", ".b.c", True),
        ("wss://A.B.C", "a.b.c", True),
        ("wss://a.b.c", "*", True),
        ("wss://ab.c", "b.c", False),
        ("wss://a.b.c", "", False),
        ("wss://a.b.c", "b", False),
        ("wss://a.b.c:99", "b.c:99", True),
        ("wss://a.b.c", "b.c:443", True),
        ("wss://a.b.c", "b.c:99", False),
        ("wss://10.1.2.3", "10.0.0.0/8", True),
        ("wss://10.1.2.3", "10.1.2.3", True),
        ("wss://10.1.2.3", "2.3", False),
        ("wss://11.1.2.3", "10.0.0.0/8,fd00::/8", False),
        ("wss://[fd00::1]", "10.0.0.0/8,fd00::/8", True),
        ("wss://[fd00::1]", "fd00:0::1", True),
        ("wss://[fd00::1]", "[fd00::1]", True),
        ("wss://[fd00::1]", "[fd00::1]:80", False),
        ("wss://h", "10.0.0.0/x", False),
        ("wss://h", "10.0.0.0/8", False),
        ("wss://h", "fd00::/8,h", True),
    ]:
        for name in ("no_proxy", "NO_PROXY"):
            proxy = found(url, HTTPS_PROXY="p:1", **{name: direct})
            assert (proxy == "") is is_direct, (url, direct)
    both = {"HTTPS_PROXY": "p:1", "no_proxy": "x", "NO_PROXY": "h"}
    assert found("wss://h", **both) == "p:1 of HTTPS_PROXY"


def answers() -> None:
    on = connection()
    call, events = begin(on)
    whole = in_base64('[1, "ä 世"]'.encode())
    pieces = [whole[:3], whole[3:4], whole[4:]]
    for index in (2, 0, 0, 1):
        assert not events
        deliver(on, call, pieces[index], fragment=index, num_fragments=3)
    # A late fragment that arrives twice.
    deliver(on, call, pieces[1], fragment=1, num_fragments=3)
    assert [it.text for it in events] == ['[1, "ä 世"]']
    assert len(on._sockets[0].socket.sent) == 5, "each is acknowledged"
    assert on._sockets[0].socket.sent[0] == {"messageId": "m"}

    whole_answers: list[tuple[str, dict[str, Any], str]] = [
        (whole, {"fragment": 0, "num_fragments": 1}, '[1, "ä 世"]'),
        (whole, {"fragment": "0", "num_fragments": "1"}, '[1, "ä 世"]'),
        (in_base64("ä".encode("latin-1")), {}, "ä"),
        ("", {"messageType": "pong"}, ""),
    ]
    for payload, properties, expected in whole_answers:
        call, events = begin(on)
        deliver(on, call, payload, **properties)
        assert [it.text for it in events] == [expected], events
    broken_answers: list[tuple[str, dict[str, Any]]] = [
        ("no base64", {}),
        (whole, {"fragment": 0}),
        (whole, {"fragment": 3, "num_fragments": 3}),
        (whole, {"fragment": "x", "num_fragments": 3}),
    ]
    for payload, properties in broken_answers:
        call, events = begin(on)
        deliver(on, call, payload, **properties)
        assert [type(it) for it in events] == [client.ResultError], events

    call, events = begin(on)
    deliver(on, call, in_base64(b"{}"), messageType="progress")
    deliver(
        on, call, in_base64(b'{"step_message": "x", "new": 1}'), messageType="progress"
    )
    deliver(on, call, "", messageType="log")
    assert [it.step_message for it in events] == ["x"]
    text = "request rejected due to queue overflow, try again later"
    error = '{"code": "c", "details": [1]}'
    deliver(on, call, in_base64(text.encode()), status="error", x_dasf_error=error)
    failure = events[1]
    assert (failure.kind, failure.message) == ("overflow", text)
    assert (failure.code, failure.details) == ("c", [1])
    assert str(failure) == text
    call, events = begin(on)
    text = "request not allowed: stop: only users"
    error = '{"code": "not_allowed", "details": null}'
    deliver(on, call, in_base64(text.encode()), status="error", x_dasf_error=error)
    (failure,) = events
    assert (failure.kind, failure.code) == ("not_allowed", "not_allowed")
    assert str(failure) == "not allowed: stop: only users"
    call, events = begin(on)
    text = "request put aside: it was begun twice"
    error = '{"code": "put_aside", "details": {"deaths": 2}}'
    deliver(on, call, in_base64(text.encode()), status="error", x_dasf_error=error)
    (failure,) = events
    assert (failure.kind, failure.code) == ("put_aside", "put_aside")
    assert (failure.details, str(failure)) == (
        {"deaths": 2},
        "put aside: it was begun twice",
    )
    assert not on._calls


def requests() -> None:
    on = connection()
    producer = on._sockets[1]
    # Before there is a connection, and on a connection that is lost.
    call, events = begin(on, b'"x"')
    producer.connect(is_lost=True)
    on._resend()
    wire = producer.connect()
    on._resend()
    on.write(call)
    (frame,) = wire.sent
    assert 0 < frame["properties"].pop("x_dasf_timeout_ms") <= 1500
    assert frame == {
        "payload": in_base64(b'"x"'),
        "context": "0",
        "properties": {
            "messageType": "request",
            "requestContext": "0",
            "response_topic": on._response_topic,
            "x_dasf_repeated": "1",
        },
    }
    on._on_receipt({"messageId": "m", "context": "0", "result": "ok"})
    wire = producer.connect()
    on._resend()
    assert not wire.sent and not events, "a request with a receipt is not sent again"

    for frame, reason in [
        ({"result": "no"}, "no"),
        ({"result": "send-error:3", "errorMsg": "full"}, "full (send-error:3)"),
    ]:
        call, events = begin(on)
        on._on_receipt({"context": call.context, **frame})
        assert [(type(it), str(it)) for it in events] == [(client.RefusedError, reason)]

    # The client gives up the request that breaks the connection, and no other.
    first, events = begin(on)
    second, others = begin(on)
    for _ in range(4):
        producer.connect(is_lost=True)
        on._resend()
    assert [type(it) for it in events] == [client.NotConnectedError], events
    assert not others
    wire = producer.connect()
    on._resend()
    assert [it["context"] for it in wire.sent] == [second.context]

    # The client sends fragments without a receipt again.
    large = b"0" * (client._FRAME_LIMIT + 1)
    call, events = begin(on, large)
    sent = [it for it in wire.sent if it["context"] == call.context]
    assert [it["properties"]["fragment"] for it in sent] == [0, 1]
    assert {it["properties"]["num_fragments"] for it in sent} == {2}
    assert base64.b64decode("".join(it["payload"] for it in sent)) == large
    on._on_receipt({"context": call.context, "result": "ok"})
    wire = producer.connect()
    on._resend()
    sent = [it for it in wire.sent if it["context"] == call.context]
    assert [it["properties"]["fragment"] for it in sent] == [1]

    # A repeated request has the remaining timeout.
    on = connection()
    call, events = begin(on)
    call.deadline -= 1
    wire = on._sockets[1].connect()
    on._resend()
    assert wire.sent[0]["properties"]["x_dasf_timeout_ms"] <= 500


def refusals() -> None:
    on = connection()
    on._sockets[1].connect()
    _, events = begin(on)
    _, others = begin(on)
    on._on_receipt({})
    on._on_receipt({"context": "0", "result": None})
    on._on_receipt({"context": "unknown", "result": "no"})
    assert not events and not others
    # A receipt without a context belongs to the oldest request without a receipt.
    on._on_receipt({"context": 0, "result": "ok"})
    on._on_receipt({"result": "send-error", "errorMsg": "bad JSON"})
    assert not events
    assert [str(it) for it in others] == ["bad JSON (send-error)"]


class Timer:
    """A timer that runs when the test says so."""

    made: list["Timer"] = []

    def __init__(self, wait: float, run: Any) -> None:
        assert 0 < wait <= client._LONGEST_UNREAD
        self.run = run
        self.is_cancelled = False
        self.made.append(self)

    def start(self) -> None:
        pass

    def cancel(self) -> None:
        self.is_cancelled = True


def nobody() -> None:
    text = "no module listens on topic demo; start the module, or check the topic"

    def refuse(on: Any, call: Any) -> None:
        receipt = {"context": call.context, "result": "nobody", "status": 404}
        on._on_receipt(receipt)

    def sent(wire: Any, call: Any) -> list[Any]:
        frames = (it for it in wire.sent if it["context"] == call.context)
        return [it["properties"].get("fragment") for it in frames]

    original: Any = threading.Timer
    threading.Timer = Timer  # type: ignore[assignment, misc]
    on = connection()
    producer = on._sockets[1]
    wire = producer.connect()
    large, events = begin(on, b"0" * (client._FRAME_LIMIT + 1))
    small, others = begin(on)
    for call in (large, large, small):
        refuse(on, call)
    # One timer for all of them.
    (timer,) = Timer.made
    assert sent(wire, large) == [0, 1] and sent(wire, small) == [None]
    timer.run()
    assert sent(wire, large) == [0, 1, 0, 1] and sent(wire, small) == [None, None]
    assert all("x_dasf_repeated" not in it["properties"] for it in wire.sent)
    on._on_receipt({"context": large.context, "result": "ok"})

    # The frames wait for the connection if there is none.
    for call in (large, small):
        refuse(on, call)
    consumer = on._sockets[0]
    consumer.socket = None
    Timer.made[1].run()
    assert sent(wire, small) == [None, None]
    consumer.connect()
    on._resend()
    assert sent(wire, large) == [0, 1, 0, 1, 1] and sent(wire, small) == [None] * 3
    for call in (large, small):
        refuse(on, call)
    wire = producer.connect()
    on._resend()
    assert Timer.made[2].is_cancelled
    assert sent(wire, large) == [1] and sent(wire, small) == [None]
    assert large.losses == small.losses == 0
    assert all("x_dasf_repeated" not in it["properties"] for it in wire.sent)

    # After its time, a call fails. After a lost connection it has more time, up to its timeout.
    large.unread_since -= client._START_LIMIT
    producer.reconnected_at = time.monotonic() - client._RETURN_LIMIT
    refuse(on, large)
    assert [(type(it), str(it)) for it in events] == [(client.NobodyListensError, text)]
    small.unread_since -= client._START_LIMIT
    small.deadline += 60
    producer.reconnected_at += 1
    refuse(on, small)
    assert not others
    Timer.made[3].run()
    small.deadline = time.monotonic()
    refuse(on, small)
    assert [type(it) for it in others] == [client.NobodyListensError]

    # What has ended is not sent, also at the end of the client.
    ended, _ = begin(on)
    refuse(on, ended)
    on.end(ended)
    Timer.made[4].run()
    assert sent(wire, ended) == [None]
    last, _ = begin(on)
    refuse(on, last)
    on._sockets = None
    on.close()
    assert Timer.made[5].is_cancelled
    assert issubclass(client.NobodyListensError, client.NoAnswerError)
    threading.Timer = original  # type: ignore[misc]


def readers() -> None:
    # The client sends nothing while it cannot read the response.
    on = connection()
    consumer, producer = on._sockets
    consumer.socket = None
    wire = producer.connect()
    call, events = begin(on)
    on._resend()
    assert not wire.sent
    consumer.connect()
    on._resend()
    assert len(wire.sent) == 1
    # Both connections are lost, and the producer reconnects first, any number of times.
    consumer.socket = None
    for _ in range(5):
        wire = producer.connect()
        on._resend()
    assert not wire.sent
    consumer.connect()
    on._resend()
    on._resend()
    assert len(wire.sent) == 1
    assert not events and call.losses == 1


def not_connected(attempt: Any) -> str:
    try:
        attempt()
    except client.NotConnectedError as error:
        return str(error)
    raise AssertionError("no error")


def ends() -> None:
    on = connection()
    on._sockets = None
    on.close()
    assert "closed" in not_connected(lambda: begin(on))
    assert not on._calls

    # A forked process shares the connections with its parent.
    on = connection()
    on._pid = -1
    on.close()
    assert on._sockets is not None
    assert "child" in not_connected(lambda: on.open(client._deadline(1)))

    # A call ends at its timeout while another thread connects.
    on = connection()
    with on._opening:
        begun = time.monotonic()
        not_connected(lambda: on.open(client._deadline(0.1)))
        assert time.monotonic() - begun < 5

    # No broker listens on this port, with an infinite timeout.
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    on = client._Connection(f"ws://127.0.0.1:{port}", "demo", None, None)
    not_connected(lambda: on.open(client._deadline(math.inf)))


def redirects() -> None:
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def redirect() -> None:
            for _ in range(2):
                try:
                    accepted, _ = server.accept()
                except OSError:
                    return
                requests.append(accepted.recv(10_000))
                location = f"Location: ws://127.0.0.1:{port}/other"
                accepted.sendall(f"HTTP/1.1 302 Found\r\n{location}\r\n\r\n".encode())
                accepted.close()

        server.settimeout(1)
        threading.Thread(target=redirect, daemon=True).start()
        on = client._Connection(f"ws://127.0.0.1:{port}", "demo", "secret", None)
        assert "302" in not_connected(lambda: on.open(client._deadline(10)))
    assert all(b"/other" not in it for it in requests), requests


def reports() -> None:
    # An exception of `on_progress` is not the timeout of the call.
    def fail(_: Any) -> None:
        raise asyncio.TimeoutError("from on_progress")

    on = connection()
    text = in_base64(b'{"step_message": "x"}')
    on.write = lambda call: deliver(on, call, text, messageType="progress")
    caller = client._AsyncClient("ws://nowhere", topic="demo", on_progress=fail)
    caller._connection = on
    try:
        asyncio.run(caller.ping())
    except asyncio.TimeoutError as error:
        assert str(error) == "from on_progress"
    assert not on._calls


def on_demand() -> None:
    on = connection()
    on._sockets[1].connect()
    begun: list[Any] = []

    class Sender(client._Sender):
        """A sender whose connections are made by hand."""

        def start(self) -> None:
            begun.append(self)

        def connect(self) -> Socket:
            self._socket, self._number = Socket(), self._number + 1
            self._on_open()
            found: Socket = self._socket
            return found

        def stop(self) -> None:
            self._closing.set()

        def is_alive(self) -> bool:
            return not self._closing.is_set()

    def ask(call: Any, topic: object) -> None:
        deliver(on, call, "", messageType="fetch", response_topic=topic)

    original, client._Sender = client._Sender, Sender  # type: ignore[misc]
    limit, client._FRAME_LIMIT = client._FRAME_LIMIT, 40
    try:
        data = b"0123456789" * 6
        call, events = begin(on, data, is_on_demand=True)
        (frame,) = on._sockets[1].socket.sent
        assert frame["payload"] == ""
        assert frame["properties"].pop("x_dasf_on_demand") == "1"
        routing = frame["properties"]
        assert routing["messageType"] == "request"
        assert not begun, "no module has asked yet"

        # An invalid topic does not become a part of a URL.
        for topic in ("", "a/b", "a?b", "ä", "a\n", "a" * 256, 7, None):
            ask(call, topic)
        other, _ = begin(on)
        ask(other, "ada")
        assert not begun

        ask(call, "ada")
        (ada,) = begun
        assert ada._url == "ws://nowhere/ws/ada"
        wire = ada.connect()
        assert [it["properties"]["fragment"] for it in wire.sent] == [0, 1]
        for it in wire.sent:
            assert 0 < it["properties"].pop("x_dasf_timeout_ms") <= 1500
            del it["properties"]["fragment"]
            assert it["properties"].pop("num_fragments") == 2
            routing.pop("x_dasf_timeout_ms", None)
            assert it["properties"] == routing
        pieces = [it["payload"] for it in wire.sent]
        assert [len(it) for it in pieces] == [40, 40]
        assert base64.b64decode("".join(pieces)) == data

        # After a lost connection, the sender does not repeat a frame with a receipt.
        ada._on_frame({"result": "ok"})
        wire = ada.connect()
        assert [it["payload"] for it in wire.sent] == pieces[1:]
        assert ada.is_alive()

        # Another module takes over, and receives the whole payload.
        ask(call, "bob")
        bob = begun[1]
        assert not ada.is_alive() and bob.is_alive()
        wire = bob.connect()
        assert [it["payload"] for it in wire.sent] == pieces
        for _ in pieces:
            assert bob.is_alive()
            bob._on_frame({"messageId": "m", "result": "ok"})
        assert not bob.is_alive()

        # The call goes on if the client cannot send the payload.
        ask(call, "cyd")
        begun[2].connect()
        begun[2]._on_frame({"result": "send-error:3", "errorMsg": "full"})
        assert not begun[2].is_alive()
        ask(call, "dan")
        for _ in range(5):
            assert begun[3].is_alive()
            begun[3].connect()
        assert not begun[3].is_alive()
        assert not events

        # No module needs the payload of a call that has ended.
        ask(call, "eve")
        deliver(on, call, in_base64(b"1"))
        assert [it.text for it in events] == ["1"]
        assert not begun[4].is_alive()
        ask(call, "fay")
        for end in (on.end, lambda _: on.close()):
            call, events = begin(on, data, is_on_demand=True)
            ask(call, "gil")
            assert begun[-1].is_alive()
            on._sockets = None
            begun[-1].join = lambda timeout: None
            end(call)
            assert not begun[-1].is_alive()
        assert len(begun) == 7
    finally:
        client._Sender = original  # type: ignore[misc]
        client._FRAME_LIMIT = limit


class BusyModule:
    """A module at a broker that keeps nothing.

    Each fragment makes the reader of its topic busy, so the broker loses the next message on this
    topic, although it sends a receipt. The inbox for payloads has a reader of its own.
    """

    def __init__(self) -> None:
        self.on = connection(Pulsar("nowhere"))
        # The types of the lost messages, and the fragments that arrived.
        self.lost: set[str] = set()
        self.read: list[dict[str, Any]] = []
        self.pings: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        # The result of the receipt of a ping, and whether the module answers pings.
        self.receipt = "ok"
        self.answers = True
        # The topics whose readers are busy.
        self._busy: set[str] = set()
        self._lock = threading.RLock()
        self.connect()

    def connect(self) -> None:
        """Open a new connection for requests."""
        producer = self.on._sockets[1]
        producer.connect()
        producer.socket = Wire(self, self.on.topic, self.on._on_receipt)
        self.on._resend()

    def take(self, topic: str, frame: dict[str, Any], on_receipt: Any) -> None:
        properties = frame["properties"]
        is_ping = properties["messageType"] == "ping"
        with self._lock:
            result = self.receipt if is_ping else "ok"
            on_receipt({"result": result, "context": frame["context"]})
            if topic in self._busy:
                self._busy.remove(topic)
                self.lost.add(properties["messageType"])
            elif is_ping:
                if self.answers:
                    self.deliver(properties, "", messageType="pong")
            elif "x_dasf_on_demand" in properties:
                asked = {"messageType": "fetch", "response_topic": "inbox"}
                self.deliver(properties, "", **asked)
            else:
                self._busy.add(topic)
                self.read.append(frame)
                self._answer(frame)
        if is_ping:
            self.pings.put(frame)

    def _answer(self, frame: dict[str, Any]) -> None:
        properties, context = frame["properties"], frame["context"]
        pieces = [it["payload"] for it in self.read if it["context"] == context]
        if len(pieces) == properties["num_fragments"]:
            self.deliver(properties, "".join(pieces))

    def deliver(self, to: dict[str, Any], payload: str, **properties: Any) -> None:
        context = to["requestContext"]
        always = {"messageType": "response", "requestContext": context}
        frame = {"payload": payload, "properties": {**always, **properties}}
        self.on._on_delivery({"messageId": "m", **frame})

    def call(
        self, data: bytes, is_on_demand: bool = False
    ) -> tuple[Any, "queue.SimpleQueue[Any]"]:
        """Send a large request, whose response is equal to it."""
        events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        deadline = client._deadline(60)
        call = self.on.register(
            "request", data, deadline, events.put, lambda: True, is_on_demand
        )
        self.on.write(call)
        return call, events


class Wire:
    """A connection to a topic of a busy module."""

    def __init__(self, module: BusyModule, topic: str, on_receipt: Any) -> None:
        self._module = module
        self._topic = topic
        self._on_receipt = on_receipt

    def send(self, text: str) -> None:
        self._module.take(self._topic, json.loads(text), self._on_receipt)

    def send_close(self) -> None:
        pass


class Sender(client._Sender):
    """A sender whose connection is made by hand."""

    begun: list["Sender"] = []
    module: BusyModule | None = None

    def start(self) -> None:
        self.begun.append(self)
        self._number += 1
        self._socket = Socket()
        if self.module is not None:
            self._socket = Wire(self.module, self._topic, self._on_frame)
        self._on_open()

    def stop(self) -> None:
        self._closing.set()

    def is_alive(self) -> bool:
        return self.is_open()

    def join(self, timeout: float | None = None) -> None:
        pass


def busy_modules() -> None:
    limit, client._FRAME_LIMIT = client._FRAME_LIMIT, 40
    texts = [letter * 100 for letter in (b"a", b"b", b"c")]
    module = BusyModule()
    # Fragments of several calls reach a module that is busy with each of them.
    for (_, events), text in zip([module.call(text) for text in texts], texts):
        assert events.get(timeout=10).text == text.decode()
    assert module.lost == {"ping"}
    marked = {it["properties"]["x_dasf_answers_pings"] for it in module.read}
    assert marked == {"1"}
    assert "x_dasf_answers_pings" not in module.pings.get()["properties"]
    assert not module.on._calls

    def silence() -> None:
        module.answers = False
        while not module.pings.empty():
            module.pings.get()

    # A call that ends while the module does not answer makes way for the next one.
    silence()
    count = len(module.read)
    ended, none = module.call(b"x" * 100)
    module.pings.get(timeout=10)
    last, events = module.call(b"y" * 100)
    module.on.end(ended)
    module.answers = True
    assert events.get(timeout=10).text == "y" * 100
    assert {it["context"] for it in module.read[count:]} == {last.context}
    assert none.empty()

    # The connection is lost while the client waits for the module.
    silence()
    _, events = module.call(b"z" * 100)
    before = module.pings.get(timeout=10)
    module.connect()
    module.answers = True
    assert events.get(timeout=10).text == "z" * 100
    assert module.pings.get(timeout=10)["context"] == before["context"]

    # The broker rejects a ping.
    module.receipt = "no"
    _, events = module.call(b"x" * 100)
    error = events.get(timeout=10)
    assert (type(error), str(error)) == (client.RefusedError, "no")
    module.receipt = "ok"
    _, events = module.call(b"x" * 100)
    assert events.get(timeout=10).text == "x" * 100

    # A busy module of a group asks for the payloads of several calls.
    module = BusyModule()
    original, client._Sender = client._Sender, Sender  # type: ignore[misc]
    Sender.module, Sender.begun = module, []
    calls = [module.call(text, is_on_demand=True) for text in texts]
    for (_, events), text in zip(calls, texts):
        assert events.get(timeout=10).text == text.decode()
    assert module.lost == {"ping"}
    client._Sender = original  # type: ignore[misc]
    client._FRAME_LIMIT = limit

    # A broker that keeps messages does not need this.
    on = connection(Pulsar("nowhere", persistence="persistent"))
    wire = on._sockets[1].connect()
    begin(on)
    assert "x_dasf_answers_pings" not in wire.sent[0]["properties"]


def pongs() -> None:
    def ask(on: Any, topic: object, **properties: Any) -> None:
        usual = {"messageType": "ping", "requestContext": "7", "source_topic": "demo"}
        properties = {**usual, "response_topic": topic, **properties}
        frame = {"messageId": "m", "payload": "", "properties": properties}
        on._on_delivery(frame)

    original, client._Sender = client._Sender, Sender  # type: ignore[misc]
    Sender.module, Sender.begun = None, []
    on = connection(Pulsar("nowhere"))
    ask(on, "m0", source_topic="another")
    ask(on, "m0", requestContext={"a": 1})
    ask(on, "a/b")
    ask(connection(), "m0")
    assert not Sender.begun
    ask(on, "m0")
    ask(on, "m0", requestContext="8")
    (first,) = Sender.begun
    place = "non-persistent/public/default/m0"
    assert first._url == f"ws://nowhere:8080/ws/v2/producer/{place}"
    pong = {"messageType": "pong", "requestContext": "7"}
    sent = first._socket.sent
    assert sent[0] == {"payload": "", "context": "7", "properties": pong}
    assert [it["context"] for it in sent] == ["7", "8"]
    # The module asks again for a pong without a place.
    for _ in range(1000):
        ask(on, "m0")
    assert len(sent) == client._PONG_LIMIT

    # The client keeps some connections, and each of them for some time.
    for number in range(1, 9):
        ask(on, f"m{number}")
    assert [it.is_open() for it in Sender.begun] == [False] + [True] * 8
    _, oldest, *others = Sender.begun
    for it in Sender.begun:
        it._used_at -= client._KEEP_ALIVE
    ask(on, "m1")
    assert oldest._is_needed()
    assert not any(it._is_needed() for it in others)
    ask(on, "m2")
    assert len(Sender.begun) == 10
    on._sockets = None
    on.close()
    assert not any(it.is_open() for it in Sender.begun)
    ask(on, "m3")
    assert len(Sender.begun) == 10
    client._Sender = original  # type: ignore[misc]


def handshakes() -> None:
    # A module asks, but the broker does not answer the handshake of the sender.
    with socket.create_server(("127.0.0.1", 0)) as server:
        on = connection()
        on._address = f"ws://127.0.0.1:{server.getsockname()[1]}"
        for end in (on.end, lambda _: on.close()):
            call, _ = begin(on, is_on_demand=True)
            deliver(on, call, "", messageType="fetch", response_topic="ada")
            accepted, _ = server.accept()
            with accepted:
                assert accepted.recv(10_000).startswith(b"GET /ada HTTP/1.1")
                (sender,) = on._senders
                on._sockets = None
                end(call)
                sender.join(10)
                assert not sender.is_alive()


def opened(server: socket.socket) -> socket.socket:
    """Accept a WebSocket."""
    server.settimeout(10)
    accepted, _ = server.accept()
    request = accepted.recv(10_000).decode()
    key = re.search("Sec-WebSocket-Key: (.*)\r", request, re.I)
    assert key is not None
    guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    digest = hashlib.sha1((key[1] + guid).encode()).digest()
    accept = base64.b64encode(digest).decode()
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket"]
    lines += ["Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}", "", ""]
    accepted.sendall("\r\n".join(lines).encode())
    return accepted


def slow_links() -> None:
    limit, client._SILENCE_LIMIT = client._SILENCE_LIMIT, 0.3
    frames: queue.Queue[dict[str, Any]] = queue.Queue()
    sizes = [0]
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"ws://127.0.0.1:{server.getsockname()[1]}"
        door = client._Door({}, None)
        on = client._Socket("slow", url, door, lambda: None, frames.put, lambda: sizes)
        on.start()
        with opened(server) as broker:
            text = json.dumps({"payload": "x" * 100}).encode()
            frame = bytes([0x81, len(text)]) + text
            # Each pause is longer than the time after which the client pings.
            for part in (frame[:1], frame[1:50]):
                broker.sendall(part)
                time.sleep(0.4)
            broker.sendall(frame[50:])
            assert frames.get(timeout=10) == {"payload": "x" * 100}
            assert on._number == 1
            # The broker dies.
            begun = time.monotonic()
            with opened(server) as broker:
                assert 0.5 < time.monotonic() - begun < 2
                # It cannot answer before it has all of a large frame.
                client._SLOWEST_LINK, sizes[0] = 1 << 20, 1 << 20
                begun = time.monotonic()
                with opened(server):
                    assert time.monotonic() - begun > 1
        on.stop()
        on.join(10)
    client._SILENCE_LIMIT, client._SLOWEST_LINK = limit, 4 << 10


def slow_writes() -> None:
    class Slow:
        tries = 0

        def send(self, data: bytes) -> int:
            self.tries += 1
            raise TimeoutError

    for size, tries in ((100, 1), (933_000, 30)):
        slow: Any = Slow()
        stream = client._Stream(slow, threading.Event())
        try:
            stream.send(bytes(size))
        except TimeoutError:
            pass
        assert slow.tries == tries, slow.tries


def patterns() -> None:
    # Python warns of this pattern, and reads it with another meaning.
    texts: TypeAdapter[str] = TypeAdapter(
        Annotated[str, client._matches("^[[:alpha:]]$")]
    )
    assert texts.validate_python("b") == "b"


def records_of_jobs() -> None:
    kept = client._Kept(connection(), "demo.demo_x1.7")

    def add(record: Any, kind: str, text: str = "", **properties: Any) -> None:
        own = {"messageType": kind, "requestContext": "7", **properties}
        record.add(own, in_base64(text.encode()))

    def state(record: Any) -> str:
        return str(record.status())

    def note(record: Any, state: str, reader: str = "") -> None:
        add(record, "job", x_dasf_job_state=state, x_dasf_reader=reader)

    report = client.Progress(step_message="step", steps=2).model_dump_json()
    record: Any = client._Record(kept)
    assert not record.is_known and not record.is_sent()
    for name in ("one", "two", "one"):
        note(record, "submitting", name)
    assert record.submitters == ["one", "two"] and not record.is_sent()
    note(record, "sent")
    assert record.is_sent() and state(record) == "waiting"
    add(record, "progress", x_dasf_job_state="accepted")
    assert state(record) == "accepted"
    add(record, "progress", x_dasf_job_state="running")
    assert state(record) == "running"
    add(record, "response", "5", requestContext="8")
    add(record, "response", "5", source_topic="other")
    add(record, "progress", "no report")
    assert state(record) == "running"
    add(record, "progress", report)
    assert state(record) == "running, 0%"
    add(record, "response", "5", source_topic="demo")
    add(record, "response", "6")
    note(record, "cancelled")
    assert state(record) == "done" and record.answer.text == "5"

    record = client._Record(kept)
    note(record, "cancelled")
    add(record, "response", "error executing request: no", status="error")
    assert state(record) == "cancelled"
    record = client._Record(kept)
    add(record, "response", "error executing request: no", status="error")
    assert state(record) == "failed: executing: no"

    # The fragments of several responses, of which one is complete.
    def piece(index: int, answer: str, text: str) -> None:
        place = {"fragment": index, "num_fragments": 2, "x_dasf_answer": answer}
        add(record, "response", text, **place)

    record = client._Record(kept)
    piece(0, "first", "abc")
    piece(1, "second", "def")
    piece(1, "second", "def")
    assert not record.answer
    piece(0, "second", "123")
    assert record.answer.text == "123def"
    record = client._Record(kept)
    piece(2, "first", "abc")
    assert isinstance(record.answer, client.ResultError)
    limit, client._ANSWER_LIMIT = client._ANSWER_LIMIT, 6
    record = client._Record(kept)
    piece(0, "first", "abc")
    assert record.answer is None
    piece(0, "second", "abc")
    assert isinstance(record.answer, client.TooLargeError)
    client._ANSWER_LIMIT = limit


def ids_of_jobs() -> None:
    for length, name in ((1, 22), (28, 21), (41, 8), (42, 22), (246, 8)):
        topic = "t" * length
        _, response_topic, context = client._job_id(topic, None).split(".")
        assert len(response_topic) == length + 1 + name, response_topic
        assert int(context) < 1 << 31
    assert client._name((1 << 128) - 1) == "7chF7tm8n9klfT5MGD24n7"
    # As a client in Rust names it.
    named = client._job_id("arithmetic", "primes")
    assert named == client._job_id("arithmetic", "primes")
    assert named != client._job_id("arithmeti", "cprimes")


addresses()
secrets()
records_of_jobs()
ids_of_jobs()
identities()
strangers()
proxies()
answers()
requests()
refusals()
nobody()
readers()
ends()
redirects()
reports()
on_demand()
busy_modules()
pongs()
handshakes()
slow_links()
slow_writes()
patterns()
