// A small HTTP service on the official JavaScript SDK, for the propagation tests.
//
// Usage: service.js OTLP_HTTP_ENDPOINT [SERVICE_NAME]
//
// It prints `listening PORT` once it can be called, on a free loopback port.
//
// `GET /call?next=URL` continues the caller's trace: a server span whose attributes repeat the
// baggage that arrived. With `next` it calls that URL inside a client span, context and baggage
// injected; the address is used as it is, so a chain is written by nesting escaped addresses.
// The answer is JSON: the ids this service saw and used, the baggage, and the answer of `next`.
// It is sent after the spans were exported, so whoever has the answer can look for the spans.
'use strict';

const http = require('node:http');
const { context, propagation, trace, SpanKind, SpanStatusCode } = require('@opentelemetry/api');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-proto');
const { resourceFromAttributes } = require('@opentelemetry/resources');
const { NodeTracerProvider, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-node');

const [endpoint, serviceName = 'node-service'] = process.argv.slice(2);

const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ 'service.name': serviceName }),
  spanProcessors: [new SimpleSpanProcessor(new OTLPTraceExporter({ url: `${endpoint}/v1/traces` }))],
});
// Registers the context manager and the SDK's default propagators: trace context and baggage.
provider.register();

const tracer = trace.getTracer('otel-enhance.node-service');

async function serve(headers, following) {
  const arrived = propagation.extract(context.active(), headers);
  const parent = trace.getSpanContext(arrived);
  const span = tracer.startSpan('GET /call', { kind: SpanKind.SERVER }, arrived);
  try {
    const baggage = {};
    for (const [key, entry] of propagation.getBaggage(arrived)?.getAllEntries() ?? []) {
      baggage[key] = entry.value;
      span.setAttribute(`baggage.${key}`, entry.value);
    }
    const own = span.spanContext();
    return {
      language: 'javascript',
      trace_id: own.traceId,
      span_id: own.spanId,
      parent_span_id: parent?.spanId ?? null,
      sampled: (own.traceFlags & 1) === 1,
      tracestate: own.traceState?.serialize() ?? '',
      baggage,
      next: following ? await context.with(trace.setSpan(arrived, span), () => call(following)) : null,
    };
  } finally {
    span.end();
  }
}

async function call(url) {
  const span = tracer.startSpan('GET', { kind: SpanKind.CLIENT });
  const headers = {};
  propagation.inject(trace.setSpan(context.active(), span), headers);
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(10_000) });
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    return await response.json();
  } catch (error) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    throw new Error(`calling ${url}: ${error.message}`, { cause: error });
  } finally {
    span.end();
  }
}

async function handle(request) {
  const url = new URL(request.url, 'http://127.0.0.1');
  if (url.pathname !== '/call') {
    return [404, { error: `no such path: ${url.pathname}, try /call` }];
  }
  try {
    return [200, await serve(request.headers, url.searchParams.get('next'))];
  } catch (error) {
    return [502, { error: error.message }];
  }
}

const server = http.createServer(async (request, response) => {
  let [status, content] = await handle(request);
  try {
    await provider.forceFlush();
  } catch (error) {
    [status, content] = [500, { error: `exporting the spans to ${endpoint}: ${error}` }];
  }
  response.writeHead(status, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(content));
});

server.listen(0, '127.0.0.1', () => console.log(`listening ${server.address().port}`));
