"""Submit jobs and collect them.

The arguments are the folder of the client `generated_work.py`, the URL of the broker (or the host and
port of a Pulsar), the topic, an action, and its values:

- `submit GATE` submits a job that waits at a gate, prints its id, and waits for its end;
- `key KEY` submits a job with a key, and prints its id and whether it is new;
- `collect ID` prints the length of the result of a job;
- `status ID` prints the state of a job;
- `refused KEY` submits a job that the broker refuses, with a key unless it is empty;
- `try GATE` tries all functions of jobs, of both clients, and prints nothing if everything is right.
"""

import asyncio
import concurrent.futures
import sys
import threading
from concurrent.futures import as_completed
from typing import Any

sys.path.insert(0, sys.argv.pop(1))

from generated_work import (  # noqa: E402
    AsyncClient,
    AsyncJob,
    Client,
    Job,
    JobCancelledError,
    JobStatus,
    ModuleError,
    NoAnswerError,
    NoJobError,
    Progress,
    Pulsar,
    RefusedError,
)

# Seconds that a step may take on a busy machine.
PATIENCE = 120.0


def address(place: str) -> str | Pulsar:
    """Return the address of the broker."""
    if "://" in place:
        return place
    host, port = place.split(":")
    return Pulsar(host, int(port), persistence="persistent")


PLACE, TOPIC, ACTION, VALUE = sys.argv[1:]
IS_DJANGO = "django" in VALUE
IS_PULSAR = "://" not in PLACE


def client() -> Client:
    return Client(address(PLACE), topic=TOPIC, timeout=PATIENCE)


def refused(error: type[Exception], call: Any, *arguments: Any) -> str:
    try:
        found = call(*arguments)
    except error as refusal:
        return str(refusal)
    raise AssertionError(f"{found!r} instead of {error}")


def blocking(gate: str) -> None:
    with client() as own:
        large: Job[str] = own.submit(keep=60.0).fill(100_000)
        small = own.submit(timeout=PATIENCE).fill(10)
        seen = {job: len(job.result()) for job in as_completed([large, small])}
        assert seen == {large: 100_000, small: 10}, seen
        assert small.status() == JobStatus("done"), small.status()
        assert large.is_new and (large.kept_for is None or large.kept_for == 60.0)
        assert not small.cancel() and not small.cancelled()
        # An unknown length of the id, and a job of another topic.
        assert "copy the whole id" in refused(ValueError, own.attach, "7")
        other = "other.other_a1b2c3d4.7"
        assert "belongs to topic other" in refused(ValueError, own.attach, other)

        attached: Job[list[int]] = own.attach(small.id, list[int])
        assert "declared type" in str(attached.exception(PATIENCE))
        failed = own.submit.refuse("no")
        assert str(failed.exception(PATIENCE)) == "executing: no"
        status = failed.status()
        assert status.state == "failed" and str(status) == "failed: executing: no"
        assert isinstance(status.error, ModuleError)

        reports: list[Progress] = []
        waiting = own.submit.wait(gate)
        reported = threading.Event()

        def note(report: Progress) -> None:
            if report.children:
                reports.append(report)
                reported.set()

        waiting.on_progress(note)
        assert reported.wait(PATIENCE)
        assert reports[0].children[0].step_message == "at the gate", reports
        text = refused(NoAnswerError, waiting.result, 0.01)
        assert text.startswith(f"the job {waiting.id} is not done after 0.01 s: it is")
        assert "running" in text, text
        assert concurrent.futures.wait([waiting], timeout=0.01).not_done == {waiting}
        if not IS_DJANGO:
            assert waiting.cancel()
            assert isinstance(waiting.exception(PATIENCE), JobCancelledError)
            assert waiting.cancelled() and waiting.status().state == "cancelled"
            assert own.submit.wait(gate).cancel()
        own.submit.open(gate).result(PATIENCE)
        small.forget()
        if not IS_DJANGO:
            refused(NoJobError, small.status)
            refused(NoJobError, own.attach(small.id).result)
            given_up(own, f"{gate} again", f"{gate} never")
        pending = own.submit.wait(f"{gate} never")
        pending.on_progress(reports.append)
    assert str(pending.exception(PATIENCE)) == "the client is closed"


def given_up(own: Client, key: str, gate: str) -> None:
    for _ in range(2):
        job = own.submit(key=key).fill(3)
        assert job.is_new and job.result(PATIENCE) == "012"
        assert not own.submit(key=key).fill(4).is_new
        job.forget()
    if IS_PULSAR:
        waiting = own.submit.wait(gate)
        reported = threading.Event()
        waiting.on_progress(lambda report: reported.set())
        assert reported.wait(PATIENCE)
        own.attach(waiting.id).forget()
        assert isinstance(waiting.exception(PATIENCE), NoJobError)


async def awaited(gate: str) -> None:
    async with AsyncClient(address(PLACE), topic=TOPIC, timeout=PATIENCE) as own:
        small: AsyncJob[str] = await own.submit.fill(10)
        assert await small == "0123456789"
        assert (await small.status()).state == "done"
        assert await own.attach(small.id) == await small
        with client() as other:
            assert await other.attach(small.id) == await small
        reports: list[Progress] = []
        watched = own.with_options(on_progress=reports.append)
        waiting = await watched.submit.wait(gate)
        try:
            await waiting.result(0.5)
        except NoAnswerError as error:
            assert "is not done after 0.5 s" in str(error), error
        # The job continues when a task that waits for it is cancelled.
        task = asyncio.ensure_future(waiting.result())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        opened = await own.submit.open(gate)
        results = await asyncio.gather(opened, waiting.result(PATIENCE))
        assert list(results) == [None, gate], results
        assert reports
        await small.forget()


def nothing_is_left() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith("dasf "):
            thread.join(PATIENCE)
            assert not thread.is_alive(), thread


if ACTION == "try":
    blocking(f"{VALUE} 1")
    asyncio.run(awaited(f"{VALUE} 2"))
    nothing_is_left()
else:
    with client() as own:
        if ACTION == "submit":
            job = own.submit.wait(VALUE)
            print(job.id, flush=True)
            job.result()
        elif ACTION == "key":
            job = own.submit(key=VALUE).fill(5)
            print(job.id, job.is_new)
        elif ACTION == "refused":
            submit = own.submit(key=VALUE or None)
            print(refused(RefusedError, submit.fill, 5))
        elif ACTION == "collect":
            print(len(own.attach(VALUE, str).result(PATIENCE)))
        else:
            print(own.attach(VALUE).status())
