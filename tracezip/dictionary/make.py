#!/usr/bin/env python3
"""Makes v1.bin, the text that every compressed text may refer to, from what OpenTelemetry's semantic conventions,
SDKs and instrumentations call things. v1.bin is part of the format: once version 1 is released it never changes.
What is likely comes last, where references to it are the shortest.

In front of it is statistics.bin: the head of a dictionary of zstd's, with the tables that short text is coded by unless it
brings its own. `ZDICT_finalizeDictionary` made it for level 1 and the id 0x7ace0001, from the texts of up to 4 KiB of frames of five
corpora: 316 of them, 9 to 111 of each."""
import pathlib

HERE = pathlib.Path(__file__).parent

SCOPES = """
io.opentelemetry.spring-webmvc-6.0 io.opentelemetry.spring-webflux-5.3 io.opentelemetry.servlet-5.0
io.opentelemetry.apache-httpclient-4.0 io.opentelemetry.okhttp-3.0 io.opentelemetry.java-http-client
io.opentelemetry.kafka-clients-0.11 io.opentelemetry.hibernate-6.0 io.opentelemetry.grpc-1.6
io.opentelemetry.netty-4.1 io.opentelemetry.tomcat-7.0 io.opentelemetry.jdbc io.opentelemetry.mongo-3.1
go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc
go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp
OpenTelemetry.Instrumentation.AspNetCore OpenTelemetry.Instrumentation.Http Microsoft.AspNetCore System.Net.Http
opentelemetry.instrumentation.django opentelemetry.instrumentation.fastapi opentelemetry.instrumentation.asgi
opentelemetry.instrumentation.wsgi opentelemetry.instrumentation.urllib3 opentelemetry.instrumentation.httpx
opentelemetry.instrumentation.psycopg2 opentelemetry.instrumentation.redis opentelemetry.instrumentation.grpc
opentelemetry.instrumentation.celery opentelemetry.instrumentation.sqlalchemy opentelemetry.instrumentation.requests
opentelemetry.instrumentation.flask
@opentelemetry/instrumentation-grpc @opentelemetry/instrumentation-pg @opentelemetry/instrumentation-ioredis
@opentelemetry/instrumentation-mongodb @opentelemetry/instrumentation-mysql2 @opentelemetry/instrumentation-koa
@opentelemetry/instrumentation-fastify @opentelemetry/instrumentation-nestjs-core @opentelemetry/instrumentation-dns
@opentelemetry/instrumentation-fs @opentelemetry/instrumentation-net @opentelemetry/instrumentation-undici
@opentelemetry/instrumentation-express @opentelemetry/instrumentation-http
""".split()

RESOURCE = """
cloud.provider cloud.platform cloud.region cloud.availability_zone cloud.account.id cloud.resource_id aws.ecs.task.arn
faas.name faas.version faas.instance container.id container.name container.image.name container.image.tag
container.runtime k8s.cluster.name k8s.node.name k8s.namespace.name k8s.pod.uid k8s.pod.name k8s.pod.ip
k8s.container.name k8s.deployment.name k8s.replicaset.name k8s.statefulset.name k8s.daemonset.name k8s.job.name
deployment.environment deployment.environment.name os.type linux os.description os.name os.version host.id host.name
host.arch amd64 arm64 process.pid process.parent_pid process.owner process.executable.name process.executable.path
process.command process.command_args process.command_line process.runtime.name process.runtime.version
process.runtime.description OpenJDK cpython nodejs telemetry.distro.name opentelemetry-java-instrumentation
telemetry.distro.version telemetry.auto.version telemetry.sdk.language java python go dotnet ruby php cpp erlang swift
webjs rust nodejs telemetry.sdk.name opentelemetry telemetry.sdk.version service.namespace service.version
service.instance.id service.name unknown_service:node
""".split()

VALUES = """
true false unset OK Error success failure error timeout database connection pool handler middleware router request
response internal server client producer consumer ipv4 ipv6 IP.TCP ip_tcp tcp udp unix localhost 127.0.0.1 0.0.0.0
application/json text/html text/plain Mozilla/5.0 curl/ python-requests/ okhttp/ node undici Java/ Go-http-client/1.1
grpc apache_dubbo kafka rabbitmq mongodb memcached mssql oracle postgresql mysql sqlite redis INSERT UPDATE DELETE
SELECT FROM WHERE VALUES
PUT PATCH OPTIONS HEAD /health /metrics /api/v1/ http://localhost: https://www. 1.0 2.0 HTTP/1.1 1.1 https http POST GET
""".split()

# Suffixes of the values that a shape's keys have: string, integer, boolean, double.
STRING, INTEGER, BOOLEAN, DOUBLE = (bytes([16, 1, 0x0A, 4, 0]), bytes([16, 1, 0x18, 1, 0]), bytes([16, 1, 0x10, 1, 0]),
                                    bytes([16, 1, 0x21, 2]))
NUMBERS = {"port", "status_code", "id#", "size", "length", "count", "number", "lineno", "pid#"}

KEYS = """
otel.status_code otel.status_description otel.scope.name otel.library.name otel.event.name
feature_flag.key feature_flag.variant enduser.id enduser.role session.id user.id user.name user.email
graphql.operation.name graphql.operation.type graphql.document aws.request_id aws.dynamodb.table_names aws.s3.bucket
aws.s3.key aws.sqs.queue.url gen_ai.system gen_ai.request.model gen_ai.usage.input_tokens#
gen_ai.usage.output_tokens# faas.trigger faas.invocation_id faas.coldstart? cloudevents.event_id
cloudevents.event_type messaging.system messaging.operation messaging.operation.name messaging.operation.type
messaging.destination messaging.destination.name messaging.destination_kind messaging.destination.partition.id
messaging.message.id messaging.message_id messaging.message.body.size# messaging.message.conversation_id
messaging.client.id messaging.consumer.group.name messaging.batch.message_count#
messaging.kafka.message.key messaging.kafka.message.offset# messaging.kafka.consumer.group messaging.kafka.partition#
messaging.rabbitmq.destination.routing_key rpc.system rpc.service rpc.method rpc.grpc.status_code#
rpc.message.type rpc.message.id# message.type message.id# message.uncompressed_size#
db.system.name db.namespace db.collection.name db.operation.name db.operation.batch.size# db.query.text
db.query.summary db.response.status_code db.response.returned_rows# db.redis.database_index# db.mongodb.collection
db.sql.table db.user db.connection_string db.name db.operation db.statement db.system
browser.language browser.platform user_agent.name user_agent.version tls.protocol.version
exception.escaped exception.stacktrace exception.message exception.type error.message error.type
code.stacktrace code.column# code.line.number# code.function.name code.file.path code.module.name code.lineno# code.filepath
code.namespace code.function target level busy_ns# idle_ns# thread.name thread.id#
peer.service net.transport net.protocol.name net.protocol.version net.sock.family net.sock.host.addr net.sock.host.port#
net.sock.peer.name net.sock.peer.addr net.sock.peer.port# net.host.ip net.host.name net.host.port# net.peer.ip
net.peer.name net.peer.port# client.address client.port# server.address server.port# network.transport network.type
network.protocol.name network.protocol.version network.local.address network.local.port# network.peer.address
network.peer.port# http.client_ip http.flavor http.scheme http.host http.server_name http.user_agent http.target
http.url http.request.header.content-type http.request.body.size# http.response.body.size# http.request.size#
http.response.size# http.request_content_length# http.request_content_length_uncompressed#
http.response_content_length# http.response_content_length_uncompressed# http.request.resend_count#
http.request.method_original http.status_text express.name express.type http.method http.status_code# http.route
user_agent.original url.scheme url.domain url.fragment url.query url.path url.full http.request.method
http.response.status_code#
""".split()


def key(name):
    """An attribute as it is in a shape, from its key's literal on: key, value, the ends of both, the next's beginning."""
    value = INTEGER if name.endswith("#") else BOOLEAN if name.endswith("?") else STRING
    name = name.rstrip("#?").encode()
    literal = bytes([0x0A, len(name)]) + name + b"\x12"
    return bytes([16, len(literal)]) + literal + bytes([17, 0]) + value + bytes([18, 18]) + bytes([16, 1, 0x4A, 17, 0])


def attribute(name):
    """A string of a resource, from its key on."""
    name = name.encode()
    return bytes([0x0A, len(name)]) + name + bytes([0x12])


def value(text):
    """A string in a leaf."""
    text = text.encode()
    return bytes([1, len(text)]) + text


def make():
    out = (HERE / "statistics.bin").read_bytes()
    out += b"".join(attribute(scope) for scope in SCOPES)
    out += b"".join(attribute(name) for name in RESOURCE)
    out += b"".join(value(text) for text in VALUES)
    out += b"".join(key(name) for name in KEYS)
    # How the shape of a span begins and goes on until its attributes.
    out += bytes([16, 2, 0x0A, 16, 5, 16, 2, 0x12, 8, 6, 16, 2, 0x22, 8, 7, 16, 1, 0x2A, 4, 0, 16, 1, 0x30, 1, 0, 16, 1,
                  0x39, 8, 16, 1, 0x41, 9, 16, 1, 0x4A, 17, 0])
    return out


if __name__ == "__main__":
    (HERE / "v1.bin").write_bytes(make())
    print(len(make()), "bytes")
