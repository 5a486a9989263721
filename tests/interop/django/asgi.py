"""The application that daphne serves: the pages, and the WebSockets of the broker with tokens."""

import django
from django.core.asgi import get_asgi_application

django.setup()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

import dasf_broker.routing  # noqa: E402
from dasf_broker.token_auth_middleware import TokenAuthMiddlewareStack  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": get_asgi_application(),
        "websocket": TokenAuthMiddlewareStack(
            URLRouter(dasf_broker.routing.websocket_urlpatterns)
        ),
    }
)
