"""Answer requests with the reference module, as a listening module does.

Each line of the standard input is the payload of a request, as a JSON string. The script prints a
line for each request: the frame of the response, without progress reports, or null if the module
sends none.
"""

import json
import logging
import sys
from threading import Lock

from demessaging import BackendModule
from demessaging.config import ModuleConfig
from demessaging.messaging.consumer import MessageConsumer

TOPIC = "test-topic"


class Producer:
    """A socket that keeps the sent frames."""

    def __init__(self):
        self.frames = []

    def send(self, text):
        self.frames.append(json.loads(text))


class Consumer(MessageConsumer):
    """The module of demessaging, with other sockets."""

    def wait_for_websocket_connection(self, ws_app, timeout=10):
        return True

    def reset_close_timer(self, ws_app):
        pass

    def open_producer_app(self, topic, **kwargs):
        producer = Producer()
        self.producer_locks[producer] = Lock()
        return producer


def answer(consumer, payload):
    """Return the frame with the outcome of a request."""
    properties = {"messageType": "request", "requestContext": "1", "response_topic": "answers"}
    message = {"messageId": "1", "context": "1", "payload": payload, "properties": properties}
    # `listen` runs this for a message, on a thread in which an exception ends only the thread.
    try:
        consumer.handle_request(message)
    except Exception as error:
        print(f"{type(error).__name__}: {error}"[:200], file=sys.stderr)
    producer = consumer.producers.pop("answers", Producer())
    outcomes = [
        frame for frame in producer.frames if frame["properties"]["messageType"] == "response"
    ]
    assert len(outcomes) <= 1, outcomes
    return outcomes[0] if outcomes else None


def main():
    config = ModuleConfig(messaging_config={"topic": TOPIC, "max_payload_size": 10_000_000})
    module = BackendModule.create_model("reference_module", class_name=TOPIC, config=config)
    # demessaging writes its log to the standard output.
    logging.disable()
    # As in `listen`.
    module.pulsar = Consumer(
        pulsar_config=module.backend_config.messaging_config,
        handle_request=module.handle_message,
        module_info=module.model_json_schema(),
        api_info=module.get_api_info(),
    )
    # The caller may write all requests before it reads.
    for line in sys.stdin.readlines():
        print(json.dumps(answer(module.pulsar, json.loads(line))))


if __name__ == "__main__":
    main()
