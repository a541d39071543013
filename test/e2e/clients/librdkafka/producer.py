"""Producers by handle."""

import itertools
import time

from confluent_kafka import Producer, TopicPartition

import consumer
from common import describe_error, generated, given, kafka_error, settings

producers = {}
manual = set()  # handles of producers whose records say their partition; the others leave it to the library
CHOOSE = -1  # librdkafka's RD_KAFKA_PARTITION_UA
numbers = itertools.count(1)


def producer_open(r):
    conf = settings(r)
    request_timeout, linger = r.get("request_timeout_ms", 10000), r.get("linger_ms", 5)
    conf.update({
        "acks": r.get("acks", "all"),
        "enable.idempotence": r.get("idempotent", True),
        "compression.type": r.get("codec", "none"),
        "linger.ms": linger,
        "max.in.flight.requests.per.connection": r.get("max_in_flight", 5),
        "request.timeout.ms": request_timeout,
        "message.timeout.ms": max(r.get("delivery_timeout_ms", 30000), request_timeout + linger),
        "queue.buffering.max.messages": 200000,
    })
    if r.get("batch_bytes"):
        conf["batch.size"] = r["batch_bytes"]
        if r["batch_bytes"] < 1000:  # librdkafka's own way to one record a batch
            conf["batch.num.messages"] = 1
    if r.get("max_request_bytes"):
        conf["message.max.bytes"] = r["max_request_bytes"]
    if r.get("transactional_id"):
        conf["transactional.id"] = r["transactional_id"]
        conf["transaction.timeout.ms"] = r.get("transaction_timeout_ms") or max(60000, conf["message.timeout.ms"])
    partitioner = r.get("partitioner", "manual")
    if partitioner not in ("manual", "default"):
        conf["partitioner"] = partitioner
    p = Producer(conf)
    if r.get("transactional_id"):
        p.init_transactions(30)
    handle = "p%d" % next(numbers)
    producers[handle] = p
    if partitioner == "manual":
        manual.add(handle)
    return {"handle": handle}


class Outcomes:
    """Outcomes in the order of the records."""

    def __init__(self, count):
        self.all = [None] * count
        self.slowest = 0.0  # seconds from handing over to the outcome

    def report(self, i, partition):
        handed = time.monotonic()

        def delivered(err, msg):
            self.slowest = max(self.slowest, time.monotonic() - handed)
            if err is not None:
                self.failed(i, partition, kafka_error(err))
            else:
                self.all[i] = {"p": msg.partition(), "o": msg.offset() if msg.offset() is not None and msg.offset() >= 0 else -1, "error": None}
        return delivered

    def failed(self, i, partition, error):
        self.all[i] = {"p": partition, "o": -1, "error": error}

    def json(self, each):
        missing = {"name": "NoDeliveryReport", "code": None, "message": "no delivery report", "retriable": None}
        done = [o or {"p": -1, "o": -1, "error": missing} for o in self.all]
        failed = sum(1 for o in done if o["error"])
        result = {"acked": len(done) - failed, "failed": failed}
        if each:
            result["results"] = done
        else:
            result["errors"] = [{"i": i, "error": o["error"]} for i, o in enumerate(done) if o["error"]][:20]
            result["slowest_ms"] = round(self.slowest * 1000)
        return result


def send(p, topic, record, chooses, outcomes, i):
    partition, key, value, headers, ts = record
    if chooses:
        partition = CHOOSE
    kwargs = {"timestamp": ts} if ts is not None else {}
    while True:
        try:
            p.produce(topic, value, key, partition, on_delivery=outcomes.report(i, partition), headers=headers, **kwargs)
            return
        except BufferError:
            p.poll(0.05)
        except Exception as e:
            outcomes.failed(i, partition, describe_error(e))
            return


def produce(r):
    p, topic, g = producers[r["handle"]], r["topic"], r.get("generate")
    count = g["count"] if g else len(r["records"])
    outcomes, rate, sync, start = Outcomes(count), r.get("rate", 0), r.get("mode") == "sync", time.monotonic()
    for i in range(count):
        while rate and (left := start + i / rate - time.monotonic()) > 0:
            p.poll(min(left, 0.05))
        send(p, topic, generated(g, i) if g else given(r["records"][i]), r["handle"] not in manual, outcomes, i)
        while sync and outcomes.all[i] is None:
            p.poll(0.05)
        p.poll(0)
    p.flush(60)
    return outcomes.json(not g)


def flush(r):
    producers[r["handle"]].flush(60)
    return {}


def producer_close(r):
    producers.pop(r["handle"]).flush(10)
    manual.discard(r["handle"])
    return {}


def begin(r):
    producers[r["handle"]].begin_transaction()
    return {}


def commit(r):
    producers[r["handle"]].commit_transaction(30)
    return {}


def abort(r):
    producers[r["handle"]].abort_transaction(30)
    return {}


def send_offsets(r):
    offsets = []
    for name, offset in r["offsets"].items():
        topic, _, partition = name.rpartition("/")
        offsets.append(TopicPartition(topic, int(partition), offset))
    producers[r["handle"]].send_offsets_to_transaction(offsets, consumer.metadata(r["consumer"]), 30)
    return {}


OPS = {f.__name__: f for f in (producer_open, produce, flush, producer_close, begin, commit, abort, send_offsets)}
