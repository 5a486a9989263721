"""Call the function `add` of a module with demessaging, and measure the calls.

The options and the lines on the standard output are those of the callers in Rust, which
`../load/src/lib.rs` explains. A call blocks its thread, so there is a thread for each call in flight.
"""

import argparse
import json
import logging
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from demessaging import BackendModule

# The folder of the module, whose members demessaging has to import.
MODULES = Path(__file__).resolve().parents[2] / "tests" / "interop" / "python"


def read_options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--websocket-url", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--function", choices=["add"], default="add")
    parser.add_argument("--in-flight", type=int, default=1)
    parser.add_argument("--clients", type=int, choices=[1], default=1)
    parser.add_argument("--bytes", type=int, help="not used by `add`")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--warm-up", type=float, default=0.5)
    return parser.parse_args()


class Caller:
    def __init__(self, options):
        config = {"topic": options.topic, "websocket_url": options.websocket_url}
        self.model = BackendModule.create_model("reference_module", messaging_config=config)
        self.pool = ThreadPoolExecutor(options.in_flight)
        self.in_flight = options.in_flight

    def add(self):
        request = {"func_name": "add", "a": 1, "b": 2}
        result = self.model.model_validate(request).compute().root
        if result != 3:
            raise ValueError(f"the result is wrong: {result!r}")

    def call_until(self, end):
        """Make one call after the other, at least one, and return their times."""
        latencies = []
        while not latencies or time.perf_counter() < end:
            start = time.perf_counter()
            self.add()
            latencies.append(time.perf_counter() - start)
        return latencies

    def phase(self, seconds):
        end = time.perf_counter() + seconds
        lanes = self.pool.map(self.call_until, [end] * self.in_flight)
        return [latency for lane in lanes for latency in lane]


def figures(latencies, seconds):
    latencies.sort()
    calls = len(latencies)

    def percentile(percent):
        rank = -(-calls * percent // 100)
        return int(latencies[max(rank - 1, 0)] * 1e6)

    return {
        "calls": calls,
        "failed": 0,
        "seconds": seconds,
        "calls_per_second": calls / seconds,
        "p50_us": percentile(50),
        "p99_us": percentile(99),
    }


def main():
    # demessaging writes its log to the standard output.
    logging.disable()
    sys.path.insert(0, str(MODULES))
    options = read_options()
    caller = Caller(options)
    caller.phase(options.warm_up)
    print("start", flush=True)
    start = time.perf_counter()
    latencies = caller.phase(options.seconds)
    elapsed = time.perf_counter() - start
    print("stop", flush=True)
    print(json.dumps(figures(latencies, elapsed)), flush=True)
    if not sys.stdin.isatty():
        sys.stdin.read()


main()
