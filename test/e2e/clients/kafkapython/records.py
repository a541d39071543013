"""Records as the driver protocol writes them: decoding, generating, and the digest of a partition."""

import base64
import hashlib

LETTERS = b"abcdefghijklmnopqrstuvwxyz"
# Letter j of record i depends on (i*7) and j*j modulo 26 only, so one period per remainder is enough.
PERIODS = [bytes(LETTERS[(r + j * j) % 26] for j in range(26)) for r in range(26)]


def b64(data):
    return None if data is None else base64.b64encode(data).decode("ascii")


def unb64(text):
    return None if text is None else base64.b64decode(text, validate=True)


def decode(record):
    """A record of a request as (partition or None, key, value, headers, timestamp or None)."""
    headers = [(name, unb64(value)) for name, value in record.get("h") or []]
    return record.get("p"), unb64(record.get("k")), unb64(record.get("v")), headers, record.get("ts")


def padded(i, prefix, size):
    """The value of generated record i: its name, then letters up to `size` bytes."""
    head = ("%sv%d:" % (prefix, i)).encode("ascii")
    length = max(0, size - len(head))
    period = PERIODS[(i * 7) % 26]
    return head + (period * (length // 26 + 1))[:length]


def text(spec, i):
    return padded(i, spec.get("prefix") or "", spec.get("size") or 0)


VALUES = {
    "text": text,
    "json": lambda spec, i: b'{"id":%d,"name":"n%d","email":"e%d@example.org"}' % (i, i, i),
    "json-null-email": lambda spec, i: b'{"id":%d,"name":"n%d","email":null}' % (i, i),
    "confluent": lambda spec, i: b"\x00\x00\x00\x00\x07" + text(spec, i),
    "null": lambda spec, i: None,
    "null-text": lambda spec, i: b"null",
    "empty": lambda spec, i: b"",
    "empty-object": lambda spec, i: b"{}",
}


def key_of(spec, i):
    """The key of generated record i."""
    hot, keys = spec.get("hot") or 0, spec.get("keys") or 0
    name = "hot" if hot and i % hot == 0 else "k%d" % (i % keys if keys else i)
    return ((spec.get("prefix") or "") + name).encode("ascii")


def generate(spec):
    """Yields the records that a `generate` object stands for, in the form of decode()."""
    partitions, value_of = spec.get("partitions") or 1, VALUES[spec.get("value") or "text"]
    mixed, avoid = spec.get("flavour") == "mixed", spec.get("avoid") or ()
    for i in range(spec["count"]):
        key, value, headers = key_of(spec, i), value_of(spec, i), []
        if mixed:
            if i % 7 == 3:
                value = None
            elif i % 7 == 5:
                value = b""
            if i % 5 == 4 and not (value is None and "null_key_and_value" in avoid):
                key = None
            if i % 3 == 0:
                headers = [("h1", str(i).encode("ascii")), ("h2", b"" if "null_header_values" in avoid else None)]
        timestamp = spec["ts"] + i if spec.get("ts") else None
        yield i % partitions, key, value, headers, timestamp


def encode(record):
    """A consumed record (kafka-python's ConsumerRecord) as the protocol writes it."""
    return {
        "t": record.topic, "p": record.partition, "o": record.offset, "k": b64(record.key), "v": b64(record.value),
        "h": [[name, b64(value)] for name, value in record.headers], "ts": record.timestamp,
    }


class Digest:
    """Count, first and last offset and SHA-256 of one partition's records, fed in offset order."""

    def __init__(self):
        self.count, self.first, self.last, self.sha = 0, None, None, hashlib.sha256()

    def add(self, record):
        headers = ",".join("%s=%s" % (name, "-" if value is None else b64(value)) for name, value in record.headers)
        key, value = ("-" if data is None else b64(data) for data in (record.key, record.value))
        self.sha.update(("%s\t%s\t%s\t%d\n" % (key, value, headers, record.timestamp)).encode("utf-8"))
        self.first = record.offset if self.first is None else self.first
        self.count, self.last = self.count + 1, record.offset

    def result(self):
        return {"count": self.count, "sha256": self.sha.hexdigest(), "first": self.first, "last": self.last}
