from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import contextlib
import copy
import difflib
import hashlib
import importlib
import io
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
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    Protocol,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
    overload,
)

import websocket
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
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
# The maximum number of responses to one call that come in fragments at the same time.
_ANSWERS_LIMIT = 4
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
# After so many seconds without a response, the client asks where a call is, and so many seconds
# before its timeout again. An answer that did not come within the last number does not come.
_QUIET, _BEFORE_END, _ANSWER_TIME = 1.0, 2.0, 0.2
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
# How long a broker keeps a job after its last use by default, in seconds.
_KEEP = 7 * 86400.0
# How long another caller with the same key may take between its note and its request, in seconds.
# After that it counts as gone.
_SUBMITTER_PATIENCE = 10.0
# A broker that does not tell how many messages it has sends them without a pause of so many seconds.
_SILENCE = 1.0
# The durable subscription that keeps the messages of a topic at a Pulsar.
_KEEPER = "dasf-job"
# The id of a job: the topic of the module, the topic of the answer, and the number of the call.
_JOB_ID = re.compile(r"([-\w]{1,255})\.([-\w]{1,255})\.([0-9]{1,128})", re.ASCII)
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


class NoJobError(DasfError):
    """The broker keeps no such job: it was forgotten, its time is over, or it is elsewhere."""


class JobCancelledError(DasfError, concurrent.futures.CancelledError):
    """The job was cancelled, and no result came before. A function that runs may still end."""


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


def _optional(name: str, purpose: str, packages: str) -> Any:
    """Import a package that the client does not need otherwise."""
    try:
        for package in packages.split():
            importlib.import_module(package)
        return importlib.import_module(name)
    except ImportError as error:
        needed = packages.replace(" ", " and ")
        text = f"{purpose} needs {needed}; install with: pip install {packages}"
        raise ImportError(text, name=error.name) from error


class XarrayObject(Protocol):
    """A ``DataArray`` or a ``Dataset`` of xarray."""

    @property
    def to_netcdf(self) -> Callable[..., Any]:
        """The method that writes the object as a NetCDF file."""


class NetCDF(bytes):
    """A NetCDF file, with any number of variables.

    Where xarray is installed, Python and notebooks show the content of the file.
    """

    __slots__ = ()

    @classmethod
    def from_xarray(cls, value: XarrayObject) -> Self:
        """Write a ``DataArray`` or a ``Dataset``, as the package ``demessaging`` does."""
        return cls(value.to_netcdf(format="NETCDF3_CLASSIC"))

    @classmethod
    def from_base64(cls, text: str) -> Self:
        """Decode a result whose type the module does not describe."""
        return cls(base64.b64decode(text, validate=True))

    def to_xarray(self) -> Any:
        """Read the file as an ``xarray.Dataset``. This needs xarray and scipy."""
        return self._xarray().load_dataset(io.BytesIO(self))

    def _xarray(self) -> Any:
        purpose = f"{type(self).__name__}.to_xarray()"
        return _optional("xarray", purpose, "xarray scipy")

    def _shown(self, method: str) -> str | None:
        """Return what xarray shows, if it is installed and can read the file."""
        try:
            return str(getattr(self.to_xarray(), method)())
        except Exception:
            # A module may send any bytes, and a program can print them nevertheless.
            return None

    def __repr__(self) -> str:
        what = f"<{type(self).__name__}: a NetCDF file of {len(self)} bytes>"
        return self._shown("__repr__") or what

    def __str__(self) -> str:
        return repr(self)

    def _repr_html_(self) -> str | None:
        return self._shown("_repr_html_")

    @classmethod
    def _checked(cls, value: Any) -> Self:
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls.from_base64(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return cls(value)
        if hasattr(value, "to_netcdf"):
            return cls.from_xarray(value)
        raise ValueError("Input should be a NetCDF file as bytes, or an xarray object")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(
            _to_base64, when_used="json"
        )
        return core_schema.no_info_plain_validator_function(
            cls._checked, serialization=written
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: object
    ) -> dict[str, Any]:
        media = {"contentMediaType": "application/x-netcdf"}
        return {"type": "string", "contentEncoding": "base64", **media}


class NetCDFArray(NetCDF):
    """A NetCDF file with one variable and its coordinates."""

    __slots__ = ()

    def to_xarray(self) -> Any:
        """Read the file as an ``xarray.DataArray``. This needs xarray and scipy."""
        return self._xarray().load_dataarray(io.BytesIO(self))


def _with_netcdf(value: Any) -> Any:
    is_netcdf = isinstance(value, NetCDF) or hasattr(value, "to_netcdf")
    return _to_base64(NetCDF._checked(value)) if is_netcdf else value


# The type of an argument that the module does not describe. Modules in Python with xarray objects
# do not describe them.
_ANYTHING = Annotated[Any, BeforeValidator(_with_netcdf)]


class _SeriesModel(_Model):
    """A series of observations: an index, and columns with gaps."""

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame``, in which a gap is NaN. This needs pandas."""
        pandas = _optional("pandas", f"{type(self).__name__}.to_pandas()", "pandas")
        series: Any = self
        index = pandas.Index(series.index.values, name=series.index.name)
        columns = {column.name: column.values for column in series.columns}
        return pandas.DataFrame(columns, index=index, dtype=float)

    def _repr_html_(self) -> str | None:
        """Return the table that a notebook shows, if pandas is installed."""
        try:
            return str(self.to_pandas()._repr_html_())
        except Exception:
            # A module may send columns of other lengths.
            return None


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
                f"argument_{number}": (
                    _ANYTHING if ty is Any else ty,
                    Field(default=None, alias=name),
                )
                for number, (name, ty) in enumerate(self._types.items())
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
    # The pieces of each response, by its identifier, the last one at the end. Two modules may answer.
    pieces: dict[str, dict[int, str]] = field(default_factory=dict)
    # The frames that the client sends one after the other, to a module that may be busy.
    later: list[dict[str, Any]] = field(default_factory=list)
    # What an answer to a question for the call said, the question that has no answer yet, and when
    # the client asks again.
    known: str | None = None
    # The last progress report of the call, in base64.
    report: str | None = None
    question: _Call | None = None
    asked_at: float = 0.0
    ask_at: float = math.inf
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


class _Post(_Socket):
    """Publishes frames on a connection of its own, until the broker has accepted them."""

    def __init__(
        self,
        topic: str,
        url: str,
        door: _Door,
        frames: list[dict[str, Any]],
        on_error: Callable[[DasfError], None] = lambda _: None,
    ) -> None:
        name = f"dasf producer to {topic}"
        super().__init__(name, url, door, self._write, self._on_receipt, self._sizes)
        self._topic = topic
        self._frames = frames
        self._on_error = on_error
        self._ended = threading.Event()
        self._error: DasfError | None = None

    def wait(self, deadline: float) -> None:
        """Wait until the broker has accepted the frames."""
        if not self._ended.wait(_left(deadline)):
            text = f"the broker did not accept a message to topic {self._topic} in time"
            reason = f": {self.failure}" if self.failure else ""
            self._end(NotConnectedError(f"{text}{reason}"))
        self.join(_CLOSE_TIMEOUT)
        if self._error is not None:
            raise self._error

    def run(self) -> None:
        super().run()
        self._end(NotConnectedError("the client is closed"))

    def _sizes(self) -> list[int]:
        return [len(it["payload"]) for it in list(self._frames)]

    def _is_needed(self) -> bool:
        if self._tried.is_set() and self._number == 0 and super()._is_needed():
            text = f"cannot connect to the broker: {self.failure}"
            self._end(NotConnectedError(text))
        return super()._is_needed()

    def _write(self) -> None:
        number, connected = self.current()
        if number > _MAX_LOSSES:
            lost = f"the connection was lost {_MAX_LOSSES} times"
            text = f"a message to topic {self._topic} was not sent: {lost}"
            self._end(NotConnectedError(text))
            return
        for frame in list(self._frames):
            if number > 1 and frame["properties"]["messageType"] == "request":
                # The broker may have received it before. No module should run it twice.
                frame["properties"]["x_dasf_repeated"] = "1"
            if not self.send(connected, frame):
                return

    def _on_receipt(self, frame: dict[str, Any]) -> None:
        result = frame.get("result")
        if not isinstance(result, str):
            return
        if result != "ok":
            self._end(_refusal(frame))
            return
        # Brokers send receipts in order.
        del self._frames[:1]
        if not self._frames:
            self._end()

    def _end(self, error: DasfError | None = None) -> None:
        if self._ended.is_set():
            return
        self._error = error
        self._closing.set()
        self._ended.set()
        with contextlib.suppress(Exception):
            self.current()[1].send_close()
        if error is not None:
            self._on_error(error)


class _Visit(_Socket):
    """Opens a connection for the effect of its handshake, and closes it after a last frame."""

    def __init__(
        self, topic: str, url: str, door: _Door, last: dict[str, Any] | None = None
    ) -> None:
        name = f"dasf consumer of {topic}"
        super().__init__(name, url, door, self._leave, lambda _: None)
        self._last = last
        self.hold: _Hold | None = None

    def wait(self, deadline: float) -> _Hold | None:
        """Wait for the end; return what the broker tells of the hold."""
        failure = self.opened(_left(deadline))
        number, _ = self.current()
        self.close()
        if number == 0:
            raise NotConnectedError(f"cannot connect to the broker: {failure}")
        return self.hold

    def _leave(self) -> None:
        _, connected = self.current()
        self.hold = _hold(connected)
        if self._last is not None:
            self.send(connected, self._last)


@dataclass(frozen=True)
class _Hold:
    """What a broker tells of a topic that may hold messages for later readers."""

    # How long it holds them after their last use, in seconds.
    retention: float
    # The number of messages that come first; None if the topic held none before.
    messages: int | None


def _hold(connected: Any) -> _Hold | None:
    headers = connected.getheaders() or {}
    with contextlib.suppress(ValueError):
        retention = float(int(headers.get("dasf-hold", "")))
        held = headers.get("dasf-held")
        return _Hold(retention, None if held is None else int(held))
    return None


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
        name = _name(secrets.randbits(128))
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
        # The senders of the calls and of pongs, the connections of jobs, and others that are about
        # to end.
        self._senders: list[_Socket] = []
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

    def _reader_url(self, topic: str, subscription: str, **parameters: object) -> str:
        url = self._url("consumer", f"{topic}/{subscription}")
        mark = "&" if "?" in url else "?"
        return f"{url}{mark}{urllib.parse.urlencode(parameters)}"

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise NotConnectedError(
                "the client belongs to the parent process; create a new one in the child"
            )

    def start(self, one: _Socket) -> None:
        """Start a further connection, which ends with the client."""
        self._check_process()
        with self._lock:
            if self._is_closed:
                raise NotConnectedError("the client is closed")
            self._start(one)

    def open(self, deadline: float) -> None:
        """Connect if necessary. The consumer is first, so that no response is lost."""
        self._check_process()
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

    def no_answer(self, timeout: float, call: _Call) -> DasfError:
        """Return the exception for a call without a response."""
        text = f"no response from topic {self.topic} within {timeout:g} s"
        for one in self._sockets or ():
            if one.failure is not None:
                return NotConnectedError(f"{text}: {one.failure}")
        known = call.known
        waited = time.monotonic() - call.asked_at
        if call.question is not None and waited > _ANSWER_TIME:
            known = "no module there answers a ping"
        with contextlib.suppress(ValueError):
            if call.report is not None:
                report = Progress.model_validate_json(_text(call.report))
                known = f"the module runs it, and is at {report.fraction:.0%}"
        return NoAnswerError(f"{text}; {known or 'check that a module listens there'}")

    def ask(self, call: _Call) -> None:
        """Ask where a call is. The module answers, or the broker if the call waits there."""
        now = time.monotonic()
        call.asked_at = now
        call.ask_at = max(now + _QUIET, call.deadline - _BEFORE_END)
        self._end_question(call)
        context = self._next_context()
        properties = self._routing("ping", context)
        frames = _frames({**properties, "x_dasf_position_of": call.context}, "", 1)

        def deliver(event: _Event) -> None:
            call.question = None
            if isinstance(event, _Answer):
                call.known = _whereabouts(event.properties)

        question = _Call(context, now + _QUIET, deliver, lambda: False, frames)
        with contextlib.suppress(NotConnectedError):
            self._add(question)
            call.question = question
            self.write(question)

    def _end_question(self, call: _Call) -> None:
        question, call.question = call.question, None
        if question is not None:
            self._forget(question.context)

    def register(
        self,
        message_type: str,
        payload: bytes,
        deadline: float,
        deliver: Callable[[_Event], None],
        wants_report: Callable[[], bool],
        is_on_demand: bool = False,
        restart: float | None = None,
    ) -> _Call:
        """Return a new call. Write it, and end it in any case."""
        context = self._next_context()
        properties = self._routing(message_type, context)
        if self._is_lossy and message_type == "request":
            # Then the module sends the response no faster than this client reads it.
            properties["x_dasf_answers_pings"] = "1"
        if restart is not None and message_type == "request":
            properties["x_dasf_restart_ms"] = int(_limited(restart) * 1000)
        text = _to_base64(payload)
        # A small request has no fragment number: peers do not expect a single fragment.
        width = _FRAME_LIMIT if len(payload) > _FRAME_LIMIT else max(len(text), 1)
        frames = _frames(properties, text, width)
        held: list[dict[str, Any]] = []
        if is_on_demand:
            held = frames
            frames = _frames({**properties, "x_dasf_on_demand": "1"}, "", 1)
        call = _Call(context, deadline, deliver, wants_report, frames, held=held)
        if message_type == "request":
            call.is_request = True
            call.ask_at = time.monotonic() + min(_QUIET, _left(deadline) / 2)
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
        self._end_question(call)
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
        self._finish(call.context, _refusal(frame))

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
                call.report = payload
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

    def _start(self, sender: _Socket) -> None:
        """Start a sender before another thread can wait for its end."""
        sender.start()
        self._senders = [it for it in self._senders if it.is_alive()] + [sender]


def _name(bits: int) -> str:
    """Return a number of 128 bits as a name of 22 letters and digits."""
    letters = ""
    for _ in range(22):
        bits, digit = divmod(bits, len(_NAME_LETTERS))
        letters += _NAME_LETTERS[digit]
    return letters


def _refusal(receipt: dict[str, Any]) -> RefusedError:
    reason, result = receipt.get("errorMsg"), receipt["result"]
    return RefusedError(f"{reason} ({result})" if reason else result)


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


def _put_together(
    call: _Call | _Parts, properties: dict[str, Any], payload: str
) -> str | None:
    """Add a fragment; return the complete base64 when all fragments have arrived."""
    index, count = properties.get("fragment"), properties.get("num_fragments")
    if index is None and count is None:
        return payload
    index, count = int(str(index)), int(str(count))
    if not 0 <= index < count:
        raise ValueError(f"the fragment number {index} is not valid, of {count}")
    answer = str(properties.get("x_dasf_answer"))
    pieces = call.pieces.get(answer, {})
    pieces.setdefault(index, payload)
    _put_last(call.pieces, answer, pieces, _ANSWERS_LIMIT)
    size = sum(len(it) for held in call.pieces.values() for it in held.values())
    if size > _ANSWER_LIMIT:
        text = f"the response has more than {_ANSWER_LIMIT} bytes of base64"
        raise TooLargeError(text)
    if len(pieces) < count:
        return None
    return "".join(pieces[number] for number in range(count))


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


def _whereabouts(properties: dict[str, Any]) -> str:
    """Return what the answer to a question for a call says."""
    with contextlib.suppress(TypeError, ValueError):
        if (runs := properties.get("x_dasf_runs_ms")) is not None:
            return f"the module runs it, for {int(runs) / 1000:.1f} s so far"
        if (before := properties.get("x_dasf_position")) is not None:
            count = int(before)
            few = {0: "is the next one", 1: "1 other call before it"}
            others = few.get(count, f"{count} other calls before it")
            return f"it waits, and {others}"
    return "a module listens there, so the call waits or runs, and may still end"


def _deadline(timeout: float) -> float:
    return time.monotonic() + _limited(timeout)


def _limited(timeout: float) -> float:
    # A clock cannot reach infinity, and some locks accept at most 49 days.
    return min(timeout, 30 * 24 * 3600.0)


def _left(deadline: float) -> float:
    return max(deadline - time.monotonic(), 0.0)


@dataclass(frozen=True)
class JobStatus:
    """What is known of a job.

    Attributes
    ----------
    state : str
        ``waiting`` if no module has the request, as far as the broker knows; ``accepted`` if a
        module has it, and the function has not begun; ``running``, ``done``, ``failed`` or
        ``cancelled``.
    report : Progress or None
        The latest progress report of a running job, if the function reports its progress.
    error : ModuleError or None
        The error of a failed job.
    """

    state: Literal["waiting", "accepted", "running", "done", "failed", "cancelled"]
    report: Progress | None = None
    error: ModuleError | None = None

    def __str__(self) -> str:
        """One line, such as ``running, 30%``."""
        if self.error is not None:
            return f"{self.state}: {self.error}"
        if self.report is not None:
            return f"{self.state}, {self.report.fraction:.0%}"
        return self.state


@dataclass
class _Parts:
    """The responses to a job of which only some fragments have come."""

    # The fragments of each response, by its identifier.
    pieces: dict[str, dict[int, str]] = field(default_factory=dict)


class _Record:
    """What the messages on the topic of an answer tell of a job. They may come twice."""

    def __init__(self, kept: _Kept) -> None:
        self._kept = kept
        self._clear()

    def _clear(self) -> None:
        self._parts = _Parts()
        self._state: Literal["waiting", "accepted", "running"] = "waiting"
        self._is_sent = False
        self.is_known = False
        self.is_cancelled = False
        # The callers that wanted to submit the job, in their order.
        self.submitters: list[object] = []
        self.report: Progress | None = None
        self.answer: _Answer | DasfError | None = None

    def is_sent(self) -> bool:
        """Return whether a module may have the request."""
        return self._is_sent or self._state != "waiting" or self.answer is not None

    def status(self) -> JobStatus:
        if isinstance(self.answer, _Answer):
            return JobStatus("done")
        if self.is_cancelled:
            # The error may say that the job was cancelled.
            return JobStatus("cancelled")
        if isinstance(self.answer, ModuleError):
            return JobStatus("failed", error=self.answer)
        if self.answer is not None:
            return JobStatus("done")
        report = self.report if self._state == "running" else None
        return JobStatus(self._state, report)

    def add(self, properties: dict[str, Any], payload: str) -> Progress | None:
        """Add a message; return its report. The first answer counts."""
        self.is_known = True
        if str(properties.get("requestContext")) != self._kept.context:
            return None
        message_type = properties.get("messageType")
        state = properties.get("x_dasf_job_state")
        if message_type == "job":
            self._add_note(state, properties.get("x_dasf_reader"))
        elif self.answer is not None or not self._is_of_module(properties):
            return None
        elif message_type == "progress":
            # A module that does not know jobs reports only while it runs.
            self._state = "accepted" if state == "accepted" else "running"
            if payload:
                with contextlib.suppress(ValueError):
                    self.report = Progress.model_validate_json(_text(payload))
                    return self.report
        elif message_type == "response":
            self._add_response(properties, payload)
        return None

    def _add_note(self, state: object, submitter: object) -> None:
        if state == "submitting" and submitter not in self.submitters:
            self.submitters.append(submitter)
        elif state == "sent":
            self._is_sent = True
        elif state == "cancelled" and self.answer is None:
            self.is_cancelled = True
        elif state == "forgotten":
            # What came before does not count any more.
            self._clear()

    def _is_of_module(self, properties: dict[str, Any]) -> bool:
        kept = self._kept
        topics = {"source_topic": kept.topic, "response_topic": kept.response_topic}
        return all(
            properties.get(name) in (None, "", topic) for name, topic in topics.items()
        )

    def _add_response(self, properties: dict[str, Any], payload: str) -> None:
        try:
            whole = _put_together(self._parts, properties, payload)
            if whole is not None:
                event = _answer(whole, properties)
                assert isinstance(event, (_Answer, ModuleError))
                self.answer = event
        except DasfError as error:
            self.answer = error
        except ValueError as error:
            self.answer = ResultError(f"cannot read the response: {error}")
        if self.answer is not None:
            self._parts.pieces.clear()


class _Reader(_Socket):
    """Reads what the broker keeps of a job, and then what comes. It stays at the broker.

    `on_change` receives the reader after each change, and the report that has come.
    """

    def __init__(
        self,
        kept: _Kept,
        on_change: Callable[[_Reader, Progress | None], None] = lambda *_: None,
    ) -> None:
        name = f"dasf consumer of {kept.response_topic}"
        url, door = kept.reader_url(), kept.connection._door
        super().__init__(name, url, door, self._begin, self._on_message)
        self._kept = kept
        self._on_change = on_change
        self.record = _Record(kept)
        # Whether all messages have come that were kept before.
        self.has_caught_up = False
        self.error: DasfError | None = None
        self._changed = threading.Condition()
        # The number of messages until then, at a broker that tells it.
        self._to_come: int | None = None
        # The note that comes then, at a broker that knows notes.
        self._note = _name(secrets.randbits(128))
        self._is_acknowledging = True
        self._came_at = 0.0

    def wait(self, until: Callable[[], bool], deadline: float) -> bool:
        """Wait until something is true; return whether it is. Raise the error of the reader."""
        with self._changed:
            while not until() and self.error is None:
                if not (left := _left(deadline)):
                    return False
                self._changed.wait(left)
        if self.error is not None:
            raise self.error
        return True

    def outcome(self) -> _Answer | DasfError | None:
        """Return the answer or the failure of the job; None if the job is not done."""
        answer = self.record.answer
        if self.error is not None:
            return self.error
        if self._kept.is_at_pulsar and not self.has_caught_up:
            # A later note may give up what has come before.
            return None
        if isinstance(answer, _Answer):
            return answer
        if not self.record.is_cancelled:
            return answer
        # The result may be among the messages that still come.
        if answer is None and not self.has_caught_up:
            return None
        return JobCancelledError(f"the job {self._kept.id} was cancelled")

    def finish(self) -> None:
        """Close the connection, also from its own thread."""
        self._closing.set()
        with contextlib.suppress(Exception):
            self.current()[1].send_close()

    def run(self) -> None:
        super().run()
        self.fail(NotConnectedError("the client is closed"))

    def fail(self, error: DasfError) -> None:
        """End the reader with an error."""
        with self._changed:
            if self.error is not None:
                return
            self.error = error
        self.finish()
        self._tell()

    def _is_needed(self) -> bool:
        if self._tried.is_set() and self._number == 0 and super()._is_needed():
            text = f"cannot connect to the broker: {self.failure}"
            self.fail(NotConnectedError(text))
        return super()._is_needed()

    def _tell(self, report: Progress | None = None) -> None:
        with self._changed:
            self._changed.notify_all()
        self._on_change(self, report)

    def _begin(self) -> None:
        number, connected = self.current()
        hold = _hold(connected)
        if hold is not None and hold.messages is None:
            self.fail(self._kept.no_job())
        elif self.has_caught_up:
            return
        elif hold is not None:
            self._to_come = hold.messages
            if not hold.messages:
                self._catch_up(is_known=True)
        elif number == 1 and self._kept.is_at_pulsar:
            self._send_note()
        elif number == 1:
            # The broker keeps what is not acknowledged.
            self._is_acknowledging = False
            self._came_at = time.monotonic()
            self._listen()

    def _send_note(self) -> None:
        with contextlib.suppress(NotConnectedError):
            note = {"x_dasf_reader": self._note}
            self._kept.begin_note(note, self._on_unsent_note)

    def _on_unsent_note(self, error: DasfError) -> None:
        if isinstance(error, RefusedError):
            self.fail(error)
        elif not self._closing.wait(_SILENCE):
            self._send_note()

    def _listen(self) -> None:
        """Catch up when nothing has come for a while."""
        silence = time.monotonic() - self._came_at
        if self._closing.is_set():
            return
        if silence >= _SILENCE:
            self._catch_up(self.record.is_known or self._kept.is_submitted)
            return
        timer = threading.Timer(_SILENCE - silence, self._listen)
        timer.daemon = True
        timer.start()

    def _catch_up(self, is_known: bool) -> None:
        self.has_caught_up = True
        if is_known:
            self._tell()
        else:
            self.fail(self._kept.no_job())

    def _on_message(self, frame: dict[str, Any]) -> None:
        self._came_at = time.monotonic()
        if self._is_acknowledging:
            self.send(self.current()[1], {"messageId": frame.get("messageId")})
        properties = frame.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        reader = properties.get("x_dasf_reader")
        if reader is not None and properties.get("x_dasf_job_state") is None:
            if reader == self._note and not self.has_caught_up:
                self._catch_up(self.record.is_known)
            return
        report = self.record.add(properties, str(frame.get("payload") or ""))
        if self.has_caught_up and not self.record.is_known:
            self.fail(self._kept.no_job())
            return
        self._tell(report)
        if self._to_come:
            self._to_come -= 1
            if not self._to_come:
                self._catch_up(is_known=True)


class _Kept:
    """The topic on which a broker keeps the answer to a job."""

    def __init__(self, connection: _Connection, id: str) -> None:
        parts = _JOB_ID.fullmatch(id)
        if parts is None:
            text = "the id of a job is TOPIC.RESPONSE_TOPIC.CONTEXT"
            raise ValueError(f"{text}, and not {_excerpt(id)}; copy the whole id")
        self.connection = connection
        self.id = id
        self.topic, self.response_topic, self.context = parts.groups()
        # Whether this program has submitted the job.
        self.is_submitted = False
        address = connection._address
        self.is_at_pulsar = isinstance(address, Pulsar)
        self._is_persistent = (
            isinstance(address, Pulsar) and address.persistence == "persistent"
        )

    def no_job(self) -> NoJobError:
        reason = "it was forgotten, its time is over, or it was submitted elsewhere"
        return NoJobError(f"the broker keeps no job {self.id}: {reason}")

    def not_in_time(self, action: str, timeout: float) -> NoAnswerError:
        return NoAnswerError(f"cannot {action} the job {self.id} within {timeout:g} s")

    def reader_url(self, **hold: int) -> str:
        """Return the URL of a reader that needs not acknowledge what it reads."""
        return self.connection._reader_url(
            self.response_topic,
            f"reader-{_name(secrets.randbits(128))}",
            subscriptionMode="NonDurable",
            subscriptionInitialPosition="Earliest",
            **hold,
        )

    def keep(self, keep: float, deadline: float) -> _Hold | None:
        """Let the broker keep the messages of the topic."""
        # Zero would end that.
        hold = self._visit(self.reader_url(hold=max(int(keep), 1)), deadline)
        if hold is None and self.is_at_pulsar:
            if not self._is_persistent:
                raise RefusedError(
                    "non-persistent topics do not keep the answers of jobs; use"
                    ' Pulsar(persistence="persistent")'
                )
            self._visit(self._keeper_url(), deadline)
        return hold

    def release(self, deadline: float) -> _Hold | None:
        """Let a broker that takes notes keep the messages of the topic no longer."""
        hold = self._visit(self.reader_url(hold=0), deadline)
        if hold is None and self.is_at_pulsar:
            self._visit(self._keeper_url(), deadline, {"type": "unsubscribe"})
        return hold

    def forget(self, deadline: float) -> None:
        """Let the broker keep nothing any more."""
        try:
            # It tells those who wait for the job.
            self.note("forgotten", deadline)
        except DasfError:
            # A Django broker takes no notes. A Pulsar still delivers for a while what it need not keep any more.
            if self.is_at_pulsar:
                raise
        hold = self.release(deadline)
        if hold is None and not self.is_at_pulsar:
            self._acknowledge_all(deadline)
        self.is_submitted = False

    def _acknowledge_all(self, deadline: float) -> None:
        ids: list[object] = []
        reader = _Reader(self)
        add = reader._on_message

        def note(frame: dict[str, Any]) -> None:
            ids.append(frame.get("messageId"))
            add(frame)

        reader._on_frame = note
        with contextlib.suppress(NoJobError), self._reading(reader):
            reader.wait(lambda: reader.has_caught_up, deadline)
            for id in ids:
                reader.send(reader.current()[1], {"messageId": id})

    def _keeper_url(self) -> str:
        return self.connection._reader_url(
            self.response_topic,
            _KEEPER,
            subscriptionType="Shared",
            subscriptionInitialPosition="Earliest",
            receiverQueueSize=1,
        )

    def _visit(
        self, url: str, deadline: float, last: dict[str, Any] | None = None
    ) -> _Hold | None:
        visit = _Visit(self.response_topic, url, self.connection._door, last)
        self.connection.start(visit)
        return visit.wait(deadline)

    @contextlib.contextmanager
    def _reading(self, reader: _Reader) -> Generator[_Reader, None, None]:
        self.connection.start(reader)
        try:
            yield reader
        finally:
            reader.finish()
            reader.join(_CLOSE_TIMEOUT)

    def status(self, timeout: float) -> JobStatus:
        """Ask the broker how far the job is."""
        with self._reading(_Reader(self)) as reader:
            if not reader.wait(lambda: reader.has_caught_up, _deadline(timeout)):
                raise self.not_in_time("read", timeout)
            return reader.record.status()

    def begin_note(
        self,
        properties: dict[str, Any],
        on_error: Callable[[DasfError], None] = lambda _: None,
    ) -> _Post:
        """Start to publish a note on the topic."""
        properties = {
            "messageType": "job",
            "requestContext": self.context,
            "source_topic": self.topic,
            **properties,
        }
        return self._post(self.response_topic, _frames(properties, "", 1), on_error)

    def note(self, state: str, deadline: float, **properties: str) -> None:
        """Publish a note on the topic."""
        self.begin_note({"x_dasf_job_state": state, **properties}).wait(deadline)

    def publish(
        self, properties: dict[str, Any], payload: bytes, deadline: float
    ) -> None:
        """Publish a message to the module."""
        properties = {
            "requestContext": self.context,
            "response_topic": self.response_topic,
            **properties,
        }
        text = _to_base64(payload)
        width = _FRAME_LIMIT if len(payload) > _FRAME_LIMIT else max(len(text), 1)
        self._post(self.topic, _frames(properties, text, width)).wait(deadline)

    def _post(
        self,
        topic: str,
        frames: list[dict[str, Any]],
        on_error: Callable[[DasfError], None] = lambda _: None,
    ) -> _Post:
        connection = self.connection
        url = connection._url("producer", topic)
        post = _Post(topic, url, connection._door, frames, on_error)
        connection.start(post)
        return post

    def is_ours(self, timeout: float, deadline: float) -> bool | None:
        """Return whether this program has to send the request of a job with a key.

        None if it has to, and another program has left that undone, perhaps after it had sent it.
        """
        name = _name(secrets.randbits(128))
        self.note("submitting", deadline, x_dasf_reader=name)
        patience = min(_deadline(_SUBMITTER_PATIENCE), deadline)
        with self._reading(_Reader(self)) as reader:
            record = reader.record

            def is_decided() -> bool:
                # Messages before the own note may belong to a job that was given up.
                return name in record.submitters and (
                    record.is_sent() or record.submitters[0] == name
                )

            if reader.wait(is_decided, patience):
                return not record.is_sent()
        if not _left(deadline):
            raise self.not_in_time("submit", timeout)
        return None


class Job(concurrent.futures.Future[_T]):
    """A call that outlives its caller: the broker keeps its answer.

    ``client.submit`` makes a job, and ``client.attach`` finds it again by its id: in another
    program, on another machine, on another day. To read the result does not end the job. A job
    that is dropped continues.

    A job is a :class:`concurrent.futures.Future`, so :func:`concurrent.futures.as_completed` and
    :func:`concurrent.futures.wait` accept jobs. It connects to the broker when its result is first
    needed.

    Attributes
    ----------
    id : str
        The id, which finds the job again.
    kept_for : float or None
        How many seconds the broker keeps the job after its last use, as it said when this program
        submitted the job. None if the operator of the broker decides that, or if another program
        submitted the job.
    is_new : bool
        Whether this program has sent the request. It has not if the job was there already, with the
        same key, and if the job comes from ``attach``.
    """

    def __init__(
        self,
        kept: _Kept,
        function: _Function[_T],
        timeout: float,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> None:
        self.id = kept.id
        self.kept_for: float | None = None
        self.is_new = False
        self._kept = kept
        self._function = function
        self._timeout = timeout
        self._handlers = [] if on_progress is None else [on_progress]
        self._watching = threading.Lock()
        self._reader: _Reader | None = None
        self._is_watched = False
        self._is_settled = False
        super().__init__()

    def __repr__(self) -> str:
        return f"<Job {self.id}>"

    @property
    def _condition(self) -> threading.Condition:
        # Everything that waits for a future uses this, also the functions of `concurrent.futures`.
        self._watch()
        return self._own_condition

    @_condition.setter
    def _condition(self, condition: threading.Condition) -> None:
        self._own_condition = condition

    def _watch(self) -> None:
        """Start to read the messages of the job."""
        with self._watching:
            if self._is_watched:
                return
            self._is_watched = True
            reader = self._reader = _Reader(self._kept, self._on_change)
        try:
            self._kept.connection.start(reader)
        except NotConnectedError as error:
            self.set_exception(error)

    def _on_change(self, reader: _Reader, report: Progress | None) -> None:
        if report is not None:
            for handler in list(self._handlers):
                self._report(handler, report)
        outcome = reader.outcome()
        with self._watching:
            if outcome is None or self._is_settled:
                return
            self._is_settled = True
        reader.finish()
        try:
            if isinstance(outcome, DasfError):
                raise outcome
            result = self._function.read(outcome)
        except DasfError as error:
            self.set_exception(error)
        else:
            self.set_result(result)

    def _report(self, handler: Callable[[Progress], object], report: Progress) -> None:
        try:
            handler(report)
        except Exception:
            _log.exception("a handler of the reports of %r failed", self)

    def result(self, timeout: float | None = None) -> _T:
        """Wait for the result as long as the job takes, or at most `timeout` seconds.

        After a lost connection it connects again. It raises the exceptions of a call,
        :class:`NoJobError` if the broker keeps no such job, :class:`JobCancelledError` if the job
        was cancelled, and :class:`NoAnswerError` if the job is not done in time. The job continues
        then.
        """
        try:
            return super().result(timeout)
        except concurrent.futures.TimeoutError:
            raise self._not_done(timeout) from None

    def _not_done(self, timeout: float | None) -> NoAnswerError:
        text = f"the job {self.id} is not done"
        if self._reader is not None and timeout is not None:
            status = self._reader.record.status()
            text += f" after {timeout:g} s: it is {status}"
        return NoAnswerError(text)

    def on_progress(self, handler: Callable[[Progress], object]) -> None:
        """Call `handler` with the latest report of the job, and with each later one.

        The handler runs in the thread that reads the messages of the job.
        """
        self._watch()
        self._handlers.append(handler)
        if self._reader is not None and self._reader.record.report is not None:
            self._report(handler, self._reader.record.report)

    def status(self) -> JobStatus:
        """Ask the broker how far the job is."""
        return self._kept.status(self._timeout)

    def cancel(self) -> bool:
        """Cancel the job; return False if it is known to be done.

        The result may come nevertheless: modules in Python cannot stop.
        """
        if self._is_settled:
            return False
        deadline = _deadline(self._timeout)
        # The note comes first: a module sees it that gets the request later. A Django broker refuses it.
        with contextlib.suppress(RefusedError):
            self._kept.note("cancelled", deadline)
        self._kept.publish({"messageType": "cancel"}, b"", deadline)
        return True

    def cancelled(self) -> bool:
        """Return whether the job was cancelled."""
        return self.done() and isinstance(self.exception(), JobCancelledError)

    def forget(self) -> None:
        """Give the job up: the broker keeps nothing of it any more.

        A function that runs is not told; cancel the job before.
        """
        self._kept.forget(_deadline(self._timeout))
        if self._reader is not None:
            self._reader.fail(self._kept.no_job())

    def __await__(self) -> Generator[Any, None, _T]:
        return self._wait().__await__()

    async def _wait(self) -> _T:
        # Unlike in `asyncio.wrap_future`, the job continues when a task that waits is cancelled.
        loop = asyncio.get_running_loop()
        is_done = asyncio.Event()

        def tell(_: object) -> None:
            # The loop may be closed; then nobody waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(is_done.set)

        self.add_done_callback(tell)
        await is_done.wait()
        return self.result()


class AsyncJob(Generic[_T]):
    """A job for asyncio: see :class:`Job`. ``await job`` returns its result.

    Attributes
    ----------
    id : str
        The id, which finds the job again.
    kept_for : float or None
        As in a :class:`Job`.
    is_new : bool
        As in a :class:`Job`.
    """

    def __init__(
        self, job: Job[_T], on_progress: Callable[[Progress], object] | None = None
    ) -> None:
        self._job = job
        self._on_progress = on_progress
        self.id = job.id
        self.kept_for = job.kept_for
        self.is_new = job.is_new

    def __repr__(self) -> str:
        return f"<AsyncJob {self.id}>"

    def __await__(self) -> Generator[Any, None, _T]:
        return self.result().__await__()

    async def result(self, timeout: float | None = None) -> _T:
        """Wait for the result, as :meth:`Job.result` does."""
        handler, self._on_progress = self._on_progress, None
        if handler is not None:
            self.on_progress(handler)
        try:
            return await asyncio.wait_for(self._job._wait(), timeout)
        except asyncio.TimeoutError:
            # It raises the error with its text.
            raise self._job._not_done(timeout) from None

    def on_progress(self, handler: Callable[[Progress], object]) -> None:
        """Call `handler` with the latest report of the job, and with each later one.

        The handler runs in the event loop.
        """
        loop = asyncio.get_running_loop()

        def tell(report: Progress) -> None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(handler, report)

        self._job.on_progress(tell)

    async def status(self) -> JobStatus:
        """Ask the broker how far the job is."""
        return await asyncio.to_thread(self._job.status)

    async def cancel(self) -> bool:
        """Cancel the job, as :meth:`Job.cancel` does."""
        return await asyncio.to_thread(self._job.cancel)

    async def forget(self) -> None:
        """Give the job up, as :meth:`Job.forget` does."""
        await asyncio.to_thread(self._job.forget)


@dataclass(frozen=True)
class _JobOptions:
    """The options of a job that is not submitted yet."""

    key: str | None = None
    keep: float = _KEEP
    timeout: float | None = None


def _job_id(topic: str, key: str | None) -> str:
    """Return the id of a new job; with a key, the same one in each program."""
    bits = secrets.randbits(128)
    if key is not None:
        # The length keeps the end of the topic and the begin of the key apart.
        length = len(topic).to_bytes(8, "big")
        digest = hashlib.sha256(length + topic.encode() + key.encode()).digest()
        bits = int.from_bytes(digest[:16], "big")
    room = _TOPIC_LIMIT - len(topic) - 1
    if room < 8:
        room = max(255 - len(topic) - 1, 8)
    # The topic is the secret, so the number may have fewer bits.
    context = (bits >> 64) & (_CONTEXT_LIMIT - 1)
    return f"{topic}.{topic}_{_name(bits)[:room]}.{context}"


def _submit(job: Job[_T], request: bytes, options: _JobOptions) -> Job[_T]:
    """Submit a job."""
    kept, timeout = job._kept, job._timeout
    deadline = _deadline(timeout)
    hold = kept.keep(options.keep, deadline)
    # Callers have no right to publish notes at a Django broker.
    takes_notes = hold is not None or kept.is_at_pulsar
    job.kept_for = None if hold is None else hold.retention
    is_ours: bool | None = True
    if options.key is not None and takes_notes:
        is_ours = kept.is_ours(timeout, deadline)
        if is_ours is False:
            return job
    if not takes_notes:
        # A Django broker creates the topic for a message that names it.
        kept.publish({"messageType": "ping"}, b"", deadline)
    properties: dict[str, Any] = {
        "messageType": "request",
        "x_dasf_job": "1",
        "x_dasf_keep_s": max(int(options.keep), 0),
    }
    if options.timeout is not None:
        properties["x_dasf_timeout_ms"] = int(options.timeout * 1000)
    if is_ours is None:
        properties["x_dasf_repeated"] = "1"
    try:
        kept.publish(properties, request, deadline)
    except RefusedError:
        # Nobody has the request. With a key, another caller may need the topic.
        if options.key is None and takes_notes:
            with contextlib.suppress(DasfError):
                kept.release(_deadline(timeout))
        raise
    if takes_notes:
        kept.note("sent", deadline)
    job.is_new = kept.is_submitted = True
    return job


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
        timeout_without_progress: float | None = None,
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
        timeout_without_progress : float, optional
            The same, but the time restarts with each progress report. It replaces `timeout`.
        on_progress : callable, optional
            The function that receives the progress reports.
        """
        topic = self._topic if topic is None else topic
        self._connection = _Connection(address, topic, token, headers, ca_file)
        self._set_timeout(timeout, timeout_without_progress)
        self._on_progress = on_progress

    def _set_timeout(self, timeout: float, without_progress: float | None) -> None:
        self._restarts = without_progress is not None
        self._timeout = timeout if without_progress is None else without_progress

    def with_options(
        self,
        *,
        timeout: float | None = None,
        timeout_without_progress: float | None = None,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> Self:
        """Return a client with other options that shares the connection.

        Parameters
        ----------
        timeout : float, optional
            How many seconds a call waits for its response.
        timeout_without_progress : float, optional
            The same, but the time restarts with each progress report. It replaces `timeout`.
        on_progress : callable, optional
            The function that receives the progress reports.
        """
        other = copy.copy(self)
        if timeout is not None or timeout_without_progress is not None:
            timeout = self._timeout if timeout is None else timeout
            other._set_timeout(timeout, timeout_without_progress)
        if on_progress is not None:
            other._on_progress = on_progress
        return other

    def _report(self, call: _Call, event: _Event) -> _Answer | None:
        """Return a response, raise a failure, and pass a progress report on."""
        if isinstance(event, Exception):
            raise event
        if isinstance(event, _Answer):
            return event
        if self._restarts:
            call.deadline = _deadline(self._timeout)
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

    def _attached(
        self,
        id: str,
        result: Any,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> Job[Any]:
        kept = _Kept(self._connection, id)
        if kept.topic != self._connection.topic:
            topic = self._connection.topic
            text = f"the job {id} belongs to topic {kept.topic}"
            raise ValueError(f"{text}, and this client calls topic {topic}")
        function: _Function[Any] = _Function("the job", result, {})
        return Job(kept, function, self._timeout, on_progress)


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

    @overload
    def attach(self, id: str) -> Job[Any]: ...

    @overload
    def attach(self, id: str, result: type[_T]) -> Job[_T]: ...

    @overload
    def attach(self, id: str, result: object) -> Job[Any]: ...

    def attach(self, id: str, result: Any = Any) -> Job[Any]:
        """Return the job with an id, which this or another program submitted.

        It does not ask the broker: the methods of the job raise a :class:`NoJobError` if there is
        none.

        Parameters
        ----------
        id : str
            The ``id`` of the job.
        result : type, optional
            The type of the result. Default: any.
        """
        return self._attached(id, result, self._on_progress)

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
        is_wanted = self._on_progress is not None or self._restarts
        call = connection.register(
            message_type,
            payload,
            deadline,
            events.put,
            lambda: is_wanted and events.qsize() < _REPORT_LIMIT,
            is_on_demand,
            self._timeout if self._restarts else None,
        )
        try:
            connection.write(call)
            while True:
                wait = _left(min(call.deadline, call.ask_at))
                try:
                    event = events.get(timeout=wait)
                except queue.Empty:
                    if _left(call.deadline) > 0:
                        connection.ask(call)
                        continue
                    raise connection.no_answer(self._timeout, call) from None
                answer = self._report(call, event)
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

    @overload
    def attach(self, id: str) -> AsyncJob[Any]: ...

    @overload
    def attach(self, id: str, result: type[_T]) -> AsyncJob[_T]: ...

    @overload
    def attach(self, id: str, result: object) -> AsyncJob[Any]: ...

    def attach(self, id: str, result: Any = Any) -> AsyncJob[Any]:
        """Return the job with an id, which this or another program submitted.

        It does not ask the broker: the methods of the job raise a :class:`NoJobError` if there is
        none.

        Parameters
        ----------
        id : str
            The ``id`` of the job.
        result : type, optional
            The type of the result. Default: any.
        """
        return AsyncJob(self._attached(id, result), self._on_progress)

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
        is_wanted = self._on_progress is not None or self._restarts

        def deliver(event: _Event) -> None:
            # The loop may be closed; then nobody waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(events.put_nowait, event)

        call = connection.register(
            message_type,
            payload,
            deadline,
            deliver,
            lambda: is_wanted and events.qsize() < _REPORT_LIMIT,
            is_on_demand,
            self._timeout if self._restarts else None,
        )
        try:
            await asyncio.to_thread(connection.write, call)
            while True:
                wait = _left(min(call.deadline, call.ask_at))
                try:
                    event = await asyncio.wait_for(events.get(), wait)
                except asyncio.TimeoutError:
                    if _left(call.deadline) > 0:
                        await asyncio.to_thread(connection.ask, call)
                        continue
                    raise connection.no_answer(self._timeout, call) from None
                answer = self._report(call, event)
                if answer is not None:
                    return answer
        finally:
            if connection.end(call):
                # Nobody waits for this. Otherwise `close` does it.
                with contextlib.suppress(RuntimeError):
                    loop.run_in_executor(None, connection.cancel)


class _Submitting:
    """The common part of the functions that submit jobs, of both clients."""

    def __init__(self, client: _Caller) -> None:
        self._of = client
        self._options = _JobOptions()

    def __call__(
        self,
        *,
        key: str | None = None,
        keep: float = _KEEP,
        timeout: float | None = None,
    ) -> Self:
        """Return the same functions, with other options for their jobs.

        Parameters
        ----------
        key : str, optional
            The name of the job: as long as it is kept, a further submission with this key on the same
            topic is the same job, by any program, so its function does not run twice. The first
            submission decides the arguments.
        keep : float, default: 604800.0
            How many seconds the broker keeps the job after its last use. The broker may grant less:
            see ``kept_for`` of the job.
        timeout : float, optional
            How many seconds the job may take. Default: without a limit.
        """
        other = copy.copy(self)
        other._options = _JobOptions(key, keep, timeout)
        return other

    def _job(
        self,
        function: _Function[_T],
        request: bytes,
        on_progress: Callable[[Progress], object] | None,
    ) -> Job[_T]:
        connection = self._of._connection
        kept = _Kept(connection, _job_id(connection.topic, self._options.key))
        job = Job(kept, function, self._of._timeout, on_progress)
        return _submit(job, request, self._options)

    def _check_size(self, request: bytes, api_info: dict[str, Any]) -> None:
        if self._of._is_on_demand(request, api_info):
            # The module would ask a caller that may be gone.
            raise TooLargeError(
                f"the request of a job has {len(request)} bytes; modules of a group"
                f" accept at most {_FRAME_LIMIT}"
            )


class _BlockingSubmitting(_Submitting):
    """The functions of a module that submit jobs, of the blocking client."""

    def __init__(self, client: _BlockingClient) -> None:
        super().__init__(client)
        self._client = client

    def _call(
        self,
        function: _Function[_T],
        arguments: dict[str, Any],
        instance: dict[str, Any] | None = None,
    ) -> Job[_T]:
        client = self._client
        request = _request(function, arguments, instance)
        if len(request) > _FRAME_LIMIT:
            deadline = _deadline(client._timeout)
            api_info = client._connection.api_info or client._api_info(deadline)
            self._check_size(request, api_info)
        return self._job(function, request, client._on_progress)


class _AsyncSubmitting(_Submitting):
    """The functions of a module that submit jobs, of the asyncio client."""

    def __init__(self, client: _AsyncClient) -> None:
        super().__init__(client)
        self._client = client

    async def _call(
        self,
        function: _Function[_T],
        arguments: dict[str, Any],
        instance: dict[str, Any] | None = None,
    ) -> AsyncJob[_T]:
        client = self._client
        request = _request(function, arguments, instance)
        if len(request) > _FRAME_LIMIT:
            deadline = _deadline(client._timeout)
            api_info = client._connection.api_info or await client._api_info(deadline)
            self._check_size(request, api_info)
        job = await asyncio.to_thread(self._job, function, request, None)
        return AsyncJob(job, client._on_progress)


class _BlockingSubmittingObject:
    """A class of the module whose methods submit jobs."""

    def __init__(
        self,
        submitting: _BlockingSubmitting,
        constructor: _Arguments,
        given: dict[str, Any],
    ) -> None:
        self._submitting = submitting
        self._instance = _instance(constructor, given)

    def _call(self, method: _Function[_T], given: dict[str, Any]) -> Job[_T]:
        return self._submitting._call(method, given, self._instance)


class _AsyncSubmittingObject:
    """A class of the module whose methods submit jobs."""

    def __init__(
        self,
        submitting: _AsyncSubmitting,
        constructor: _Arguments,
        given: dict[str, Any],
    ) -> None:
        self._submitting = submitting
        self._instance = _instance(constructor, given)

    async def _call(self, method: _Function[_T], given: dict[str, Any]) -> AsyncJob[_T]:
        return await self._submitting._call(method, given, self._instance)


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
