"""A small HTTP service on the official Python SDK, for the propagation tests.

Usage: service.py OTLP_HTTP_ENDPOINT [SERVICE_NAME]

It prints `listening PORT` once it can be called, on a free loopback port.

`GET /call?next=URL` continues the caller's trace: a server span whose attributes repeat the
baggage that arrived. With `next` it calls that URL inside a client span, context and baggage
injected; the address is used as it is, so a chain is written by nesting escaped addresses.
The answer is JSON: the ids this service saw and used, the baggage, and the answer of `next`.
Every span is exported the moment it ends, so whoever has the answer can look for the spans.
"""

import json
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from opentelemetry import baggage, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACER = trace.get_tracer("otel-enhance.python-service")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlsplit(self.path)
        if url.path != "/call":
            self.answer(404, {"error": f"no such path: {url.path}, try /call"})
            return
        following = parse_qs(url.query).get("next", [None])[0]
        carrier = {name.lower(): value for name, value in self.headers.items()}
        try:
            self.answer(200, serve(carrier, following))
        except OSError as error:
            self.answer(502, {"error": f"calling {following}: {error}"})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        """Says nothing: the tests read the spans, not a log."""


def serve(carrier, following):
    context = propagate.extract(carrier)
    parent = trace.get_current_span(context).get_span_context()
    with TRACER.start_as_current_span("GET /call", context=context, kind=trace.SpanKind.SERVER) as span:
        received = {key: str(value) for key, value in baggage.get_all(context).items()}
        for key, value in received.items():
            span.set_attribute(f"baggage.{key}", value)
        own = span.get_span_context()
        return {
            "language": "python",
            "trace_id": trace.format_trace_id(own.trace_id),
            "span_id": trace.format_span_id(own.span_id),
            "parent_span_id": trace.format_span_id(parent.span_id) if parent.is_valid else None,
            "sampled": bool(own.trace_flags.sampled),
            "tracestate": own.trace_state.to_header(),
            "baggage": received,
            "next": call(following, context) if following else None,
        }


def call(url, arrived):
    with TRACER.start_as_current_span("GET", kind=trace.SpanKind.CLIENT):
        # The current context has the span; baggage travels in the one that arrived.
        context = trace.set_span_in_context(trace.get_current_span(), arrived)
        headers = {}
        propagate.inject(headers, context=context)
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)


def main():
    endpoint, name = sys.argv[1], (sys.argv[2:] or ["python-service"])[0]
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces")))
    trace.set_tracer_provider(provider)
    propagate.set_global_textmap(CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()]))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"listening {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
