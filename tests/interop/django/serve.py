"""Serve the broker on a port of this machine until the standard input ends.

The arguments are the file of the database, which is created if it does not exist, and the port; 0
stands for a free port. When the broker listens, it prints a line of JSON with its port and its
tokens. Each line of the standard input is a command, and the answer is a line of JSON:

topic NAME      create a topic that everybody may use; the answer is null
api_info NAME   return the stored API description of the module on the topic; {} if there is none
"""

import json
import os
import sys
import threading
import traceback

DATABASE, PORT = sys.argv[1], sys.argv[2]
os.environ["DASF_TEST_DATABASE"] = DATABASE
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"

from asgi import application  # noqa: E402
from daphne.server import Server  # noqa: E402
from django.contrib.auth.models import Permission, User  # noqa: E402
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler  # noqa: E402
from django.core.management import call_command  # noqa: E402
from guardian.shortcuts import get_anonymous_user  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402

from dasf_broker.models import BrokerTopic  # noqa: E402

# The rights of users on the topic `private`.
USERS = {"producer": {"producer": "producer"}, "consumer": {"consumer": "consumer"}, "nobody": {}}


def prepare():
    """Create the database, and let everybody create topics by using them."""
    call_command("migrate", verbosity=0)
    may_make_topics = Permission.objects.get(codename="add_brokertopic")
    anonymous = get_anonymous_user()
    anonymous.user_permissions.add(may_make_topics)
    tokens = {}
    for name in USERS:
        user, _ = User.objects.get_or_create(username=name)
        user.user_permissions.add(may_make_topics)
        tokens[name] = Token.objects.get_or_create(user=user)[0].key
    if not BrokerTopic.objects.exists():
        # The response topic of the status page, and a topic that only some users may use.
        call_command("dasf_topic", "status-ping", new=True, anonymous=True)
        call_command("dasf_topic", "private", new=True, public=False)
        for options in filter(None, USERS.values()):
            call_command("dasf_topic", "private", **options)
    return tokens


def make_topic(name):
    call_command("dasf_topic", name, new=True, anonymous=True)


def api_info(name):
    return BrokerTopic.objects.get(slug=name).api_info


COMMANDS = {"topic": make_topic, "api_info": api_info}


def obey():
    try:
        for line in sys.stdin:
            command, name = line.split()
            print(json.dumps(COMMANDS[command](name)), flush=True)
    except Exception:
        # Without this thread, the next command would have no answer.
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main():
    tokens = prepare()
    threading.Thread(target=obey, daemon=True).start()

    def ready():
        port = server.listening_addresses[0][1]
        print(json.dumps({"port": port, "tokens": tokens}), flush=True)

    server = Server(
        application=ASGIStaticFilesHandler(application),
        endpoints=[f"tcp:port={PORT}:interface=127.0.0.1"],
        ready_callable=ready,
        signal_handlers=False,
        verbosity=0,
    )
    server.run()


main()
