"""Connect to a broker with TLS and through a proxy, and check the errors.

The arguments are the folder of the client `generated_reference.py` and of the certificates, the URL
of the broker, and the topic. The script prints nothing if everything is right.
"""

import asyncio
import base64
import contextlib
import os
import socket
import ssl
import sys
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

FOLDER = sys.argv.pop(1)
sys.path.insert(0, FOLDER)

from generated_reference import (  # noqa: E402
    AsyncClient,
    Client,
    NotConnectedError,
    Pulsar,
)

# Seconds that a call may take on a busy machine.
PATIENCE = 120.0
URL, TOPIC = sys.argv[1:]
PLACE = urllib.parse.urlsplit(URL)
BROKER = PLACE.port or 0
# The token in the query of the URL, if the broker knows users.
TOKEN = dict(urllib.parse.parse_qsl(PLACE.query)).get("token")
UNTRUSTED = (
    "this machine does not trust the authority of the broker's certificate; give the"
    " certificate of the authority as `ca_file`"
)
OTHER_NAME = "the broker's certificate is for another host name; check the address"


def file(name: str) -> str:
    return os.path.join(FOLDER, name)


def pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def join(one: socket.socket, other: socket.socket) -> None:
    """Forward the data between two sockets, until one of them ends."""
    back = threading.Thread(target=pass_on, args=(other, one), daemon=True)
    back.start()
    pass_on(one, other)
    back.join()
    one.close()
    other.close()


@contextlib.contextmanager
def serving(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve each connection to a port in its own thread."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    accepted, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(accepted,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server.getsockname()[1]
        finally:
            # Closing alone does not end `accept`.
            server.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def guarded(name: str) -> Iterator[int]:
    """Serve the broker with TLS and this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file(f"{name}.pem"), file(f"{name}.key"))

    def serve(accepted: socket.socket) -> None:
        try:
            secured = context.wrap_socket(accepted, server_side=True)
        except OSError:
            accepted.close()
            return
        join(secured, socket.create_connection(("127.0.0.1", BROKER)))

    with serving(serve) as port:
        yield port


def calls(address: str | Pulsar, **options: Any) -> None:
    with Client(address, topic=TOPIC, token=TOKEN, timeout=PATIENCE, **options) as client:
        assert client.add(1) == 3
        large = "0123456789" * 200_000
        assert client.echo(large) == large


async def awaits(address: str, **options: Any) -> None:
    settings = {"topic": TOPIC, "token": TOKEN, "timeout": PATIENCE, **options}
    async with AsyncClient(address, **settings) as client:
        assert await client.add(1) == 3


def fails(address: str | Pulsar, **options: Any) -> str:
    try:
        with Client(address, topic=TOPIC, token=TOKEN, timeout=PATIENCE, **options):
            pass
    except NotConnectedError as error:
        return str(error).removeprefix("cannot connect to the broker: ")
    raise AssertionError("no error")


def tls() -> None:
    for name, ca_files in [
        ("issued", ["authority", "issued"]),
        ("self-signed", ["self-signed"]),
        ("no-authority", ["no-authority"]),
    ]:
        with guarded(name) as port:
            url = f"wss://localhost:{port}/ws"
            for ca_file in ca_files:
                calls(url, ca_file=file(f"{ca_file}.pem"))
                asyncio.run(awaits(url, ca_file=file(f"{ca_file}.pem")))
            assert fails(url) == UNTRUSTED
            assert fails(Pulsar("localhost", port, tls=True)) == UNTRUSTED
            assert fails(url, ca_file=file("expired.pem")) == UNTRUSTED
            said = fails(f"ws://localhost:{port}/ws")
            assert said.endswith("; if the broker needs TLS, use wss://"), said
    trusted = {"ca_file": file("authority.pem")}
    with guarded("issued") as port:
        said = fails(f"wss://127.0.0.1:{port}/ws", **trusted)
        assert said == OTHER_NAME
    with guarded("other-name") as port:
        said = fails(f"wss://localhost:{port}/ws", **trusted)
        assert said == OTHER_NAME
    with guarded("expired") as port:
        said = fails(f"wss://localhost:{port}/ws", **trusted)
        expired = "expired or not yet valid; check the clock"
        assert said == f"the broker's certificate is {expired}"
    said = fails(URL.replace("ws:", "wss:"), **trusted)
    assert said == "the broker does not use TLS on this port; use ws:// without TLS"

    for text in ("", "no certificate", "ä\n"):
        with open(file("text.pem"), "w", encoding="utf-8") as written:
            written.write(text)
        try:
            Client("wss://h", ca_file=file("text.pem"))
        except ValueError as error:
            assert str(error).endswith("text.pem' contains no certificate in PEM"), error
        else:
            raise AssertionError(text)
    try:
        Client("wss://h", ca_file=file("missing.pem"))
    except FileNotFoundError as error:
        assert error.filename == file("missing.pem")
    else:
        raise AssertionError("no error")


def proxies() -> None:
    asked: list[list[str]] = []
    answer = "200 Connection established"

    def serve(accepted: socket.socket) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += accepted.recv(1)
        asked.append(head.decode().split("\r\n"))
        accepted.sendall(f"HTTP/1.1 {answer}\r\nvia: a test\r\n\r\n".encode())
        if not answer.startswith("2"):
            accepted.close()
            return
        # The host is this machine, under any name.
        port = int(head.split()[1].rpartition(b":")[2])
        join(accepted, socket.create_connection(("127.0.0.1", port)))

    def with_proxy(**variables: str) -> None:
        names = ("http_proxy", "https_proxy", "no_proxy")
        for name in [it for it in os.environ if it.lower() in names]:
            del os.environ[name]
        os.environ.update(variables)
        asked.clear()

    trusted = {"ca_file": file("authority.pem")}
    with serving(serve) as proxy, guarded("issued") as port:
        url = f"wss://broker.test:{port}/ws"
        login = base64.b64encode(b"me:p@ss").decode()
        with_proxy(HTTPS_PROXY=f"http://me:p%40ss@127.0.0.1:{proxy}")
        calls(url, **trusted)
        asyncio.run(awaits(url, **trusted))
        place = f"broker.test:{port}"
        head = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
        assert asked == [[*head, f"Proxy-Authorization: Basic {login}", "", ""]] * 4
        # The certificate is that of the broker, not of the proxy.
        assert fails(url) == UNTRUSTED

        with_proxy(http_proxy=f"127.0.0.1:{proxy}", HTTPS_PROXY="127.0.0.1:1")
        calls(f"ws://broker.test:{BROKER}/ws")
        place = f"broker.test:{BROKER}"
        assert asked == [[f"CONNECT {place} HTTP/1.1", f"Host: {place}", "", ""]] * 2

        with_proxy(HTTPS_PROXY=f"127.0.0.1:{proxy}", NO_PROXY="test")
        fails(url, **trusted)
        calls(f"wss://localhost:{port}/ws", **trusted)
        assert not asked

        answer = "407 Proxy Authentication Required"
        with_proxy(HTTPS_PROXY=f"me:secret@127.0.0.1:{proxy}")
        named = f"the proxy 127.0.0.1:{proxy} of HTTPS_PROXY"
        place = f"broker.test:{port}"
        refusal = f"{named} refused the connection to {place} with status 407"
        assert fails(url, **trusted) == refusal
    said = fails(url, **trusted)
    assert said == f"cannot reach {named}: connection refused", said

    def refuse(accepted: socket.socket) -> None:
        accepted.recv(1 << 16)
        accepted.close()

    with serving(refuse) as proxy:
        with_proxy(HTTPS_PROXY=f"127.0.0.1:{proxy}")
        named = f"the proxy 127.0.0.1:{proxy} of HTTPS_PROXY"
        assert fails(url, **trusted) == f"{named} does not answer like an HTTP proxy"
    with_proxy(HTTPS_PROXY="https://127.0.0.1:1")
    said = fails(url, **trusted)
    assert said.startswith("the proxy of HTTPS_PROXY is not an HTTP proxy"), said


def paths() -> None:
    refused = "the broker refused the connection with status 404; check the URL, which ends in /ws"
    said = fails(f"ws://localhost:{BROKER}")
    assert said.startswith(refused), said


paths()
tls()
proxies()
