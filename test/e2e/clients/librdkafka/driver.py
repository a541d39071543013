"""Driver of librdkafka through confluent-kafka (protocol: ../../README.md)."""

import json
import sys
import threading

import admin
import consumer
import producer
from common import Unsupported, describe_error

CAPABILITIES = (
    "admin create_partitions alter_configs delete_records list_offsets describe_cluster group_offsets delete_group idempotent "
    "transactions send_offsets codec:gzip codec:snappy codec:lz4 codec:zstd headers timestamps acks0 group group:consumer "
    "sasl:PLAIN sasl:SCRAM-SHA-256 sasl:SCRAM-SHA-512 tls mtls"
).split()


def hello(_request):
    import confluent_kafka

    version = "%s with librdkafka %s" % (confluent_kafka.__version__, confluent_kafka.libversion()[0])
    return {"client": "librdkafka", "version": version, "capabilities": CAPABILITIES}


OPS = {"hello": hello, **admin.OPS, **producer.OPS, **consumer.OPS}
out_lock = threading.Lock()


def answer(request, out):
    reply = {"id": request.get("id")}
    op = OPS.get(request.get("op"))
    try:
        if op is None:
            raise Unsupported("the librdkafka driver has no operation %s" % request.get("op"))
        reply.update(ok=True, result=op(request))
    except Unsupported as e:
        reply.update(ok=False, unsupported=True, error={"message": str(e)})
    except BaseException as e:  # everything is an answer: the harness judges
        reply.update(ok=False, error=describe_error(e))
    line = json.dumps(reply)
    with out_lock:
        out.write(line + "\n")
        out.flush()


def main():
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        threading.Thread(target=answer, args=(json.loads(line), out), daemon=True).start()


main()
