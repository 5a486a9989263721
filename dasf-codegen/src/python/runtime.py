from __future__ import annotations

import asyncio
import base64
import contextlib
import copy
import difflib
import ipaddress
import json
import logging
import math
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
from collections import deque
from collections.abc import Callable, Iterable
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

# The largest request in one frame, in bytes of JSON, and the largest fragment, in bytes of base64.
# Brokers reject or lose frames of more than about 1,000,000 bytes.
_FRAME_LIMIT = 700 << 10
# The largest response in fragments, in bytes of base64.
_ANSWER_LIMIT = 256 << 20
# The maximum number of reports that wait for a slow `on_progress`. The client drops more: each
# report contains the whole state.
_REPORT_LIMIT = 64
# The timeout of a handshake, in seconds. Pulsar answers it only when the topic is ready.
_HANDSHAKE_TIMEOUT = 30.0
# The timeout of closing a connection, in seconds.
_CLOSE_TIMEOUT = 3.0
# The client pings a broker of which no byte came for these seconds. After the same time without a
# byte the connection counts as lost.
_SILENCE_LIMIT = 8.0
# The slowest link, in bytes per second, over which a large frame must pass. The broker answers a
# ping only after the frame, and the system may buffer all of it, so that nothing shows its progress.
_SLOWEST_LINK = 4 << 10
# A frame of more than this size extends the time of silence.
_LARGE_FRAME = 32 << 10
# Linux ends a connection whose other end acknowledges no bytes for these milliseconds.
_UNACKNOWLEDGED_LIMIT = 18_000
# The first and the longest wait before a reconnect, in seconds. A connection that lasts for the
# third number of seconds resets the wait.
_FIRST_WAIT, _LONGEST_WAIT, _LASTING = 0.1, 5.0, 5.0
# The number of losses of the connection after which the client gives a request up. The request
# itself may be the cause.
_MAX_LOSSES = 4
# The status of the receipt for a request to a topic that nobody reads.
_NOBODY_LISTENS = 404
# How long the client sends such a request again, in seconds: a module may start just now. After a
# lost connection it does so for the second number of seconds, because a broker that was started
# again knows no topics, and the module connects again, too.
_START_LIMIT, _RETURN_LIMIT = 0.7, 10.0
# The shortest and the longest wait before it does so, in seconds.
_SHORTEST_UNREAD, _LONGEST_UNREAD = 0.05, 0.25
# How long a cancellation waits for a connection at least, in seconds, and how many wait.
_CANCEL_TIME, _CANCEL_LIMIT = 10.0, 1024
# How long the client waits for a pong before it pings the module again, in seconds.
_PING_AGAIN = 0.25
# A connection for pongs ends after these seconds without a ping. There are at most so many of them.
_KEEP_ALIVE = 30.0
_PONG_CONNECTION_LIMIT = 8
# The maximum number of messages without a receipt on a connection for pongs.
_PONG_LIMIT = 256
# The maximum number of topics for which the client remembers whether their reader is busy.
_WINDOW_LIMIT = 256
# Some brokers store topics and call numbers in database columns of these sizes.
_TOPIC_LIMIT = 50
_CONTEXT_LIMIT = 1 << 31
# The random part of a response topic has no `_`: it comes after the last one.
_NAME_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# The largest response of a proxy, in bytes.
_PROXY_LIMIT = 16 << 10
# A host and a port. A host with colons is in brackets.
_PLACE = re.compile(r"(\[[^]]*\]|[^:]*)(?::([0-9]+))?")


class _LeftOut:
    def __repr__(self) -> str:
        return "<left out>"


# The value of an argument that the caller leaves out.
_LEFT_OUT: Any = _LeftOut()

_Kind: TypeAlias = Literal[
    "validation", "not_allowed", "execution", "processing", "overflow", "put_aside"
]
# The beginning of the module's text for each kind, and the beginning of the exception's text.
_KINDS: dict[_Kind, tuple[str, str]] = {
    "validation": ("error validating request", "validating"),
    "not_allowed": ("request not allowed", "not allowed"),
    "execution": ("error executing request", "executing"),
    "processing": ("error processing request", "processing"),
    "overflow": ("request rejected due to queue overflow, try again later", ""),
    "put_aside": ("request put aside", "put aside"),
}


class DasfError(Exception):
    """A call failed."""


class ModuleError(DasfError):
    """The module reported a failure.

    The exception's text begins with its kind, as in ``executing: ...``.

    Attributes
    ----------
    message : str
        The module's message, without the kind.
    kind : str or None
        ``validation`` if the request does not match the module, ``not_allowed`` if the function is
        for users of some groups and the caller is in none of them, ``execution`` if the function
        failed, ``processing`` if the module could not finish the call, ``overflow`` if the queue of
        the module is full, ``put_aside`` if the request ended the modules that ran it. None if the
        module did not send a kind.
    code : str or None
        The code of the function's error, ``not_allowed`` or ``put_aside``. None if it has none.
    details : Any
        The details of the function's error. None if it has none.
    text : str
        The text that the module sent, such as ``error executing request: ...``.
    """

    def __init__(self, text: str, code: str | None = None, details: Any = None) -> None:
        super().__init__(text)
        self.text = text
        self.message = text
        self.kind: _Kind | None = None
        self.code = code
        self.details = details
        self._shown = text
        for kind, (prefix, verb) in _KINDS.items():
            if text.startswith(prefix):
                self.kind = kind
                rest = text[len(prefix) :].removeprefix(": ")
                if rest:
                    self.message = rest
                    self._shown = f"{verb}: {rest}" if verb else text

    def __str__(self) -> str:
        return self._shown


class RefusedError(DasfError):
    """The broker rejected the request; the text contains its reason."""


class NoAnswerError(DasfError, TimeoutError):
    """No response arrived within the timeout.

    The module may be busy, or no module listens. The call may still run.
    """


class NobodyListensError(NoAnswerError):
    """The broker reports that no module listens on the topic.

    The client has sent the request again before, because a module may start just now. A broker
    without such reports lets the call wait for its timeout.
    """


class NotConnectedError(DasfError, ConnectionError):
    """There is no connection to the broker, or the client is closed."""


class ResultError(DasfError):
    """The response does not have the declared type; ``__cause__`` names the place."""


class TooLargeError(DasfError):
    """A request or a response is larger than its limit."""


@dataclass(frozen=True)
class Pulsar:
    """The address of an Apache Pulsar, with Pulsar's defaults."""

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
    """Remove the newline at the end of a text from a file, and allow no other one."""
    text = text.rstrip("\r\n")
    if "\r" in text or "\n" in text:
        # The message does not contain the value, because it may be secret.
        raise ValueError(f"{name} contains a newline; use one line")
    return text


# The message does not contain the address, because it may contain a password.
_NO_USER = "the broker's address contains a user name; use a token instead"


def _host(text: str) -> str:
    """Check the host of a broker, and return it without brackets."""
    host = _one_line("the host", text)
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    with contextlib.suppress(ValueError):
        return str(ipaddress.IPv6Address("" if "%" in bare else bare))
    if re.fullmatch(r"[\w.-]+", host):
        return host
    if not host.strip():
        raise ValueError("the host is empty; give a name or an address")
    if "@" in host:
        raise ValueError(_NO_USER)
    if "://" in host:
        hint = "is a URL; give only the host name, and `tls=True` for wss://"
    elif (place := _PLACE.fullmatch(host)) and place[2]:
        hint = f"contains a port; give it as `port={place[2]}`"
    else:
        hint = "is not a host name or an IP address"
    raise ValueError(f"the host {host!r} {hint}")


def _place(host: str, port: int) -> str:
    """Return a host and a port in the form of a URL."""
    if not 0 < port < 1 << 16:
        raise ValueError(f"the port {port} is not valid; use a number from 1 to 65535")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _checked_url(text: str) -> str:
    """Check the URL of a broker, and return it."""
    url = _one_line("the URL of the broker", text)
    form = "write ws://host:port/path or wss://host/path"
    if not url.startswith(("ws://", "wss://")):
        text = "the broker's URL does not begin with ws:// or wss://"
        raise ValueError(f"{text}; {form}")
    if re.search(r"\s", url):
        raise ValueError(f"the broker's URL contains a space; {form}")
    authority = re.split("[/?#]", url.partition("://")[2], maxsplit=1)[0]
    if "@" in authority:
        raise ValueError(_NO_USER)
    place = _PLACE.fullmatch(authority)
    if place is None:
        hint = "put an IPv6 address in brackets, as in ws://[::1]:8080"
        text = f"the broker's URL has no valid host and port; {form}; {hint}"
        raise ValueError(text)
    _place(_host(place[1]), int(place[2] or 80))
    return url


@dataclass(frozen=True)
class _Proxy:
    """An HTTP proxy for the connections to brokers."""

    # The environment variable that names the proxy.
    variable: str
    host: str
    port: int
    # The user name and the password, in base64.
    login: str | None

    def __str__(self) -> str:
        return f"the proxy {_place(self.host, self.port)} of {self.variable}"

    def connect(self, to: str) -> socket.socket:
        """Return a connection to a host and a port, given in the form of a URL."""
        try:
            place = (self.host, self.port)
            stream = socket.create_connection(place, _HANDSHAKE_TIMEOUT)
        except OSError as error:
            raise ConnectionError(f"cannot reach {self}: {_reason(error)}") from error
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
                # Byte by byte: the bytes after the proxy's response come from the broker.
                if not (byte := stream.recv(1)):
                    break
                answer += byte
        except OSError as error:
            text = f"the connection to {self} failed: {_reason(error)}"
            raise ConnectionError(text) from error
        status = re.match(rb"HTTP/1\.[01] (\d{3})", answer)
        if status is None or not answer.endswith(b"\r\n\r\n"):
            raise ConnectionError(f"{self} does not answer like an HTTP proxy")
        if not status[1].startswith(b"2"):
            text = f"refused the connection to {to} with status {status[1].decode()}"
            raise ConnectionError(f"{self} {text}")


def _proxy(scheme: str, host: str, port: int) -> _Proxy | None:
    """Return the proxy for a broker from the environment."""
    name = "https_proxy" if scheme == "wss" else "http_proxy"
    names = [name, name.upper()]
    if "REQUEST_METHOD" in os.environ:
        # In a CGI script, the header `Proxy` of a request sets this variable.
        names = [it for it in names if it != "HTTP_PROXY"]
    names = [it for it in names if os.environ.get(it, "").strip()]
    if not names or _is_direct(host, port):
        return None
    scheme, mark, rest = os.environ[names[0]].strip().rpartition("://")
    form = "write it as http://host:port"
    if mark and scheme.lower() != "http":
        text = f"the proxy of {names[0]} is not an HTTP proxy; {form}"
        raise ConnectionError(text)
    try:
        parts = urllib.parse.urlsplit(f"http://{rest}")
        found, number = _host(parts.hostname or ""), parts.port or 80
    except ValueError:
        text = f"the proxy of {names[0]} is not valid; {form}"
        raise ConnectionError(text) from None
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
    """Return whether the client connects to a broker without a proxy."""
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
    """Return a context that trusts the authorities of this machine and of a file."""
    context = ssl.create_default_context()
    if ca_file is not None:
        with open(ca_file, encoding="ascii", errors="ignore") as file:
            text = file.read()
        try:
            context.load_verify_locations(cadata=text)
        except (ValueError, ssl.SSLError):
            text = f"the file {os.fspath(ca_file)!r} contains no certificate in PEM"
            raise ValueError(text) from None
        # Trust each certificate in the file, without a check of its issuer.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class Progress(BaseModel):
    """A progress report: a step with the steps below it."""

    report_id: str = "root"
    status: Literal["running", "success", "error"] = "running"
    step_message: str
    steps: int = 0
    children: list[Progress] = []

    @property
    def fraction(self) -> float:
        """The part of the announced steps that is done, from 0 to 1."""
        if self.status != "running":
            return 1.0
        done = sum(child.fraction for child in self.children)
        return min(done / max(self.steps, len(self.children), 1), 1.0)

    def __str__(self) -> str:
        """One line: the percentage, the message, and the message of the running step or `failed`."""
        line = f"{self.fraction:4.0%} {self.step_message}"
        if self.status == "error":
            return f"{line}: failed"
        current = self
        while running := [it for it in current.children if it.status == "running"]:
            current = running[-1]
        return line if current is self else f"{line}: {current.step_message}"


# The validation context of results.
_RESULT = object()


def _is_plain(function: Callable[..., None]) -> Callable[..., None]:
    """Mark a constructor, so that pydantic does not call it when it reads JSON."""
    setattr(function, "__pydantic_base_init__", True)
    return function


class _Model(BaseModel):
    """An object with known properties. Requests leave out the fields that are not set.

    Create a model with the names of its attributes. JSON and dicts have the names that the
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
        if self.model_config.get("extra") != "allow":
            self._refuse_unknown(values)
        super().__init__(**given)

    @classmethod
    def _refuse_unknown(cls, values: dict[str, Any]) -> None:
        fields = cls.model_fields
        known = {*fields, *(it.validation_alias for it in fields.values())}
        for name in values:
            if name in known:
                continue
            if meant := difflib.get_close_matches(name, fields, 1):
                hint = f'did you mean "{meant[0]}"?'
            elif fields:
                hint = f"its fields are {', '.join(fields)}"
            else:
                hint = "it has no fields"
            raise TypeError(f'{cls.__name__} has no field "{name}"; {hint}')

    def model_post_init(self, context: Any) -> None:
        fields = type(self).model_fields
        given = self.__pydantic_fields_set__
        for name in self.__pydantic_extra__ or ():
            # A further property may have the name of an attribute that is not set.
            if name in fields and self.__dict__[name] == fields[name].default:
                given.discard(name)
        # Send a default that a program may change in place, and one that distinguishes types.
        for name, value in self.__dict__.items():
            is_tag = name in fields and get_origin(fields[name].annotation) is Literal
            if is_tag and context is _RESULT and name not in given:
                # A property with only one value distinguishes types: a result without
                # it has another type.
                if len(get_args(fields[name].annotation)) == 1:
                    raise ValueError(f"the property {name} is missing")
            if is_tag or isinstance(value, (list, dict, set, BaseModel)):
                given.add(name)


def _from_base64(value: object) -> object:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else value


def _to_base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


# Bytes in base64.
_Base64: TypeAlias = Annotated[
    bytes,
    BeforeValidator(_from_base64),
    PlainSerializer(_to_base64, when_used="json"),
]


def _matches(pattern: str, rust: str | None = None) -> AfterValidator:
    """Check a string against a pattern.

    The check uses Rust's regular expressions, as the module does. It uses Python's ``re`` for a
    pattern that Rust cannot read, because a module in Python may have chosen this engine. Only the
    module checks a pattern that neither can read. `rust` is the pattern in Rust's syntax.
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
                # Only the author of the module can change the pattern.
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
    """Check that a string is not the tag of a known type."""

    def check(text: str) -> str:
        if text in known:
            raise ValueError(f"String should not be one of {known!r}")
        return text

    return AfterValidator(check)


def _or_another(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        return handler(value)
    except ValidationError:
        return value


# The module describes only the properties with certain names; others may have any type.
_OR_ANOTHER = WrapValidator(_or_another)


class _Arguments:
    """The arguments of a function or a constructor, by their names in JSON."""

    def __init__(self, name: str, types: dict[str, Any]) -> None:
        self.name = name
        self._types = types
        self._model: type[BaseModel] | None = None

    def to_json(self, given: dict[str, Any]) -> dict[str, Any]:
        """Check arguments, and return them as JSON."""
        if self._model is None:
            # Fields have numbers, because an argument may have a name that no field can have.
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
            text = f"the result of {self.name} does not have the declared type: {error}"
            raise ResultError(text) from error


@dataclass
class _Answer:
    """The response to a call that succeeded."""

    text: str
    properties: dict[str, Any]


# The events of a call: its reports, and then its response or its failure.
_Event: TypeAlias = Union[Progress, _Answer, Exception]


@dataclass
class _Call:
    """A call or a ping that waits for its response."""

    context: str
    deadline: float
    deliver: Callable[[_Event], None]
    wants_report: Callable[[], bool]
    # The frames without a receipt, in the order of sending.
    frames: list[dict[str, Any]]
    # The number of the connection to which the frames were last written.
    written_to: int = 0
    losses: int = 0
    # The frames that nobody reads, as the broker reports since this time. The client sends them
    # again.
    unread: list[dict[str, Any]] = field(default_factory=list)
    unread_since: float | None = None
    pieces: dict[int, str] = field(default_factory=dict)
    # The identifier of the response to which the pieces belong.
    answer: object = None
    # The frames that the client sends one after the other, to a module that may be busy.
    later: list[dict[str, Any]] = field(default_factory=list)
    # The frames for a module that asks for them, and the sender for the module that asked last.
    held: list[dict[str, Any]] = field(default_factory=list)
    sender: _Sender | None = None
    is_request: bool = False


@dataclass(frozen=True)
class _Door:
    """The headers and the TLS context of the connections to a broker."""

    headers: dict[str, str]
    # None for a broker without TLS.
    tls: ssl.SSLContext | None


class _Stream:
    """The stream of a connection, which counts the bytes that come.

    A large frame may take minutes, and its bytes show all the time that the broker lives.
    """

    def __init__(self, stream: socket.socket, closing: threading.Event) -> None:
        self._stream = stream
        self._closing = closing
        self.received = 0

    def recv(self, size: int) -> bytes:
        data = self._stream.recv(size)
        self.received += len(data)
        return data

    def send(self, data: bytes) -> int:
        """Send a part of a frame, of which `data` is the rest."""
        patience = _patience(len(data))
        while True:
            try:
                return self._stream.send(data)
            except TimeoutError:
                # The system waits with further bytes until it has sent many.
                patience -= 1
                if patience < 0 or self._closing.is_set():
                    raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _patience(size: int) -> int:
    """Return for how many times `_SILENCE_LIMIT` the slowest link is busy with a frame."""
    if size <= _LARGE_FRAME:
        return 0
    return math.ceil(size / (_SLOWEST_LINK * _SILENCE_LIMIT))


class _Socket(threading.Thread):
    """Keeps one WebSocket open, and passes its frames on.

    `unreceipted` returns the sizes of the frames without a receipt.
    """

    def __init__(
        self,
        name: str,
        url: str,
        door: _Door,
        on_open: Callable[[], None],
        on_frame: Callable[[dict[str, Any]], None],
        unreceipted: Callable[[], Iterable[int]] = lambda: (),
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._unreceipted = unreceipted
        self._url = url
        self._door = door
        self._on_open = on_open
        self._on_frame = on_frame
        self._socket: Any = None
        # The TCP socket. It exists before the broker answers the handshake.
        self._attempt: socket.socket | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._tried = threading.Event()
        # Whether the last connection carried a frame of the broker.
        self._was_useful = False
        # The number of connections so far.
        self._number = 0
        # When a lost connection came back.
        self.reconnected_at = -math.inf
        # The reason why there is no connection; None while there is one.
        self.failure: str | None = "the broker does not answer"

    def opened(self, timeout: float) -> str | None:
        """Wait for the first attempt; return the reason of its failure."""
        self._tried.wait(timeout)
        return self.failure

    def current(self) -> tuple[int, Any]:
        """Return the connection with its number; None if there is none."""
        with self._lock:
            return self._number, self._socket

    @staticmethod
    def send(connected: Any, frame: dict[str, Any]) -> bool:
        """Send a frame on a connection; return whether that succeeded."""
        try:
            connected.send(json.dumps(frame, separators=(",", ":")))
        except (OSError, websocket.WebSocketException):
            # The broker may have received a part of the frame. The thread reconnects.
            with contextlib.suppress(Exception):
                connected.abort()
            return False
        return True

    def close(self) -> None:
        """Close the connection without a reconnect."""
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
        """Drop the connection at once, without a close frame."""
        self._closing.set()
        with self._lock:
            attempt = self._attempt
        if attempt is not None:
            with contextlib.suppress(Exception):
                attempt.shutdown(socket.SHUT_RDWR)

    def run(self) -> None:
        """Connect, read, and reconnect, until the connection is closed."""
        attempts = 0
        while self._is_needed():
            begun = time.monotonic()
            self._was_useful = False
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
            # A connection that the broker accepts and drops at once counts as a failure.
            if self._was_useful or time.monotonic() - begun >= _LASTING:
                attempts = 0
            wait = min(_FIRST_WAIT * 2**attempts, _LONGEST_WAIT)
            attempts = min(attempts + 1, 16)
            # Clients of the same broker should not all reconnect at the same time.
            self._closing.wait(wait * random.uniform(0.5, 1.0))

    def _is_needed(self) -> bool:
        return not self._closing.is_set()

    def _attempt_with(self, stream: socket.socket) -> None:
        with self._lock:
            self._attempt = stream
        if self._closing.is_set():
            stream.close()
            raise ConnectionError("the client is closed")

    def _stream(self) -> socket.socket:
        """Connect to the broker, through a proxy and with TLS if necessary."""
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
        option = getattr(socket, "TCP_USER_TIMEOUT", None)
        if option is not None:
            stream.setsockopt(socket.IPPROTO_TCP, option, _UNACKNOWLEDGED_LIMIT)
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
            # The JSON decoder checks this faster.
            skip_utf8_validation=True,
        )
        stream = _Stream(self._stream(), self._closing)
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
                reason = "the broker does not answer with HTTP"
            # A broker that answered before did not need TLS.
            if self._door.tls is None and self._number == 0:
                reason = f"{reason}; if the broker needs TLS, use wss://"
            raise ConnectionError(reason) from error
        if (status := connected.getstatus()) != 101:
            connected.shutdown()
            text = f"the broker answered with a redirect, status {status}"
            raise ConnectionError(text)
        connected.settimeout(_SILENCE_LIMIT)
        with self._lock:
            self._socket = connected
            if self._number > 0:
                self.reconnected_at = time.monotonic()
            self._number += 1
        if self._closing.is_set():
            return
        self.failure = None
        self._on_open()
        self._tried.set()
        silent, received = 0, stream.received
        while self._is_needed():
            try:
                code, data = connected.recv_data(control_frame=True)
            except websocket.WebSocketTimeoutException:
                if received != stream.received:
                    # A part of a frame has come.
                    silent, received = 0, stream.received
                silent += 1
                if silent > 1 + sum(map(_patience, self._unreceipted())):
                    raise
                connected.ping()
                continue
            silent, received = 0, stream.received
            if code == websocket.ABNF.OPCODE_CLOSE:
                raise ConnectionError("the broker closed the connection")
            if code in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
                try:
                    frame = json.loads(data)
                except ValueError as error:
                    _log.warning("the broker sent a frame that is not JSON: %s", error)
                    continue
                if isinstance(frame, dict):
                    self._was_useful = True
                    self._on_frame(frame)


class _Sender(_Socket):
    """Sends frames to the topic of a module, on a separate connection."""

    def __init__(
        self,
        topic: str,
        url: str,
        door: _Door,
        deadline: float | None = None,
        keep_alive: float | None = None,
    ) -> None:
        name = f"dasf producer to {topic}"
        sizes = self._sizes
        super().__init__(name, url, door, self._write, self._on_receipt, sizes)
        self._topic = topic
        # The deadline of the call.
        self._deadline = deadline
        # The sender ends after so many seconds without a new frame.
        self._keep_alive = keep_alive
        self._used_at = time.monotonic()
        self._writing = threading.Condition()
        # The frames without a receipt.
        self._frames: list[dict[str, Any]] = []
        # The number of the connection on which they are.
        self._written_to = 0
        self._is_complete = False

    def _sizes(self) -> list[int]:
        # Another thread may hold the lock, and write a large frame.
        return [len(it["payload"]) for it in list(self._frames)]

    def is_open(self) -> bool:
        """Return whether the sender sends further frames."""
        return not self._closing.is_set()

    def add(self, frame: dict[str, Any]) -> None:
        """Send a frame, unless it still waits for its receipt."""
        with self._writing:
            self._used_at = time.monotonic()
            if any(it is frame for it in self._frames):
                return
            self._frames.append(frame)
            number, connected = self.current()
            # Otherwise the next connection sends it.
            if connected is not None and self._written_to == number:
                self._put(connected, frame)

    def settle(self, frame: dict[str, Any]) -> None:
        """Wait for the receipt of a frame, or for the end of the sender."""
        with self._writing:
            while self.is_open() and any(it is frame for it in self._frames):
                self._writing.wait(_PING_AGAIN)

    def is_full(self) -> bool:
        """Return whether too many frames have no receipt."""
        return len(self._frames) >= _PONG_LIMIT

    def complete(self) -> None:
        """End after the receipts of all frames."""
        with self._writing:
            self._is_complete = True
            if not self._frames:
                self._end()

    def _put(self, connected: Any, frame: dict[str, Any]) -> bool:
        if self._deadline is not None:
            # A copy, because another sender may send the frames of the call later.
            left = int(_left(self._deadline) * 1000)
            properties = {**frame["properties"], "x_dasf_timeout_ms": left}
            frame = {**frame, "properties": properties}
        return self.send(connected, frame)

    def _write(self) -> None:
        with self._writing:
            number, connected = self.current()
            if number > _MAX_LOSSES:
                self._end(f"the connection was lost {_MAX_LOSSES} times")
                return
            self._written_to = number
            for frame in self._frames:
                if not self._put(connected, frame):
                    return

    def _on_receipt(self, frame: dict[str, Any]) -> None:
        result = frame.get("result")
        if not isinstance(result, str):
            return
        if result != "ok":
            self._end(str(frame.get("errorMsg") or result))
            return
        with self._writing:
            # Brokers send receipts in order.
            del self._frames[:1]
            self._writing.notify_all()
            if self._is_complete and not self._frames:
                self._end()

    def _is_needed(self) -> bool:
        unused = time.monotonic() - self._used_at
        if self._keep_alive is not None and unused >= self._keep_alive:
            self._end()
        return self.is_open()

    def _end(self, failure: str | None = None) -> None:
        if failure is not None:
            # The module may have crashed. Otherwise it asks again.
            text = "cannot send what a module requested on topic %s: %s"
            _log.warning(text, self._topic, failure)
        self._closing.set()
        with contextlib.suppress(Exception):
            self.current()[1].send_close()


@dataclass
class _Way:
    """The way of a call's frames to a reader."""

    # Sends a frame of the call, or of a ping, unless it still waits for its receipt.
    send: Callable[[_Call, dict[str, Any]], None]
    # Returns whether the call needs the way.
    is_open: Callable[[], bool]
    # Waits until the broker has accepted a frame, so that no ping over another connection overtakes
    # it. The common connection keeps the order.
    settle: Callable[[dict[str, Any]], None] = lambda _: None


class _SendWindow:
    """Limits how far the senders of fragments to one topic are ahead of its reader.

    All senders share it, because the broker drops a message that arrives while the reader is busy
    with another one.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._is_unread = False

    def send(
        self,
        way: _Way,
        call: _Call,
        frame: dict[str, Any],
        catch_up: Callable[[], bool],
    ) -> bool:
        """Send a fragment when the reader has read the one before, which `catch_up` asks.

        Return False if the way closes before.
        """
        if not self._turn.acquire(timeout=_left(call.deadline)):
            return False
        try:
            if not way.is_open() or (self._is_unread and not catch_up()):
                return False
            self._is_unread = True
            # Before another sender asks whether everything is read.
            way.send(call, frame)
            way.settle(frame)
            return True
        finally:
            self._turn.release()


def _distrust(error: ssl.SSLCertVerificationError) -> str:
    """Return the reason why a certificate is not valid, by the error number of OpenSSL."""
    if error.verify_code in (2, 18, 19, 20, 21):
        return (
            "this machine does not trust the authority of the broker's certificate; give"
            " the certificate of the authority as `ca_file`"
        )
    if error.verify_code in (62, 64):
        return "the broker's certificate is for another host name; check the address"
    if error.verify_code in (9, 10):
        return "the broker's certificate is expired or not yet valid; check the clock"
    return f"the broker's certificate is not valid: {error.verify_message.lower()}"


def _reason(error: Exception) -> str:
    if isinstance(error, websocket.WebSocketBadStatusException):
        reason = f"the broker refused the connection with status {error.status_code}"
        if error.status_code == 404:
            reason += (
                "; check the URL, which ends in /ws at dasf-broker; at a Pulsar, check the"
                " tenant and the namespace"
            )
        return reason
    if isinstance(error, ssl.SSLCertVerificationError):
        return _distrust(error)
    if isinstance(error, ssl.SSLError):
        if error.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
            return "the broker does not use TLS on this port; use ws:// without TLS"
        reason = (error.reason or "it ended").lower().replace("_", " ")
        return f"TLS with the broker failed: {reason}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__


class _Connection:
    """The connections to a module's topic and to the response topic."""

    def __init__(
        self,
        address: str | Pulsar,
        topic: str,
        token: str | None,
        headers: dict[str, str] | None,
        ca_file: str | os.PathLike[str] | None = None,
    ) -> None:
        if re.fullmatch(r"[-\w]+", topic, re.ASCII) is None:
            rule = "use ASCII letters, digits, '-' and '_'"
            raise ValueError(f"the topic {topic!r} is not valid; {rule}")
        self.topic = topic
        # A unique name: 128 random bits, or as many as the limit of the topic allows.
        room = _TOPIC_LIMIT - len(topic) - 1
        name = "".join(secrets.choice(_NAME_LETTERS) for _ in range(22))
        if room >= 8:
            name = name[:room]
        self._response_topic = f"{topic}_{name}"
        path = f"{self._response_topic}/python-client-{name}"
        if isinstance(address, Pulsar):
            # Pulsar deletes a subscription that is not durable when its consumer ends.
            path = f"{path}?subscriptionMode=NonDurable"
        else:
            address = _checked_url(address)
        self._address = address
        self._producer_url = self._url("producer", topic)
        if not isinstance(address, Pulsar):
            # A broker that cannot report that nobody reads the topic ignores the parameter.
            mark = "&" if "?" in self._producer_url else "?"
            self._producer_url += f"{mark}nobodyListens=Refuse"
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
        # The kinds of warnings that the log contains already.
        self._warned_of: set[str] = set()
        self._pid = os.getpid()
        self._sockets: tuple[_Socket, _Socket] | None = None
        self._writing = threading.RLock()
        # Each client starts with another number, in case the response topics are equal.
        self._context = secrets.randbelow(_CONTEXT_LIMIT)
        # The calls, and the pings without a pong.
        self._calls: dict[str, _Call] = {}
        # The contexts of the calls whose modules must learn that nobody waits, and until when.
        self._cancelled: deque[tuple[str, float]] = deque(maxlen=_CANCEL_LIMIT)
        # Sends the frames again that nobody reads.
        self._unread_timer: threading.Timer | None = None
        # The senders of the calls and of pongs, and others that are about to end.
        self._senders: list[_Sender] = []
        # The senders of pongs by topic, the last used one at the end.
        self._pong_senders: dict[str, _Sender] = {}
        # Whether the broker drops messages that arrive while their reader is busy.
        self._is_lossy = (
            isinstance(address, Pulsar) and address.persistence != "persistent"
        )
        # The topics to which the client sends fragments in turn, the last used one at the end.
        self._windows: dict[str, _SendWindow] = {}
        # The module's API description, if the client has requested it.
        self.api_info: dict[str, Any] | None = None

    def _url(self, role: str, path: str) -> str:
        address = self._address
        if isinstance(address, Pulsar):
            return address._url(role, path)
        base, mark, query = address.partition("?")
        return f"{base.rstrip('/')}/{path}{mark}{query}"

    def open(self, deadline: float) -> None:
        """Connect if necessary. The consumer is first, so that no response is lost."""
        if self._pid != os.getpid():
            raise NotConnectedError(
                "the client belongs to the parent process; create a new one in the child"
            )
        if not self._opening.acquire(timeout=_left(deadline)):
            text = "cannot connect to the broker within the timeout"
            raise NotConnectedError(text)
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
                self._sizes,
            )
            self._sockets = (consumer, producer)
            for one in self._sockets:
                one.start()
                if (failure := one.opened(_left(deadline))) is not None:
                    self._close()
                    raise NotConnectedError(f"cannot connect to the broker: {failure}")
        finally:
            self._opening.release()

    def _sizes(self) -> list[int]:
        with self._lock:
            calls = self._calls.values()
            return [len(frame["payload"]) for it in calls for frame in it.frames]

    def close(self) -> None:
        """Close the connections. Unfinished calls fail."""
        if self._pid != os.getpid():
            # The parent process still uses the connections.
            return
        with self._lock:
            self._is_closed = True
        self.cancel()
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
            self._pong_senders = {}
            self._stop_timer()
        for sender in senders:
            sender.stop()
        for call in calls.values():
            call.deliver(NotConnectedError("the client is closed"))
        deadline = _deadline(_CLOSE_TIMEOUT)
        for sender in senders:
            sender.join(_left(deadline))

    def no_answer(self, timeout: float) -> DasfError:
        """Return the exception for a call without a response."""
        text = f"no response from topic {self.topic} within {timeout:g} s"
        for one in self._sockets or ():
            if one.failure is not None:
                return NotConnectedError(f"{text}: {one.failure}")
        return NoAnswerError(f"{text}; check that a module listens there")

    def register(
        self,
        message_type: str,
        payload: bytes,
        deadline: float,
        deliver: Callable[[_Event], None],
        wants_report: Callable[[], bool],
        is_on_demand: bool = False,
    ) -> _Call:
        """Return a new call. Write it, and end it in any case."""
        context = self._next_context()
        properties = self._routing(message_type, context)
        if self._is_lossy and message_type == "request":
            # Then the module sends the response no faster than this client reads it.
            properties["x_dasf_answers_pings"] = "1"
        text = _to_base64(payload)
        # A small request has no fragment number: peers do not expect a single fragment.
        width = _FRAME_LIMIT if len(payload) > _FRAME_LIMIT else max(len(text), 1)
        frames = _frames(properties, text, width)
        held: list[dict[str, Any]] = []
        if is_on_demand:
            held = frames
            frames = _frames({**properties, "x_dasf_on_demand": "1"}, "", 1)
        call = _Call(context, deadline, deliver, wants_report, frames, held=held)
        call.is_request = message_type == "request"
        if self._is_lossy and len(frames) > 1:
            call.frames, call.later = [], frames
        self._add(call)
        return call

    def _add(self, call: _Call) -> None:
        with self._lock:
            # Nobody would end a call after this.
            if self._is_closed:
                raise NotConnectedError("the client is closed")
            self._calls[call.context] = call

    def _routing(self, message_type: str, context: str) -> dict[str, Any]:
        """Return the properties of a message to a module."""
        return {
            "messageType": message_type,
            "requestContext": context,
            "response_topic": self._response_topic,
        }

    def _next_context(self) -> str:
        """Return a number that no unfinished call has."""
        with self._lock:
            while True:
                self._context = (self._context + 1) % _CONTEXT_LIMIT
                if (context := str(self._context)) not in self._calls:
                    return context

    def end(self, call: _Call) -> bool:
        """Remove a call, and stop its sender.

        Return whether its module must learn that nobody waits for the response, by `cancel`.
        """
        is_open = self._forget(call.context) is call
        if not is_open or not call.is_request or not call.written_to:
            return False
        until = max(call.deadline, _deadline(_CANCEL_TIME))
        self._cancelled.append((call.context, until))
        return True

    def cancel(self) -> None:
        """Tell the module which calls have ended, or leave it for the next connection."""
        # The caller does not want to wait for another one that writes.
        if not self._writing.acquire(timeout=1.0):
            return
        try:
            _, connected = self._writable()
            while self._cancelled and connected is not None:
                context, until = self._cancelled[0]
                (frame,) = _frames(self._routing("cancel", context), "", 1)
                if _left(until) and not _Socket.send(connected, frame):
                    return
                self._cancelled.popleft()
        finally:
            self._writing.release()

    def _forget(self, context: str) -> _Call | None:
        with self._lock:
            call = self._calls.pop(context, None)
        # Only a call in the table can receive a sender.
        if call is not None and call.sender is not None:
            call.sender.stop()
        return call

    def _writable(self) -> tuple[int, Any]:
        """Return the connection for requests if the one for responses is open, too."""
        sockets = self._sockets
        if sockets is None or sockets[0].current()[1] is None:
            return 0, None
        return sockets[1].current()

    def write(self, call: _Call) -> None:
        """Send a call's frames, or leave them for the next connection."""
        if call.later:
            frames, call.later = call.later, []
            way = _Way(self._send, lambda: self._calls.get(call.context) is call)
            self._start_in_turn(call, frames, self.topic, way)
            return
        with self._writing:
            number, connected = self._writable()
            if connected is None or call.written_to == number:
                return
            call.written_to = number
            with self._lock:
                frames = list(call.frames)
            for frame in frames:
                if "x_dasf_timeout_ms" in frame["properties"]:
                    # The broker may have received it before. No module should run it twice.
                    frame["properties"]["x_dasf_repeated"] = "1"
                if not self._put(connected, call, frame):
                    return

    @staticmethod
    def _put(connected: Any, call: _Call, frame: dict[str, Any]) -> bool:
        left = int(_left(call.deadline) * 1000)
        frame["properties"]["x_dasf_timeout_ms"] = left
        return _Socket.send(connected, frame)

    def _send(self, call: _Call, frame: dict[str, Any]) -> None:
        """Send a further frame of a call, unless it still waits for its receipt."""
        with self._writing:
            with self._lock:
                if any(it is frame for it in call.frames):
                    return
                call.frames.append(frame)
            number, connected = self._writable()
            if call.written_to != number:
                self.write(call)
            elif connected is not None:
                self._put(connected, call, frame)

    def _start_in_turn(
        self,
        call: _Call,
        frames: list[dict[str, Any]],
        topic: str,
        way: _Way,
        done: Callable[[], None] = lambda: None,
    ) -> None:
        """Start to send fragments, each when the reader of the topic has read the one before."""
        with self._lock:
            window = self._windows.get(topic) or _SendWindow()
            _put_last(self._windows, topic, window, _WINDOW_LIMIT)

        def catch_up() -> bool:
            return self._catch_up(call, way)

        def run() -> None:
            if all(window.send(way, call, frame, catch_up) for frame in frames):
                done()

        name = f"dasf fragments to {topic}"
        threading.Thread(target=run, name=name, daemon=True).start()

    def _catch_up(self, call: _Call, way: _Way) -> bool:
        """Wait until the module has read everything on a way: then it answers a ping.

        Return False if the way closes before.
        """
        context = self._next_context()
        (frame,) = _frames(self._routing("ping", context), "", 1)
        events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        ping = _Call(context, call.deadline, events.put, lambda: False, [])
        with contextlib.suppress(NotConnectedError):
            self._add(ping)
        try:
            while way.is_open():
                # The broker may drop a ping, too.
                way.send(ping, frame)
                with contextlib.suppress(queue.Empty):
                    event = events.get(timeout=_PING_AGAIN)
                    if isinstance(event, Exception):
                        self._finish(call.context, event)
                    return way.is_open()
            return False
        finally:
            self.end(ping)

    def _resend(self) -> None:
        """Send the frames without a receipt on a new connection."""
        # Both connections may open at the same time.
        with self._writing:
            number, connected = self._writable()
            if connected is None:
                return
            with self._lock:
                calls = [it for it in self._calls.values() if it.frames]
            calls = [it for it in calls if it.written_to != number]
            # Brokers read in order. So a message that breaks the connection is the oldest one.
            for call in [it for it in calls if it.written_to][:1]:
                call.losses += 1
                if call.losses >= _MAX_LOSSES:
                    lost = f"was lost {call.losses} times while sending it"
                    text = f"the request was not sent: the connection {lost}"
                    self._finish(call.context, NotConnectedError(text))
                    calls.remove(call)
            for call in calls:
                self.write(call)
            self._send_unread()
            self.cancel()

    def _keep_unread(self, call: _Call) -> bool:
        """Keep the first frame of a call, which nobody reads. The caller holds the lock.

        Return False if it is too late to send the frame again.
        """
        now = time.monotonic()
        since = now if call.unread_since is None else call.unread_since
        call.unread_since = since
        end = since + _START_LIMIT
        if self._sockets is not None:
            end = max(end, self._sockets[1].reconnected_at + _RETURN_LIMIT)
        # Ever more rarely.
        wait = min(max((now - since) / 2, _SHORTEST_UNREAD), _LONGEST_UNREAD)
        again = min(now + wait, end)
        if now >= end or again >= call.deadline:
            return False
        frame = call.frames.pop(0)
        # No module has received it, so it is no repetition when it is sent again.
        frame["properties"].pop("x_dasf_timeout_ms", None)
        call.unread.append(frame)
        if self._unread_timer is None:
            self._unread_timer = threading.Timer(again - now, self._send_unread)
            self._unread_timer.daemon = True
            self._unread_timer.start()
        return True

    def _stop_timer(self) -> None:
        timer, self._unread_timer = self._unread_timer, None
        if timer is not None:
            timer.cancel()

    def _send_unread(self) -> None:
        """Send the frames again that nobody reads, or leave them for the next connection."""
        with self._writing:
            with self._lock:
                self._stop_timer()
            if self._writable()[1] is None:
                return
            with self._lock:
                calls = [(it, it.unread) for it in self._calls.values() if it.unread]
                for call, _ in calls:
                    call.unread = []
            for call, frames in calls:
                for frame in frames:
                    self._send(call, frame)

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
            # Brokers send receipts in order. The receipt of an unreadable frame may have no
            # context.
            waiting = (
                it
                for it in self._calls.values()
                if it.written_to and it.frames and context in (None, it.context)
            )
            call = next(waiting, None)
            if call is None:
                return
            if result == "ok":
                call.frames.pop(0)
                return
            is_unread = frame.get("status") == _NOBODY_LISTENS
            if is_unread and self._keep_unread(call):
                return
        if is_unread:
            text = f"no module listens on topic {self.topic}"
            hint = "start the module, or check the topic"
            self._finish(call.context, NobodyListensError(f"{text}; {hint}"))
            return
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
        payload = str(frame.get("payload") or "")
        message_type = properties.get("messageType")
        if call is None and message_type != "ping":
            # The call has ended. Brokers may deliver a response twice.
            return
        if not self._is_meant(properties):
            text = "ignoring a message from topic %s to topic %s, not for this client"
            topics = (properties.get(it) for it in ("source_topic", "response_topic"))
            self._warn_once(text, *topics)
            return
        if call is None or message_type == "ping":
            self._answer_ping(properties)
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
                self._warn_once("cannot read a progress report: %s", error)
            else:
                failure = ResultError(f"cannot read the response: {error}")
                self._finish(context, failure)

    def _is_meant(self, properties: dict[str, Any]) -> bool:
        """Return whether a message is from the called module, and for this client."""
        expected = {"source_topic": self.topic}
        # A request for a payload or for a pong has the topic for the reply there.
        if properties.get("messageType") not in ("fetch", "ping"):
            expected["response_topic"] = self._response_topic
        return all(
            properties.get(name) in (None, "", topic)
            for name, topic in expected.items()
        )

    def _warn_once(self, text: str, *values: object) -> None:
        """Log the first warning of a kind. A publisher must not fill the log."""
        with self._lock:
            if text in self._warned_of:
                return
            self._warned_of.add(text)
        text = f"{text}; further warnings of this kind are not logged"
        _log.warning(text, *(_excerpt(value) for value in values))

    def _send_held(self, call: _Call, named: object) -> None:
        """Send the payload of a call to the module that asks for it, on this topic."""
        topic = _topic(named)
        if topic is None or not call.held:
            self._warn_once("ignoring a request for a payload on topic %s", named)
            return
        url = self._url("producer", topic)
        sender = _Sender(topic, url, self._door, deadline=call.deadline)
        if not self._is_lossy:
            for frame in call.held:
                sender.add(frame)
            sender.complete()
        with self._lock:
            if self._calls.get(call.context) is not call:
                return
            before, call.sender = call.sender, sender
            self._start(sender)
        # The module that asked before has ended.
        if before is not None:
            before.stop()
        if self._is_lossy:
            way = _Way(
                lambda _, frame: sender.add(frame), sender.is_open, sender.settle
            )
            self._start_in_turn(call, call.held, topic, way, done=sender.complete)

    def _answer_ping(self, properties: dict[str, Any]) -> None:
        """Answer a ping, which shows the module that the client has read the messages before."""
        topic = _topic(properties.get("response_topic"))
        context = properties.get("requestContext")
        if not self._is_lossy or topic is None or not isinstance(context, str):
            return
        with self._lock:
            if self._is_closed:
                return
            sender = self._pong_senders.get(topic)
            if sender is None or not sender.is_open():
                url = self._url("producer", topic)
                sender = _Sender(topic, url, self._door, keep_alive=_KEEP_ALIVE)
                self._start(sender)
            senders = self._pong_senders
            oldest = _put_last(senders, topic, sender, _PONG_CONNECTION_LIMIT)
        if oldest is not None:
            oldest.stop()
        # Without a pong, the module asks again.
        if not sender.is_full():
            pong = {"messageType": "pong", "requestContext": context}
            sender.add({"payload": "", "context": context, "properties": pong})

    def _start(self, sender: _Sender) -> None:
        """Start a sender before another thread can wait for its end."""
        sender.start()
        self._senders = [it for it in self._senders if it.is_alive()] + [sender]


def _topic(named: object) -> str | None:
    """Return a topic that may become a part of a URL, or None."""
    name = named if isinstance(named, str) else ""
    is_valid = re.fullmatch(r"[-\w]{1,255}", name, re.ASCII) is not None
    return name if is_valid else None


def _put_last(entries: dict[str, _T], key: str, value: _T, limit: int) -> _T | None:
    """Put an entry at the end. Remove the first entry beyond the limit, and return it."""
    entries.pop(key, None)
    entries[key] = value
    return entries.pop(next(iter(entries))) if len(entries) > limit else None


def _frames(
    properties: dict[str, Any], payload: str, width: int
) -> list[dict[str, Any]]:
    """Cut a payload into frames. A single frame has no number."""
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
    """Decode a payload as UTF-8, or as Latin-1 if it is not UTF-8."""
    data = base64.b64decode(payload, validate=True)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _put_together(call: _Call, properties: dict[str, Any], payload: str) -> str | None:
    """Add a fragment; return the complete base64 when all fragments have arrived."""
    index, count = properties.get("fragment"), properties.get("num_fragments")
    if index is None and count is None:
        return payload
    index, count = int(str(index)), int(str(count))
    if not 0 <= index < count:
        raise ValueError(f"the fragment number {index} is not valid, of {count}")
    # Another module answers, because the first one crashed while it answered.
    if call.answer != (answer := properties.get("x_dasf_answer")):
        call.answer = answer
        call.pieces.clear()
    call.pieces.setdefault(index, payload)
    if sum(map(len, call.pieces.values())) > _ANSWER_LIMIT:
        text = f"the response has more than {_ANSWER_LIMIT} bytes of base64"
        raise TooLargeError(text)
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
    # A clock cannot reach infinity, and some locks accept at most 49 days.
    return time.monotonic() + min(timeout, 30 * 24 * 3600.0)


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)


class _Caller:
    """The common part of the blocking and the asynchronous client."""

    # The topic in the module's description.
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
        """Create a client. It connects at the first call, or in a ``with`` statement.

        Parameters
        ----------
        address : str or Pulsar
            The base URL of a DASF broker, such as ``ws://localhost:8080/ws``, or a Pulsar.
        topic : str, optional
            The topic of the module. Default: the topic in the module's description.
        token : str, optional
            The token for the login at the broker.
        headers : dict, optional
            Headers of the handshake.
        ca_file : str or path, optional
            A file with certificates in PEM that the client trusts at a ``wss://`` address, besides
            the authorities of this machine: of a private authority, or of the broker itself.
        timeout : float, default: 60.0
            How many seconds a call waits for its response.
        on_progress : callable, optional
            The function that receives the progress reports.
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
        """Return a client with other options that shares the connection.

        Parameters
        ----------
        timeout : float, optional
            How many seconds a call waits for its response.
        on_progress : callable, optional
            The function that receives the progress reports.
        """
        other = copy.copy(self)
        if timeout is not None:
            other._timeout = timeout
        if on_progress is not None:
            other._on_progress = on_progress
        return other

    def _report(self, event: _Event) -> _Answer | None:
        """Return a response, raise a failure, and pass a progress report on."""
        if isinstance(event, Exception):
            raise event
        if isinstance(event, _Answer):
            return event
        if self._on_progress is not None:
            self._on_progress(event)
        return None

    def _is_on_demand(self, request: bytes, api_info: dict[str, Any]) -> bool:
        """Return whether to send a large request only when a module asks for it."""
        speaks = (api_info.get("x_dasf") or {}).get("speaks") or []
        if "request_fragments" in speaks:
            return False
        # Each module of a group would receive only some of the fragments.
        if "requests_on_demand" in speaks:
            return True
        raise TooLargeError(
            f"the request has {len(request)} bytes; this module accepts at most"
            f" {_FRAME_LIMIT}"
        )

    def _keep_api_info(self, answer: _Answer) -> dict[str, Any]:
        try:
            api_info = json.loads(answer.properties["api_info"])
            self._connection.api_info = dict(api_info)
        except (KeyError, TypeError, ValueError) as error:
            text = f"cannot read the module's API description: {error}"
            raise ResultError(text) from error
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
    """A client whose calls block until the result is there."""

    def __enter__(self) -> Self:
        self._connection.open(_deadline(self._timeout))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection, also for the clients of :meth:`with_options`."""
        self._connection.close()

    def ping(self) -> None:
        """Check that the module listens; raise an exception if it does not answer."""
        self._exchange("ping", b"", _deadline(self._timeout))

    def api_info(self) -> dict[str, Any]:
        """Request the module's API description."""
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
            if connection.end(call):
                connection.cancel()


class _AsyncClient(_Caller):
    """A client for asyncio."""

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._connection.open, _deadline(self._timeout))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection, also for the clients of :meth:`with_options`."""
        await asyncio.to_thread(self._connection.close)

    async def ping(self) -> None:
        """Check that the module listens; raise an exception if it does not answer."""
        await self._exchange("ping", b"", _deadline(self._timeout))

    async def api_info(self) -> dict[str, Any]:
        """Request the module's API description."""
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
            # The loop may be closed; then nobody waits.
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
            if connection.end(call):
                # Nobody waits for this. Otherwise `close` does it.
                with contextlib.suppress(RuntimeError):
                    loop.run_in_executor(None, connection.cancel)


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
