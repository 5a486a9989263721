"""The pages of the broker: the status of topics, and the web component."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("broker/", include("dasf_broker.urls")),
    path("page/", include("dasf_broker.frontend.urls")),
]
