from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import ipaddress
import json
import logging
import os
import queue
import random
import re
import secrets
import socket
import ssl
import threading
import time
import urllib.parse
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import websocket
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
)
from pydantic_core import SchemaError, SchemaValidator, core_schema
from typing_extensions import Self

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

# Bytes of a request's JSON that go in one frame, and of base64 in a fragment: brokers refuse, or
# lose, frames of more than about 1,000,000 bytes.
_FRAME_LIMIT = 700 << 10
# Bytes of base64 that the fragments of one answer may have.
_ANSWER_LIMIT = 256 << 20
# Reports that wait for a slow `on_progress`; each holds the whole state, so that one may be missed.
_REPORT_LIMIT = 64
# Seconds that a handshake may take: Pulsar answers it only when the topic is ready.
_HANDSHAKE_TIMEOUT = 30.0
# Seconds that closing a connection may take.
_CLOSE_TIMEOUT = 3.0
# Seconds of silence after which a broker is asked for a sign of life, and then taken for dead.
_SILENCE_LIMIT = 30.0
# Seconds from the first to the longest wait before a lost connection is made again, and how long
# one must last to start anew.
_FIRST_WAIT, _LONGEST_WAIT, _LASTING = 0.1, 20.0, 5.0
# How often the connection may be lost over one request, which itself may be what breaks it.
_MAX_LOSSES = 4
# Some brokers store topics and call numbers in columns of these sizes.
_TOPIC_LIMIT = 50
_CONTEXT_LIMIT = 1 << 31
# The largest answer of a proxy, in bytes.
_PROXY_LIMIT = 16 << 10
# A host and a port; a host with colons is in brackets.
_PLACE = re.compile(r"(\[[^]]*\]|[^:]*)(?::([0-9]+))?")


class _LeftOut:
    def __repr__(self) -> str:
        return "<left out>"


# Stands for an argument that is left out of the request.
_LEFT_OUT: Any = _LeftOut()

_KINDS: dict[str, Literal["validation", "execution", "processing", "overflow"]] = {
    "error validating request": "validation",
    "error executing request": "execution",
    "error processing request": "processing",
    "request rejected due to queue overflow, try again later": "overflow",
}


class DasfError(Exception):
    """Why a call did not yield its result."""


class ModuleError(DasfError):
    """The module answered that it failed.

    Attributes
    ----------
    message : str
        What went wrong, in the module's words.
    kind : str or None
        ``validation`` when the request is none of the module's, ``execution`` when the function
        itself failed, ``processing`` when the module could not finish the call, ``overflow`` when
        it has too much to do; None where it does not say.
    code : str or None
        What went wrong, in a word that stays the same, where the function has one.
    details : Any
        What belongs to the code.
    """

    def __init__(self, text: str, code: str | None = None, details: Any = None) -> None:
        super().__init__(text)
        kinds = (prefix for prefix in _KINDS if text.startswith(prefix))
        prefix = next(kinds, "")
        rest = text[len(prefix) :].removeprefix(": ") if prefix else text
        # An overflow has no other words than these.
        self.message = rest or text
        self.kind = _KINDS.get(prefix)
        self.code = code
        self.details = details


class RefusedError(DasfError):
    """The broker did not take the request; the text is the broker's."""


class NoAnswerError(DasfError, TimeoutError):
    """No answer came in time.

    The module may be busy, or none listens. The call may still run.
    """


class NotConnectedError(DasfError, ConnectionError):
    """There is no connection to the broker."""


class ResultError(DasfError):
    """The answer is not what the module declared; its cause says where."""


class TooLargeError(DasfError):
    """A request or an answer is larger than what can be sent or held."""


@dataclass(frozen=True)
class Pulsar:
    """The address of an Apache Pulsar, with Pulsar's own defaults."""

    host: str = "localhost"
    port: int = 8080
    persistence: Literal["persistent", "non-persistent"] = "non-persistent"
    tenant: str = "public"
    namespace: str = "default"
    tls: bool = False

    def _url(self, role: str, path: str) -> str:
        scheme = "wss" if self.tls else "ws"
        parts = (self.persistence, self.tenant, self.namespace)
        place = "/".join(urllib.parse.quote(part, safe="") for part in parts)
        at = _place(_host(self.host), self.port)
        return f"{scheme}://{at}/ws/v2/{role}/{place}/{path}"


def _one_line(name: str, text: str) -> str:
    """Cut the newline at the end of a text from a file, and allow no other one."""
    text = text.rstrip("\r\n")
    if "\r" in text or "\n" in text:
        # The message does not show the value: it may be a secret.
        raise ValueError(f"{name} has a newline inside: it is one line")
    return text


def _host(text: str) -> str:
    """Check the host of a broker, and return it without brackets."""
    host = _one_line("the host", text)
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    with contextlib.suppress(ValueError):
        return str(ipaddress.IPv6Address("" if "%" in bare else bare))
    if re.fullmatch(r"[\w.-]+", host):
        return host
    if not host.strip():
        raise ValueError("the host is empty: give a name or an address")
    if "@" in host:
        # The message does not show the host: it may contain a password.
        raise ValueError("a broker's address has no user name: use a token")
    if "://" in host:
        hint = "is a URL: give the name alone, and `tls=True` in place of wss://"
    elif (place := _PLACE.fullmatch(host)) and place[2]:
        hint = f"has a port: give it as `port={place[2]}`"
    else:
        hint = "is neither a name nor an address"
    raise ValueError(f"the host {host!r} {hint}")


def _place(host: str, port: int) -> str:
    """Return a host and a port in the form of a URL."""
    if not 0 < port < 1 << 16:
        raise ValueError(f"the port {port} is none: ports go from 1 to 65535")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _checked_url(text: str) -> str:
    """Check the URL of a broker, and return it."""
    url = _one_line("the URL of the broker", text)
    # The message does not show the address: it may contain a password.
    if not url.startswith(("ws://", "wss://")):
        raise ValueError("a broker's URL begins with ws:// or wss://")
    if re.search(r"\s", url):
        raise ValueError("there is a blank in the broker's URL")
    authority = re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0]
    if "@" in authority:
        raise ValueError("a broker's address has no user name: use a token")
    place = _PLACE.fullmatch(authority)
    if place is None:
        hint = "an IPv6 address is in brackets, as in ws://[::1]:8080"
        raise ValueError(f"there is no host in the broker's URL, or no port: {hint}")
    _place(_host(place[1]), int(place[2] or 80))
    return url


@dataclass(frozen=True)
class _Proxy:
    """An HTTP proxy, which makes the connections to brokers."""

    # The variable that names the proxy.
    variable: str
    host: str
    port: int
    # The user with the password, in base64.
    login: str | None

    def __str__(self) -> str:
        return f"the proxy {_place(self.host, self.port)} of {self.variable}"

    def connect(self, to: str) -> socket.socket:
        """Return a connection with a host and a port, given in the form of a URL."""
        try:
            place = (self.host, self.port)
            stream = socket.create_connection(place, _HANDSHAKE_TIMEOUT)
        except OSError as error:
            raise ConnectionError(
                f"{self} cannot be reached: {_reason(error)}"
            ) from error
        try:
            self._ask(stream, to)
        except BaseException:
            stream.close()
            raise
        return stream

    def _ask(self, stream: socket.socket, to: str) -> None:
        login = f"Proxy-Authorization: Basic {self.login}\r\n" if self.login else ""
        request = f"CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{login}\r\n"
        answer = b""
        try:
            stream.sendall(request.encode())
            while not answer.endswith(b"\r\n\r\n") and len(answer) < _PROXY_LIMIT:
                # Byte by byte, because the broker sends whatever comes after the
                # answer.
                if not (byte := stream.recv(1)):
                    break
                answer += byte
        except OSError as error:
            raise ConnectionError(f"{self} gives up: {_reason(error)}") from error
        status = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
        if status is None or not answer.endswith(b"\r\n\r\n"):
            raise ConnectionError(f"{self} does not answer as a proxy does")
        if not status[1].startswith(b"2"):
            text = f"refuses the way to {to} with status {status[1].decode()}"
            raise ConnectionError(f"{self} {text}")


def _proxy(scheme: str, host: str, port: int) -> _Proxy | None:
    """Return the proxy that the environment names for a broker."""
    name = "https_proxy" if scheme == "wss" else "http_proxy"
    names = [name, name.upper()]
    if "REQUEST_METHOD" in os.environ:
        # In a CGI script, the header `Proxy` of a request sets this variable.
        names = [it for it in names if it != "HTTP_PROXY"]
    names = [it for it in names if os.environ.get(it, "").strip()]
    if not names or _is_direct(host, port):
        return None
    scheme, mark, rest = os.environ[names[0]].strip().rpartition("://")
    if mark and scheme.lower() != "http":
        raise ConnectionError(
            f"the proxy of {names[0]} is not spoken to: write it as http://host:port"
        )
    try:
        parts = urllib.parse.urlsplit(f"http://{rest}")
        found, number = _host(parts.hostname or ""), parts.port or 80
    except ValueError:
        raise ConnectionError(
            f"the proxy of {names[0]} is none: write it as http://host:port"
        ) from None
    login = None
    if parts.username:
        words = (parts.username, parts.password or "")
        login = _to_base64(":".join(map(urllib.parse.unquote, words)).encode())
    return _Proxy(names[0], found, number, login)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    return None


def _is_direct(host: str, port: int) -> bool:
    """Tell whether a broker is reached without a proxy."""
    address = _address(host)
    host = host.lower().rstrip(".")
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    names = ("no_proxy", "NO_PROXY")
    lists = (os.environ.get(name, "").strip().lower() for name in names)
    for entry in next(filter(None, lists), "").split(","):
        entry = entry.strip()
        if "/" in entry:
            with contextlib.suppress(ValueError):
                network = ipaddress.ip_network(entry, strict=False)
                if address is not None and address in network:
                    return True
            continue
        if (place := _PLACE.fullmatch(entry)) is not None:
            entry = place[1]
            if place[2] is not None and int(place[2]) != port:
                continue
        name = entry.removeprefix("*").removeprefix(".")
        if address is not None:
            is_meant = _address(entry) == address
        else:
            is_meant = name != "" and f".{host}".endswith(f".{name}")
        if is_meant or entry == "*":
            return True
    return False


def _trust(ca_file: str | os.PathLike[str] | None) -> ssl.SSLContext:
    """Return a context that trusts the authorities of this machine and those in a file."""
    context = ssl.create_default_context()
    if ca_file is not None:
        with open(ca_file, encoding="ascii", errors="ignore") as file:
            text = file.read()
        try:
            context.load_verify_locations(cadata=text)
        except (ValueError, ssl.SSLError):
            raise ValueError(
                f"there is no certificate in {os.fspath(ca_file)!r}: it is a text in PEM"
            ) from None
        # Trust each certificate in the file itself, without a check of its issuer.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class Progress(BaseModel):
    """What a running call reports: a step with the steps below it."""

    report_id: str = "root"
    status: Literal["running", "success", "error"] = "running"
    step_message: str
    steps: int = 0
    children: list[Progress] = []

    @property
    def fraction(self) -> float:
        """The part of the announced steps that is over, from 0 to 1."""
        if self.status != "running":
            return 1.0
        done = sum(child.fraction for child in self.children)
        return min(done / max(self.steps, len(self.children), 1), 1.0)

    def __str__(self) -> str:
        """One line: the share done, the message, and that of the step that runs."""
        current = self
        while running := [it for it in current.children if it.status == "running"]:
            current = running[-1]
        line = f"{self.fraction:4.0%} {self.step_message}"
        return line if current is self else f"{line}: {current.step_message}"


# The context in which results are read.
_RESULT = object()


def _is_plain(function: Callable[..., None]) -> Callable[..., None]:
    """Mark a constructor that pydantic should not call when it reads JSON."""
    setattr(function, "__pydantic_base_init__", True)
    return function


class _Model(BaseModel):
    """An object with known properties. Requests leave out the fields that were not set.

    Programs create it with the names of its attributes. JSON and dicts have the names that the
    module gave to its fields.
    """

    model_config = ConfigDict(allow_inf_nan=False, protected_namespaces=())

    @_is_plain
    def __init__(self, /, **values: Any) -> None:
        fields = type(self).model_fields
        given: dict[str, Any] = {}
        for name, value in values.items():
            known = fields.get(name)
            given[str(known and known.validation_alias or name)] = value
        if len(given) < len(values):
            raise TypeError(f"a field of {type(self).__name__} is given twice")
        super().__init__(**given)

    def model_post_init(self, context: Any) -> None:
        fields = type(self).model_fields
        given = self.__pydantic_fields_set__
        for name in self.__pydantic_extra__ or ():
            # A further property may have the name of an attribute that was left out.
            if name in fields and self.__dict__[name] == fields[name].default:
                given.discard(name)
        # Send a default that was changed in place, and one that distinguishes types.
        for name, value in self.__dict__.items():
            is_tag = name in fields and get_origin(fields[name].annotation) is Literal
            if is_tag and context is _RESULT and name not in given:
                # A property with only one value distinguishes types: a result without
                # it has another type.
                if len(get_args(fields[name].annotation)) == 1:
                    raise ValueError(f"there is no {name}")
            if is_tag or isinstance(value, (list, dict, set, BaseModel)):
                given.add(name)


def _from_base64(value: object) -> object:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


def _to_base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


# Bytes that travel in base64.
_Base64: TypeAlias = Annotated[
    bytes,
    BeforeValidator(_from_base64),
    PlainSerializer(_to_base64, when_used="json"),
]


def _matches(pattern: str, rust: str | None = None) -> AfterValidator:
    """Check a text with the engine of the module, which pydantic has as well.

    What that cannot read is for Python's own, which a module in Python may have chosen; what
    neither can read, the module alone checks. `rust` says the pattern in the engine's words.
    """

    def unchecked(text: str) -> str:
        return text

    schema = core_schema.str_schema(pattern=rust or pattern)
    try:
        matches = SchemaValidator(schema).isinstance_python
    except SchemaError:
        schema["regex_engine"] = "python-re"
        try:
            with warnings.catch_warnings():
                # Only the author of the module can avoid what Python warns of.
                warnings.simplefilter("ignore")
                matches = SchemaValidator(schema).isinstance_python
        except SchemaError:
            return AfterValidator(unchecked)

    def check(text: str) -> str:
        if not matches(text):
            raise ValueError(f"String should match pattern {pattern!r}")
        return text

    return AfterValidator(check)


def _other_than(*known: str) -> AfterValidator:
    """Check that a text is none of those that have a type of their own."""

    def check(text: str) -> str:
        if text in known:
            raise ValueError(f"String should be none of {known!r}")
        return text

    return AfterValidator(check)


def _or_another(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        return handler(value)
    except ValidationError:
        return value


# Only properties with some names have the type; the module does not describe others.
_OR_ANOTHER = WrapValidator(_or_another)


class _Arguments:
    """The arguments of a function or of a constructor, by their names in JSON."""

    def __init__(self, name: str, types: dict[str, Any]) -> None:
        self.name = name
        self._types = types
        self._model: type[BaseModel] | None = None

    def to_json(self, given: dict[str, Any]) -> dict[str, Any]:
        """Check arguments, and return them as JSON."""
        if self._model is None:
            # Fields are numbered, because arguments may have names that fields cannot have.
            fields: dict[str, Any] = {
                f"argument_{number}": (types, Field(default=None, alias=name))
                for number, (name, types) in enumerate(self._types.items())
            }
            config = ConfigDict(allow_inf_nan=False)
            self._model = create_model(self.name, __config__=config, **fields)
        given = {name: it for name, it in given.items() if it is not _LEFT_OUT}
        model = self._model.model_validate(given)
        return model.model_dump(mode="json", by_alias=True, exclude_unset=True)


class _Function(_Arguments, Generic[_T]):
    """A function or a method of the module."""

    def __init__(self, name: str, result: Any, types: dict[str, Any]) -> None:
        super().__init__(name, types)
        self._result = result
        self._adapter: TypeAdapter[_T] | None = None

    def read(self, answer: _Answer) -> _T:
        """Check a result."""
        if self._adapter is None:
            self._adapter = TypeAdapter(self._result)
        try:
            return self._adapter.validate_json(answer.text, context=_RESULT)
        except ValidationError as error:
            raise ResultError(
                f"{self.name} returned something else: {error}"
            ) from error


@dataclass
class _Answer:
    """The answer to a call that did not fail."""

    text: str
    properties: dict[str, Any]


# What comes to a call: reports, and then its answer or the reason why there is none.
_Event: TypeAlias = Union[Progress, _Answer, Exception]


@dataclass
class _Call:
    """A call that awaits its answer."""

    context: str
    deadline: float
    deliver: Callable[[_Event], None]
    wants_report: Callable[[], bool]
    # What has no receipt yet, in the order of sending.
    frames: list[dict[str, Any]]
    # The number of the connection to which they were written last.
    written_to: int = 0
    losses: int = 0
    pieces: dict[int, str] = field(default_factory=dict)
    # What these fragments have in common.
    answer: object = None
    # What is sent only to a module that asks for it, and what sends it to the one that asked last.
    held: list[dict[str, Any]] = field(default_factory=list)
    sender: _Sender | None = None


@dataclass(frozen=True)
class _Door:
    """What the connection to a broker needs: headers and TLS."""

    headers: dict[str, str]
    # This checks the certificate of a broker behind TLS.
    tls: ssl.SSLContext | None


class _Socket(threading.Thread):
    """Keeps one WebSocket open, and hands on what comes."""

    def __init__(
        self,
        name: str,
        url: str,
        door: _Door,
        on_open: Callable[[], None],
        on_frame: Callable[[dict[str, Any]], None],
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._url = url
        self._door = door
        self._on_open = on_open
        self._on_frame = on_frame
        self._socket: Any = None
        # The socket below; it exists before the broker has answered the handshake.
        self._attempt: socket.socket | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._tried = threading.Event()
        # How many connections there have been.
        self._number = 0
        # Why there is no connection; None where there is one.
        self.failure: str | None = "it does not answer"

    def opened(self, timeout: float) -> str | None:
        """Wait for the first attempt; return why it failed."""
        self._tried.wait(timeout)
        return self.failure

    def current(self) -> tuple[int, Any]:
        """Return the connection with its number; None where there is none."""
        with self._lock:
            return self._number, self._socket

    @staticmethod
    def send(connected: Any, frame: dict[str, Any]) -> bool:
        """Send a frame on a connection; return whether that succeeded."""
        try:
            connected.send(json.dumps(frame, separators=(",", ":")))
        except (OSError, websocket.WebSocketException):
            # Half a frame may be out. The thread notices, and connects again.
            with contextlib.suppress(Exception):
                connected.abort()
            return False
        return True

    def close(self) -> None:
        """Close the connection for good."""
        self._closing.set()
        with self._lock:
            connected = self._socket
        if connected is not None:
            with contextlib.suppress(Exception):
                connected.send_close()
            self.join(_CLOSE_TIMEOUT)
            with contextlib.suppress(Exception):
                connected.abort()

    def stop(self) -> None:
        """Give the connection up at once, without a word to the broker."""
        self._closing.set()
        with self._lock:
            attempt = self._attempt
        if attempt is not None:
            with contextlib.suppress(Exception):
                attempt.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        """Connect, read, and connect again, until it is closed."""
        attempts = 0
        while not self._closing.is_set():
            begun = time.monotonic()
            try:
                self._serve()
            except Exception as error:
                self.failure = _reason(error)
            with self._lock:
                connected, self._socket = self._socket, None
            if connected is not None:
                with contextlib.suppress(Exception):
                    connected.shutdown()
            self._tried.set()
            if time.monotonic() - begun >= _LASTING:
                attempts = 0
            wait = min(_FIRST_WAIT * 2**attempts, _LONGEST_WAIT)
            attempts = min(attempts + 1, 16)
            # Programs that lost one broker should not all come back at the same instant.
            self._closing.wait(wait * random.uniform(0.5, 1.0))

    def _attempt_with(self, stream: socket.socket) -> None:
        with self._lock:
            self._attempt = stream
        if self._closing.is_set():
            stream.close()
            raise ConnectionError("the client is closed")

    def _stream(self) -> socket.socket:
        """Connect with the broker, through a proxy and by TLS if they are needed."""
        parts = urllib.parse.urlsplit(self._url)
        tls = self._door.tls
        host = parts.hostname or ""
        if not host.isascii():
            host = host.encode("idna").decode()
        port = parts.port or (80 if tls is None else 443)
        proxy = _proxy(parts.scheme, host, port)
        if proxy is not None:
            stream = proxy.connect(_place(host, port))
        else:
            stream = socket.create_connection((host, port), _HANDSHAKE_TIMEOUT)
        self._attempt_with(stream)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is None:
            return stream
        secured = tls.wrap_socket(
            stream, server_hostname=host, do_handshake_on_connect=False
        )
        self._attempt_with(secured)
        try:
            secured.do_handshake()
        except BaseException:
            secured.close()
            raise
        return secured

    def _serve(self) -> None:
        connected: Any = websocket.WebSocket(
            enable_multithread=True,
            # Done by the JSON decoder, faster.
            skip_utf8_validation=True,
        )
        stream = self._stream()
        try:
            connected.connect(
                self._url,
                socket=stream,
                timeout=_HANDSHAKE_TIMEOUT,
                header=self._door.headers,
                # A redirect must not send the headers to another host.
                redirect_limit=0,
            )
        except websocket.WebSocketBadStatusException:
            raise
        except (
            IndexError,
            OSError,
            ValueError,
            websocket.WebSocketException,
        ) as error:
            reason = _reason(error)
            if isinstance(error, (IndexError, ValueError)):
                reason = "the broker answers something else than HTTP"
            # A broker that answered before still speaks the same protocol.
            if self._door.tls is None and self._number == 0:
                reason = f"{reason}; does it want TLS, as in wss://?"
            raise ConnectionError(reason) from error
        if (status := connected.getstatus()) != 101:
            connected.shutdown()
            raise ConnectionError(f"the broker redirects with status {status}")
        connected.settimeout(_SILENCE_LIMIT)
        with self._lock:
            self._socket = connected
            self._number += 1
        if self._closing.is_set():
            return
        self.failure = None
        self._on_open()
        self._tried.set()
        is_silent = False
        while not self._closing.is_set():
            try:
                code, data = connected.recv_data(control_frame=True)
            except websocket.WebSocketTimeoutException:
                if is_silent:
                    raise
                is_silent = True
                connected.ping()
                continue
            is_silent = False
            if code == websocket.ABNF.OPCODE_CLOSE:
                raise ConnectionError("the broker closed the connection")
            if code in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
                try:
                    frame = json.loads(data)
                except ValueError as error:
                    _log.warning("the broker sent something else than JSON: %s", error)
                    continue
                if isinstance(frame, dict):
                    self._on_frame(frame)


class _Sender(_Socket):
    """Sends what a call holds to the module that asked for it, over a connection of its own."""

    def __init__(self, topic: str, url: str, door: _Door, call: _Call) -> None:
        name = f"dasf producer to {topic}"
        super().__init__(name, url, door, self._write, self._on_receipt)
        self._topic = topic
        self._deadline = call.deadline
        # What has no receipt yet.
        self._frames = list(call.held)

    def _write(self) -> None:
        number, connected = self.current()
        if number > _MAX_LOSSES:
            self._end(f"the connection was lost each of the {_MAX_LOSSES} times")
            return
        for frame in self._frames:
            # The frames are those of the call, which another one may send later.
            left = int(_left(self._deadline) * 1000)
            properties = {**frame["properties"], "x_dasf_timeout_ms": left}
            if not self.send(connected, {**frame, "properties": properties}):
                return

    def _on_receipt(self, frame: dict[str, Any]) -> None:
        result = frame.get("result")
        if not isinstance(result, str):
            return
        if result != "ok":
            self._end(str(frame.get("errorMsg") or result))
            return
        # Brokers answer in order.
        self._frames.pop(0)
        if not self._frames:
            self._end()

    def _end(self, failure: str | None = None) -> None:
        if failure is not None:
            # No failure of the call: the module may have died, and another one asks then.
            text = "the payload for which topic %s asks is not sent: %s"
            _log.warning(text, self._topic, failure)
        self._closing.set()
        with contextlib.suppress(Exception):
            self.current()[1].send_close()


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    """Say in words why a certificate is refused, by the error number of OpenSSL."""
    if error.verify_code in (2, 18, 19, 20, 21):
        return (
            "its certificate is from an authority that is not trusted here: give the"
            " certificate of the authority as `ca_file`"
        )
    if error.verify_code in (62, 64):
        return "its certificate is for another name than that in the address"
    if error.verify_code in (9, 10):
        return "its certificate is not valid at this time, as the clock here has it"
    return f"its certificate is not accepted: {error.verify_message.lower()}"


def _reason(error: Exception) -> str:
    if isinstance(error, websocket.WebSocketBadStatusException):
        return f"the broker refuses the connection with status {error.status_code}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrust(error)
    if isinstance(error, ssl.SSLError):
        if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
            return "the broker does not speak TLS at this port: is it ws:// there?"
        reason = (error.reason or "it ends").lower().replace("_", " ")
        return f"TLS with the broker fails: {reason}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


class _Connection:
    """The connections to a module's topic and from the topic of its answers."""

    def __init__(
        self,
        address: str | Pulsar,
        topic: str,
        token: str | None,
        headers: dict[str, str] | None,
        ca_file: str | os.PathLike[str] | None = None,
    ) -> None:
        if re.fullmatch(r"[-\w]+", topic, re.ASCII) is None:
            raise ValueError(f"a topic has letters, digits, - and _ only: {topic!r}")
        self.topic = topic
        # A name that no other client has: 128 random bits, or as many as fit.
        room = _TOPIC_LIMIT - len(topic) - 1
        name = secrets.token_urlsafe(16)
        if room >= 8:
            name = name[:room]
        self._response_topic = f"{topic}_{name}"
        path = f"{self._response_topic}/python-client-{name}"
        if isinstance(address, Pulsar):
            # Pulsar forgets a subscription that is not durable when its reader is gone.
            path = f"{path}?subscriptionMode=NonDurable"
        else:
            address = _checked_url(address)
        self._address = address
        self._producer_url = self._url("producer", topic)
        self._consumer_url = self._url("consumer", path)
        given = {
            _one_line("a header's name", name): _one_line(f"the header {name!r}", text)
            for name, text in (headers or {}).items()
        }
        if token is not None:
            scheme = "Bearer" if isinstance(address, Pulsar) else "Token"
            given["authorization"] = f"{scheme} {_one_line('the token', token)}"
        is_secure = self._producer_url.startswith("wss:")
        self._door = _Door(given, _trust(ca_file) if is_secure else None)
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._is_closed = False
        # The kinds of warnings that are in the log.
        self._warned_of: set[str] = set()
        self._pid = os.getpid()
        self._sockets: tuple[_Socket, _Socket] | None = None
        self._writing = threading.RLock()
        # The calls of two clients have different numbers, in case their topics are
        # equal.
        self._context = secrets.randbelow(_CONTEXT_LIMIT)
        self._calls: dict[str, _Call] = {}
        # Those of the calls, and others that end by themselves.
        self._senders: list[_Sender] = []
        # The module's api_info, when it was asked for.
        self.api_info: dict[str, Any] | None = None

    def _url(self, role: str, path: str) -> str:
        address = self._address
        if isinstance(address, Pulsar):
            return address._url(role, path)
        base, mark, query = address.partition("?")
        return f"{base.rstrip('/')}/{path}{mark}{query}"

    def open(self, deadline: float) -> None:
        """Connect, unless that is done; an answer must not come before its reader."""
        if self._pid != os.getpid():
            raise NotConnectedError(
                "the client belongs to the parent process; make a new one in the child"
            )
        if not self._opening.acquire(timeout=_left(deadline)):
            raise NotConnectedError("cannot connect to the broker in time")
        try:
            if self._is_closed:
                raise NotConnectedError("the client is closed")
            if self._sockets is not None:
                return
            consumer = _Socket(
                f"dasf consumer of {self._response_topic}",
                self._consumer_url,
                self._door,
                self._resend,
                self._on_delivery,
            )
            producer = _Socket(
                f"dasf producer to {self.topic}",
                self._producer_url,
                self._door,
                self._resend,
                self._on_receipt,
            )
            self._sockets = (consumer, producer)
            for one in self._sockets:
                one.start()
                if (failure := one.opened(_left(deadline))) is not None:
                    self._close()
                    raise NotConnectedError(f"cannot connect to the broker: {failure}")
        finally:
            self._opening.release()

    def close(self) -> None:
        """Close the connections. Calls that wait fail."""
        if self._pid != os.getpid():
            # The parent still uses them.
            return
        with self._lock:
            self._is_closed = True
        with self._opening:
            self._close()

    def _close(self) -> None:
        sockets, self._sockets = self._sockets, None
        for one in sockets or ():
            if one.is_alive():
                one.close()
        with self._lock:
            calls, self._calls = self._calls, {}
            senders, self._senders = self._senders, []
        for sender in senders:
            sender.stop()
        for call in calls.values():
            call.deliver(NotConnectedError("the client is closed"))
        deadline = _deadline(_CLOSE_TIMEOUT)
        for sender in senders:
            sender.join(_left(deadline))

    def no_answer(self, timeout: float) -> DasfError:
        """Say why a call got no answer."""
        text = f"no answer from topic {self.topic} within {timeout:g} s"
        for one in self._sockets or ():
            if one.failure is not None:
                return NotConnectedError(f"{text}: {one.failure}")
        return NoAnswerError(f"{text}; is a module listening there?")

    def register(
        self,
        message_type: str,
        payload: bytes,
        deadline: float,
        deliver: Callable[[_Event], None],
        wants_report: Callable[[], bool],
        is_on_demand: bool = False,
    ) -> _Call:
        """Make a call of what is asked, to be written and, whatever happens, to be ended."""
        context = self._next_context()
        properties = {
            "messageType": message_type,
            "requestContext": context,
            "response_topic": self._response_topic,
        }
        text = _to_base64(payload)
        # What fits one frame is not cut: no peer expects a single fragment.
        width = _FRAME_LIMIT if len(payload) > _FRAME_LIMIT else max(len(text), 1)
        frames = _frames(properties, text, width)
        held: list[dict[str, Any]] = []
        if is_on_demand:
            held = frames
            frames = _frames({**properties, "x_dasf_on_demand": "1"}, "", 1)
        call = _Call(context, deadline, deliver, wants_report, frames, held=held)
        with self._lock:
            # Nobody would end it.
            if self._is_closed:
                raise NotConnectedError("the client is closed")
            self._calls[context] = call
        return call

    def _next_context(self) -> str:
        """Return a number for a call that no pending call has."""
        with self._lock:
            while True:
                self._context = (self._context + 1) % _CONTEXT_LIMIT
                if (context := str(self._context)) not in self._calls:
                    return context

    def end(self, call: _Call) -> None:
        """Forget a call, and end what it left behind."""
        self._forget(call.context)

    def _forget(self, context: str) -> _Call | None:
        with self._lock:
            call = self._calls.pop(context, None)
        # Nothing gets a sender that is not among the calls.
        if call is not None and call.sender is not None:
            call.sender.stop()
        return call

    def _writable(self) -> tuple[int, Any]:
        """Return the connection for requests, if answers can be read as well."""
        sockets = self._sockets
        if sockets is None or sockets[0].current()[1] is None:
            return 0, None
        return sockets[1].current()

    def write(self, call: _Call) -> None:
        """Send a call's frames, or leave them to the next connection."""
        with self._writing:
            number, connected = self._writable()
            if connected is None or call.written_to == number:
                return
            is_repeated = call.written_to > 0
            call.written_to = number
            with self._lock:
                frames = list(call.frames)
            for frame in frames:
                properties = frame["properties"]
                properties["x_dasf_timeout_ms"] = int(_left(call.deadline) * 1000)
                if is_repeated:
                    # It may have reached the broker before: nobody should run it twice.
                    properties["x_dasf_repeated"] = "1"
                if not _Socket.send(connected, frame):
                    return

    def _resend(self) -> None:
        """Send what may not have reached the broker before the connection was lost."""
        # Both connections may be back at once.
        with self._writing:
            number, connected = self._writable()
            if connected is None:
                return
            with self._lock:
                calls = [it for it in self._calls.values() if it.frames]
            calls = [it for it in calls if it.written_to != number]
            # Brokers read in order, so that a message that breaks the connection is the oldest.
            for call in [it for it in calls if it.written_to][:1]:
                call.losses += 1
                if call.losses >= _MAX_LOSSES:
                    text = f"the connection was lost each of the {call.losses} times it was sent"
                    self._finish(call.context, NotConnectedError(text))
                    calls.remove(call)
            for call in calls:
                self.write(call)

    def _finish(self, context: str, event: _Event) -> None:
        call = self._forget(context)
        if call is not None:
            call.deliver(event)

    def _on_receipt(self, frame: dict[str, Any]) -> None:
        result = frame.get("result")
        if not isinstance(result, str):
            return
        named = frame.get("context")
        context = None if named is None else str(named)
        with self._lock:
            # Brokers answer in order, and may leave out the context of what they cannot read.
            waiting = (
                it
                for it in self._calls.values()
                if it.written_to and it.frames and context in (None, it.context)
            )
            call = next(waiting, None)
            if call is not None and result == "ok":
                call.frames.pop(0)
        if call is not None and result != "ok":
            reason = frame.get("errorMsg")
            text = f"{reason} ({result})" if reason else result
            self._finish(call.context, RefusedError(text))

    def _on_delivery(self, frame: dict[str, Any]) -> None:
        sockets = self._sockets
        if sockets is not None:
            _, connected = sockets[0].current()
            _Socket.send(connected, {"messageId": frame.get("messageId")})
        properties = frame.get("properties")
        if not isinstance(properties, dict):
            return
        context = str(properties.get("requestContext"))
        with self._lock:
            call = self._calls.get(context)
        if call is None:
            # The call is over, or was answered before: brokers may deliver twice.
            return
        payload = str(frame.get("payload") or "")
        message_type = properties.get("messageType")
        if not self._is_meant(properties):
            text = "an answer from %s to %s, not to this client, is passed over"
            topics = (properties.get(it) for it in ("source_topic", "response_topic"))
            self._warn_once(text, *topics)
            return
        try:
            if message_type == "progress":
                if call.wants_report():
                    call.deliver(Progress.model_validate_json(_text(payload)))
            elif message_type == "fetch":
                self._send_held(call, properties.get("response_topic"))
            elif message_type in ("response", "pong"):
                whole = _put_together(call, properties, payload)
                if whole is not None:
                    self._finish(context, _answer(whole, properties))
        except DasfError as error:
            self._finish(context, error)
        except ValueError as error:
            if message_type == "progress":
                self._warn_once("a report of progress cannot be read: %s", error)
            else:
                self._finish(
                    context, ResultError(f"the answer cannot be read: {error}")
                )

    def _is_meant(self, properties: dict[str, Any]) -> bool:
        """Tell whether an answer is from the called module, and for this client."""
        expected = {"source_topic": self.topic}
        # In a message that asks for a payload, it names the topic for the payload.
        if properties.get("messageType") != "fetch":
            expected["response_topic"] = self._response_topic
        return all(
            properties.get(name) in (None, "", topic)
            for name, topic in expected.items()
        )

    def _warn_once(self, text: str, *values: object) -> None:
        """Log the first warning of a kind: whoever may publish could fill the log."""
        with self._lock:
            if text in self._warned_of:
                return
            self._warned_of.add(text)
        text = f"{text}; more of this kind are not logged"
        _log.warning(text, *(_excerpt(value) for value in values))

    def _send_held(self, call: _Call, topic: object) -> None:
        """Send what a call holds to the module that asks for it on this topic."""
        name = topic if isinstance(topic, str) else ""
        # It becomes a part of a URL.
        if re.fullmatch(r"[-\w]{1,255}", name, re.ASCII) is None or not call.held:
            self._warn_once("the topic %s asks for a payload in vain", topic)
            return
        sender = _Sender(name, self._url("producer", name), self._door, call)
        with self._lock:
            if self._calls.get(call.context) is not call:
                return
            # Before others can wait for its end.
            sender.start()
            before, call.sender = call.sender, sender
            self._senders = [it for it in self._senders if it.is_alive()] + [sender]
        # The module that asked before is gone.
        if before is not None:
            before.stop()


def _frames(
    properties: dict[str, Any], payload: str, width: int
) -> list[dict[str, Any]]:
    """Cut a payload into frames; what fits one does not get a number."""
    context = properties["requestContext"]
    starts = range(0, max(len(payload), 1), width)
    frames: list[dict[str, Any]] = []
    for index, start in enumerate(starts):
        place = {"fragment": index, "num_fragments": len(starts)}
        position = place if len(starts) > 1 else {}
        frame = {"payload": payload[start : start + width], "context": context}
        frames.append({**frame, "properties": {**properties, **position}})
    return frames


def _excerpt(value: object) -> str:
    """Return the beginning of a value, for the log."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _text(payload: str) -> str:
    """Decode a payload: as UTF-8, or as Latin-1 where it is not UTF-8."""
    data = base64.b64decode(payload, validate=True)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _put_together(call: _Call, properties: dict[str, Any], payload: str) -> str | None:
    """Add a fragment, and return the whole base64 when it was the last one missing."""
    index, count = properties.get("fragment"), properties.get("num_fragments")
    if index is None and count is None:
        return payload
    index, count = int(str(index)), int(str(count))
    if not 0 <= index < count:
        raise ValueError(f"there is no fragment {index} of {count}")
    # Where another module answers as well, because the first one died over that.
    if call.answer != (answer := properties.get("x_dasf_answer")):
        call.answer = answer
        call.pieces.clear()
    call.pieces.setdefault(index, payload)
    if sum(map(len, call.pieces.values())) > _ANSWER_LIMIT:
        raise TooLargeError(f"the answer has more than {_ANSWER_LIMIT} bytes of base64")
    if len(call.pieces) < count:
        return None
    return "".join(call.pieces[number] for number in range(count))


def _answer(payload: str, properties: dict[str, Any]) -> _Event:
    text = _text(payload)
    if properties.get("status") != "error":
        return _Answer(text, properties)
    info = properties.get("x_dasf_error")
    with contextlib.suppress(ValueError):
        info = json.loads(info) if isinstance(info, str) else info
    if not isinstance(info, dict):
        info = {}
    return ModuleError(text, info.get("code"), info.get("details"))


def _deadline(timeout: float) -> float:
    # A clock holds no infinity, and locks may hold no more than 49 days.
    return time.monotonic() + min(timeout, 30 * 24 * 3600.0)


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)


class _Caller:
    """What clients have in common, whether they block or not."""

    # The topic where the module listens if it is not told otherwise.
    _topic: ClassVar[str]

    def __init__(
        self,
        address: str | Pulsar,
        *,
        topic: str | None = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        timeout: float = 60.0,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> None:
        """Settle what to connect to; the first call connects, and so does ``with``.

        Parameters
        ----------
        address : str or Pulsar
            The base URL of a DASF broker, such as ``ws://localhost:8080/ws``, or a Pulsar.
        topic : str, optional
            Where the module listens; its own topic if it is left out.
        token : str, optional
            What the broker asks for at the door.
        headers : dict, optional
            Headers to send when connecting.
        ca_file : str or path, optional
            Certificates in PEM that are trusted at a ``wss://`` address besides those that this
            machine trusts: of a private authority, or that of the broker itself.
        timeout : float, default: 60.0
            How many seconds a call waits for its answer.
        on_progress : callable, optional
            What is called with each report of progress.
        """
        topic = self._topic if topic is None else topic
        self._connection = _Connection(address, topic, token, headers, ca_file)
        self._timeout = timeout
        self._on_progress = on_progress

    def with_options(
        self,
        *,
        timeout: float | None = None,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> Self:
        """Make a client that shares the connection, and whose calls differ in this.

        Parameters
        ----------
        timeout : float, optional
            How many seconds a call waits for its answer.
        on_progress : callable, optional
            What is called with each report of progress.
        """
        other = copy.copy(self)
        if timeout is not None:
            other._timeout = timeout
        if on_progress is not None:
            other._on_progress = on_progress
        return other

    def _report(self, event: _Event) -> _Answer | None:
        """Return an answer, raise a failure, and show a report of progress."""
        if isinstance(event, Exception):
            raise event
        if isinstance(event, _Answer):
            return event
        if self._on_progress is not None:
            self._on_progress(event)
        return None

    def _is_on_demand(self, request: bytes, api_info: dict[str, Any]) -> bool:
        """Tell whether a large request is sent when the module asks for it."""
        speaks = (api_info.get("x_dasf") or {}).get("speaks") or []
        if "request_fragments" in speaks:
            return False
        # The module is one of a group, each of which would get some of the fragments only.
        if "requests_on_demand" in speaks:
            return True
        raise TooLargeError(
            f"the request has {len(request)} bytes, and this module takes"
            f" {_FRAME_LIMIT} bytes at most"
        )

    def _keep_api_info(self, answer: _Answer) -> dict[str, Any]:
        try:
            api_info = json.loads(answer.properties["api_info"])
            self._connection.api_info = dict(api_info)
        except (KeyError, TypeError, ValueError) as error:
            raise ResultError(
                f"the module does not describe itself: {error}"
            ) from error
        return self._connection.api_info


def _request(
    function: _Function[_T],
    arguments: dict[str, Any],
    instance: dict[str, Any] | None,
) -> bytes:
    request = {"func_name": function.name, **function.to_json(arguments)}
    if instance is not None:
        request = {**instance, "function": request}
    return json.dumps(request, allow_nan=False).encode()


def _instance(constructor: _Arguments, given: dict[str, Any]) -> dict[str, Any]:
    return {"class_name": constructor.name, **constructor.to_json(given)}


class _BlockingClient(_Caller):
    """Calls that wait for their results."""

    def __enter__(self) -> Self:
        self._connection.open(_deadline(self._timeout))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, which clients made by :meth:`with_options` share."""
        self._connection.close()

    def ping(self) -> None:
        """Ask whether the module listens."""
        self._exchange("ping", b"", _deadline(self._timeout))

    def api_info(self) -> dict[str, Any]:
        """Ask the module for its description of itself."""
        return self._api_info(_deadline(self._timeout))

    def _api_info(self, deadline: float) -> dict[str, Any]:
        return self._keep_api_info(self._exchange("api_info", b"", deadline))

    def _call(
        self,
        function: _Function[_T],
        arguments: dict[str, Any],
        instance: dict[str, Any] | None = None,
    ) -> _T:
        deadline = _deadline(self._timeout)
        request = _request(function, arguments, instance)
        is_on_demand = False
        if len(request) > _FRAME_LIMIT:
            api_info = self._connection.api_info or self._api_info(deadline)
            is_on_demand = self._is_on_demand(request, api_info)
        answer = self._exchange("request", request, deadline, is_on_demand)
        return function.read(answer)

    def _exchange(
        self,
        message_type: str,
        payload: bytes,
        deadline: float,
        is_on_demand: bool = False,
    ) -> _Answer:
        connection = self._connection
        connection.open(deadline)
        events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        is_shown = self._on_progress is not None
        call = connection.register(
            message_type,
            payload,
            deadline,
            events.put,
            lambda: is_shown and events.qsize() < _REPORT_LIMIT,
            is_on_demand,
        )
        try:
            connection.write(call)
            while True:
                try:
                    event = events.get(timeout=_left(deadline))
                except queue.Empty:
                    raise connection.no_answer(self._timeout) from None
                answer = self._report(event)
                if answer is not None:
                    return answer
        finally:
            connection.end(call)


class _AsyncClient(_Caller):
    """Calls that are awaited."""

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._connection.open, _deadline(self._timeout))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection, which clients made by :meth:`with_options` share."""
        await asyncio.to_thread(self._connection.close)

    async def ping(self) -> None:
        """Ask whether the module listens."""
        await self._exchange("ping", b"", _deadline(self._timeout))

    async def api_info(self) -> dict[str, Any]:
        """Ask the module for its description of itself."""
        return await self._api_info(_deadline(self._timeout))

    async def _api_info(self, deadline: float) -> dict[str, Any]:
        return self._keep_api_info(await self._exchange("api_info", b"", deadline))

    async def _call(
        self,
        function: _Function[_T],
        arguments: dict[str, Any],
        instance: dict[str, Any] | None = None,
    ) -> _T:
        deadline = _deadline(self._timeout)
        request = _request(function, arguments, instance)
        is_on_demand = False
        if len(request) > _FRAME_LIMIT:
            api_info = self._connection.api_info or await self._api_info(deadline)
            is_on_demand = self._is_on_demand(request, api_info)
        answer = await self._exchange("request", request, deadline, is_on_demand)
        return function.read(answer)

    async def _exchange(
        self,
        message_type: str,
        payload: bytes,
        deadline: float,
        is_on_demand: bool = False,
    ) -> _Answer:
        connection = self._connection
        await asyncio.to_thread(connection.open, deadline)
        events: asyncio.Queue[_Event] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        is_shown = self._on_progress is not None

        def deliver(event: _Event) -> None:
            # The loop may be closed by now, and nobody waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(events.put_nowait, event)

        call = connection.register(
            message_type,
            payload,
            deadline,
            deliver,
            lambda: is_shown and events.qsize() < _REPORT_LIMIT,
            is_on_demand,
        )
        try:
            await asyncio.to_thread(connection.write, call)
            while True:
                try:
                    event = await asyncio.wait_for(events.get(), _left(deadline))
                except asyncio.TimeoutError:
                    raise connection.no_answer(self._timeout) from None
                answer = self._report(event)
                if answer is not None:
                    return answer
        finally:
            connection.end(call)


class _BlockingObject:
    """A class of the module with the arguments of its constructor."""

    def __init__(
        self, client: _BlockingClient, constructor: _Arguments, given: dict[str, Any]
    ) -> None:
        self._client = client
        self._instance = _instance(constructor, given)

    def _call(self, method: _Function[_T], given: dict[str, Any]) -> _T:
        return self._client._call(method, given, self._instance)


class _AsyncObject:
    """A class of the module with the arguments of its constructor."""

    def __init__(
        self, client: _AsyncClient, constructor: _Arguments, given: dict[str, Any]
    ) -> None:
        self._client = client
        self._instance = _instance(constructor, given)

    async def _call(self, method: _Function[_T], given: dict[str, Any]) -> _T:
        return await self._client._call(method, given, self._instance)
