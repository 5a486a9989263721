//! HTTP, OpenAPI and a page for DASF modules, in front of any message broker.
