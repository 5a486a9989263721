"""Answer requests with the reference module, as it does when it listens.

Each line of the standard input is the payload of a request, as a JSON text. For each a line is
printed: the frame of the answer, without what reports the progress, or null where the module sends
none.
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
    """A socket that keeps what is sent."""

    def __init__(self):
        self.frames = []

    def send(self, text):
        self.frames.append(json.loads(text))


class Consumer(MessageConsumer):
    """demessaging's own, as far as its sockets."""

    def wait_for_websocket_connection(self, ws_app, timeout=10):
        return True

    def reset_close_timer(self, ws_app):
        pass

    def open_producer_app(self, topic, **kwargs):
        producer = Producer()
        self.producer_locks[producer] = Lock()
        return producer


def answer(consumer, payload):
    """The frame with the outcome of a request."""
    properties = {"messageType": "request", "requestContext": "1", "response_topic": "answers"}
    message = {"messageId": "1", "context": "1", "payload": payload, "properties": properties}
    # What `listen` runs for a message, on a thread where an exception ends nothing but itself.
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
    # As `listen` makes it.
    module.pulsar = Consumer(
        pulsar_config=module.backend_config.messaging_config,
        handle_request=module.handle_message,
        module_info=module.model_json_schema(),
        api_info=module.get_api_info(),
    )
    # Who writes the requests may begin to read when all are written.
    for line in sys.stdin.readlines():
        print(json.dumps(answer(module.pulsar, json.loads(line))))


if __name__ == "__main__":
    main()
