"""Driver for kafka-python: one JSON request per line on stdin, one JSON answer per line on stdout.

The protocol is described in ../../README.md. Each request runs in its own thread; stdout belongs to the answers, the log goes to stderr.
"""

import json
import logging
import sys
import threading

import kafka

import admin_ops
import consumer_ops
import producer_ops
from outcome import Unsupported, describe_error

# Not here: null_header_values (send() wants bytes) and null_key_and_value (send() wants one of them).
CAPABILITIES = [
    "admin", "create_partitions", "alter_configs", "delete_records", "list_offsets", "describe_cluster",
    "group_offsets", "delete_group", "idempotent", "transactions", "send_offsets",
    "codec:gzip", "codec:snappy", "codec:lz4", "codec:zstd",
    "headers", "timestamps", "acks0", "group",
    "sasl:PLAIN", "sasl:SCRAM-SHA-256", "sasl:SCRAM-SHA-512", "tls", "mtls",
]


def hello(_request):
    return {"client": "kafka-python", "version": kafka.__version__, "capabilities": CAPABILITIES}


OPERATIONS = {"hello": hello, **admin_ops.OPERATIONS, **producer_ops.OPERATIONS, **consumer_ops.OPERATIONS}


def answer(request):
    """Runs one request and returns the answer that belongs on its line; never raises."""
    operation = OPERATIONS.get(request.get("op"))
    try:
        if operation is None:
            raise Unsupported("the kafka-python driver has no operation %r" % request.get("op"))
        return {"id": request["id"], "ok": True, "result": operation(request)}
    except Unsupported as e:
        return {"id": request["id"], "ok": False, "unsupported": True, "error": {"message": str(e)}}
    except Exception as e:  # whatever the library raised is the outcome of the request
        logging.getLogger("driver").info("%s failed", request.get("op"), exc_info=True)
        return {"id": request["id"], "ok": False, "error": describe_error(e)}


def main():
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stdout_lock = threading.Lock()

    def serve(request):
        line = json.dumps(answer(request), separators=(",", ":"))
        with stdout_lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    for line in sys.stdin:
        if line.strip():
            threading.Thread(target=serve, args=(json.loads(line),), daemon=True).start()
    consumer_ops.close_all()
    producer_ops.close_all()


if __name__ == "__main__":
    main()
