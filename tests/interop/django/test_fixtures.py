"""A Rust module, tested with the fixtures of the broker for its users."""

import json
import os

MODULE = os.path.join(os.path.dirname(__file__), "module.py")


def test_a_module_connects(random_topic, test_dasf_connect):
    assert random_topic in test_dasf_connect(random_topic, MODULE)


def test_a_module_answers(random_topic, connect_module, test_dasf_request):
    connect_module(random_topic, MODULE)
    request = {"func_name": "add", "a": 1}
    assert json.loads(test_dasf_request(random_topic, MODULE, request)) == 3


def test_a_class_answers(random_topic, connect_module, test_dasf_request):
    connect_module(random_topic, MODULE)
    request = {
        "class_name": "Greeter",
        "greeting": "Grüße",
        "function": {"func_name": "greet", "name": "世"},
    }
    assert json.loads(test_dasf_request(random_topic, MODULE, request)) == "Grüße 世"
