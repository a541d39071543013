"""Producer operations of the driver protocol."""

import collections
import time

from kafka import KafkaProducer, TopicPartition, partitioner
from kafka.structs import OffsetAndMetadata

import conn
import consumer_ops
import records
from handles import Handles
from outcome import describe_error

PRODUCERS = Handles("p")
MAX_GENERATED_ERRORS = 20
CLOSE_SECONDS = 30


# An open producer, and whether its records say their partition or the library's partitioner chooses it.
Producer = collections.namedtuple("Producer", "kafka manual")


def producer_open(r):
    config = conn.config(r)
    acks = r.get("acks", "all")
    config.update(
        acks=acks if acks == "all" else int(acks),
        enable_idempotence=r.get("idempotent", True),
        compression_type=None if r.get("codec", "none") == "none" else r["codec"],
        linger_ms=r.get("linger_ms", 5),
        max_in_flight_requests_per_connection=r.get("max_in_flight", 5),
        request_timeout_ms=r.get("request_timeout_ms", 10000),
        delivery_timeout_ms=r.get("delivery_timeout_ms", 30000),
    )
    if r.get("batch_bytes"):
        config["batch_size"] = r["batch_bytes"]
    if r.get("max_request_bytes"):
        config["max_request_size"] = r["max_request_bytes"]
    if r.get("transactional_id"):
        config["transactional_id"] = r["transactional_id"]
    chooser = r.get("partitioner", "manual")
    if chooser not in ("manual", "default"):
        config["partitioner"] = getattr(partitioner, chooser)()
    producer = KafkaProducer(**config)
    if r.get("transactional_id"):
        try:
            producer.init_transactions()
        except Exception:
            producer.close(timeout=1)
            raise
    return {"handle": PRODUCERS.add(Producer(producer, chooser == "manual"))}


class Sender:
    """Hands records to one producer and gathers what became of each, in the order given."""

    def __init__(self, producer, topic, rate):
        self.producer, self.manual, self.topic, self.rate = producer.kafka, producer.manual, topic, rate
        self.started, self.handed = time.monotonic(), 0
        self.blind = self.producer.config["acks"] == 0  # then the library invents offsets
        # A future that is not done this long after its record was handed over counts as lost by the library.
        self.patience = self.producer.config["delivery_timeout_ms"] / 1000 + 30

    def hand_over(self, record):
        """Gives the record to the library; returns its future, or the exception that send() raised."""
        if self.rate > 0:
            time.sleep(max(0.0, self.started + self.handed / self.rate - time.monotonic()))
        self.handed += 1
        partition, key, value, headers, timestamp = record
        if not self.manual:
            partition = None
        try:
            future = self.producer.send(self.topic, value=value, key=key, headers=headers, partition=partition, timestamp_ms=timestamp)
            return future, time.monotonic() + self.patience
        except Exception as e:
            return e, 0

    def outcome(self, record, handed):
        """Waits for a record's end: (partition, offset, None) or (partition, -1, exception). What the library chose is known only of what was stored."""
        future, deadline = handed
        given = record[0] if self.manual else -1
        if isinstance(future, Exception):
            return given, -1, future
        try:
            stored = future.get(timeout=max(0.001, deadline - time.monotonic()))
            return stored.partition, (-1 if self.blind else stored.offset), None
        except Exception as e:
            return given, -1, e


def produce(r):
    generated = "generate" in r
    source = records.generate(r["generate"]) if generated else map(records.decode, r["records"])
    sender = Sender(PRODUCERS.get(r["handle"]), r["topic"], r.get("rate") or 0)
    if r.get("mode") == "sync":
        outcomes = (sender.outcome(record, sender.hand_over(record)) for record in source)
    else:
        pending = [(record, sender.hand_over(record)) for record in source]
        outcomes = (sender.outcome(record, handed) for record, handed in pending)
    acked, results, failures = 0, [], []
    for i, (partition, offset, error) in enumerate(outcomes):
        described = None if error is None else describe_error(error)
        acked += error is None
        if not generated:
            results.append({"p": partition, "o": offset, "error": described})
        elif error is not None:
            failures.append({"i": i, "error": described})
    if generated:
        return {"acked": acked, "failed": len(failures), "errors": failures[:MAX_GENERATED_ERRORS]}
    return {"acked": acked, "failed": len(results) - acked, "results": results}


def flush(r):
    PRODUCERS.get(r["handle"]).kafka.flush(timeout=60)
    return {}


def producer_close(r):
    PRODUCERS.take(r["handle"]).kafka.close(timeout=CLOSE_SECONDS)
    return {}


def begin(r):
    PRODUCERS.get(r["handle"]).kafka.begin_transaction()
    return {}


def commit(r):
    PRODUCERS.get(r["handle"]).kafka.commit_transaction()
    return {}


def abort(r):
    PRODUCERS.get(r["handle"]).kafka.abort_transaction()
    return {}


def send_offsets(r):
    member = consumer_ops.CONSUMERS.get(r["consumer"]) if r.get("consumer") else None
    offsets = r.get("offsets") or member.received_positions()
    wanted = {TopicPartition(*conn.split_partition(k)): OffsetAndMetadata(o, "", -1) for k, o in offsets.items()}
    PRODUCERS.get(r["handle"]).kafka.send_offsets_to_transaction(wanted, member.group_metadata() if member else r["group"])
    return {}


def close_all():
    for producer in PRODUCERS.take_all():
        producer.kafka.close(timeout=5)


OPERATIONS = {name: globals()[name] for name in (
    "producer_open", "produce", "flush", "producer_close", "begin", "commit", "abort", "send_offsets")}
