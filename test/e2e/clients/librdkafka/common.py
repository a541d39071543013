"""What all operations share: settings of a connection, errors, records, digests."""

import base64
import hashlib

from confluent_kafka import KafkaError, KafkaException


class Unsupported(Exception):
    """The library cannot do it; the message says why."""


def settings(request):
    conn = request["conn"]
    security = conn.get("security") or {}
    protocol = security.get("protocol", "PLAINTEXT")
    conf = {
        "bootstrap.servers": conn["bootstrap"],
        "client.id": conn.get("client_id", "e2e-librdkafka"),
        "security.protocol": protocol,
        "reconnect.backoff.max.ms": 500,
        "topic.metadata.refresh.fast.interval.ms": 100,
        "log_level": 3,
    }
    if protocol.startswith("SASL"):
        conf["sasl.mechanism"] = security.get("mechanism", "PLAIN")
        conf["sasl.username"] = security.get("username")
        conf["sasl.password"] = security.get("password")
    if protocol.endswith("SSL"):
        conf["ssl.ca.location"] = security["ca"]
        if security.get("cert"):
            conf["ssl.certificate.location"] = security["cert"]
            conf["ssl.key.location"] = security["key"]
    return conf


def kafka_error(err):
    return {"name": err.name(), "code": err.code() if err.code() >= 0 else None, "message": err.str(), "retriable": err.retriable()}


def describe_error(e):
    if isinstance(e, KafkaException) and e.args and isinstance(e.args[0], KafkaError):
        return kafka_error(e.args[0])
    return {"name": type(e).__name__, "code": None, "message": str(e), "retriable": None}


def decode(text):
    return None if text is None else base64.b64decode(text)


def encode(data):
    return None if data is None else base64.b64encode(data).decode("ascii")


def generated(g, i):
    """Record i of a generator as (partition, key, value, headers, timestamp), as README.md defines it."""
    mixed = g.get("flavour", "plain") == "mixed"
    key, value, headers = generated_key(g, i), VALUES[g.get("value", "text")](g, i), []
    if mixed:
        if i % 5 == 4:
            key = None
        if i % 7 == 3:
            value = None
        elif i % 7 == 5:
            value = b""
        if i % 3 == 0:
            headers = [("h1", str(i).encode("ascii")), ("h2", None)]
    ts = g.get("ts", 0)
    return i % max(1, g.get("partitions", 1)), key, value, headers, ts + i if ts else None


def generated_key(g, i):
    hot, keys = g.get("hot", 0), g.get("keys", 0)
    name = "hot" if hot and i % hot == 0 else "k%d" % (i % keys if keys else i)
    return (g.get("prefix", "") + name).encode("ascii")


def generated_text(g, i):
    value = ("%sv%d:" % (g.get("prefix", ""), i)).encode("ascii")
    return value + padding(i, g.get("size", 0) - len(value))


VALUES = {
    "text": generated_text,
    "json": lambda g, i: b'{"id":%d,"name":"n%d","email":"e%d@example.org"}' % (i, i, i),
    "json-null-email": lambda g, i: b'{"id":%d,"name":"n%d","email":null}' % (i, i),
    "confluent": lambda g, i: b"\x00\x00\x00\x00\x07" + generated_text(g, i),
    "null": lambda g, i: None,
    "null-text": lambda g, i: b"null",
    "empty": lambda g, i: b"",
    "empty-object": lambda g, i: b"{}",
}


def padding(i, length):
    if length <= 0:
        return b""
    period = bytes(97 + (i * 7 + j * j) % 26 for j in range(min(26, length)))  # j*j mod 26 repeats every 26
    return (period * (length // 26 + 1))[:length]


def given(n):
    """A record of a request as (partition or None, key, value, headers, timestamp)."""
    headers = [(name, decode(value)) for name, value in n.get("h") or []]
    return n.get("p"), decode(n.get("k")), decode(n.get("v")), headers, n.get("ts")


def as_json(msg):
    return {
        "t": msg.topic(), "p": msg.partition(), "o": msg.offset(), "k": encode(msg.key()), "v": encode(msg.value()),
        "h": [[name, encode(value)] for name, value in msg.headers() or []], "ts": msg.timestamp()[1],
    }


def line(msg):
    key = "-" if msg.key() is None else encode(msg.key())
    value = "-" if msg.value() is None else encode(msg.value())
    headers = ",".join("%s=%s" % (name, "-" if v is None else encode(v)) for name, v in msg.headers() or [])
    return ("%s\t%s\t%s\t%d\n" % (key, value, headers, msg.timestamp()[1])).encode("utf-8")


class Digest:
    """Count, hash and offsets of one partition's records."""

    def __init__(self, first):
        self.count, self.first, self.last, self.sha = 0, first, first, hashlib.sha256()

    def add(self, msg):
        self.count += 1
        self.last = msg.offset()
        self.sha.update(line(msg))

    def json(self):
        return {"count": self.count, "sha256": self.sha.hexdigest(), "first": self.first, "last": self.last}
