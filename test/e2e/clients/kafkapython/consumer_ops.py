"""Consumer operations of the driver protocol."""

import time

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError

import conn
import records
from handles import Handles
from member import Member
from outcome import Unsupported

CONSUMERS = Handles("c")


def consume(r):
    """Reads all partitions of a topic from the earliest offset to the end as it was at the start."""
    config = conn.config(r)
    if r.get("max_fetch_bytes"):
        config["max_partition_fetch_bytes"] = config["fetch_max_bytes"] = r["max_fetch_bytes"]
    consumer = KafkaConsumer(isolation_level=r.get("isolation", "read_uncommitted"), auto_offset_reset="earliest",
                             enable_auto_commit=False, **config)
    try:
        return read_to_end(consumer, r["topic"], r.get("timeout_ms", 30000) / 1000, r.get("raw", False))
    finally:
        consumer.close()


def read_to_end(consumer, topic, seconds, raw):
    deadline = time.monotonic() + seconds
    ids = consumer.partitions_for_topic(topic)
    if not ids:
        raise UnknownTopicOrPartitionError(topic)
    partitions = [TopicPartition(topic, p) for p in sorted(ids)]
    consumer.assign(partitions)
    first, end = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    for tp in partitions:
        consumer.seek(tp, first[tp])
    digests, raw_records = {}, []
    # A position also moves past control batches and aborted records, so it, not the last record, tells the end.
    open_ones = {tp for tp in partitions if first[tp] < end[tp]}
    while open_ones:
        if time.monotonic() > deadline:
            raise KafkaTimeoutError("%d partitions not read to their end: %s" % (len(open_ones), sorted(open_ones)))
        for tp, batch in consumer.poll(timeout_ms=200).items():
            for record in batch:
                if record.offset < end[tp]:
                    digests.setdefault(tp.partition, records.Digest()).add(record)
                    if raw:
                        raw_records.append(records.encode(record))
        open_ones = {tp for tp in open_ones if consumer.position(tp) < end[tp]}
    result = {"partitions": {str(p): d.result() for p, d in sorted(digests.items())}}
    if raw:
        result["records"] = sorted(raw_records, key=lambda record: (record["p"], record["o"]))
    return result


def options(r):
    """What consumer_open may say further, as settings."""
    names = ("heartbeat_interval_ms", "max_poll_interval_ms", "max_poll_records", "group_instance_id")
    config = {"enable_auto_commit": False} | {name: r[name] for name in names if name in r}
    if r.get("auto_commit_ms"):
        config.update(enable_auto_commit=True, auto_commit_interval_ms=r["auto_commit_ms"])
    return config


def consumer_open(r):
    protocol = r.get("protocol", "classic")
    if protocol != "classic":
        raise Unsupported("kafka-python has no %s" % ("KIP-848 consumer" if protocol == "consumer" else "share consumer"))
    session = r.get("session_timeout_ms", 10000)
    consumer = KafkaConsumer(group_id=r["group"], auto_offset_reset=r.get("offset_reset", "earliest"),
                             isolation_level=r.get("isolation", "read_uncommitted"), session_timeout_ms=session,
                             fetch_min_bytes=r.get("fetch_min_bytes", 1), **{
                                 "heartbeat_interval_ms": min(3000, session // 3), **options(r), **conn.config(r)})
    for topic in r["topics"]:
        # kafka-python 3.0.12 may join before it knows its topic, assign itself nothing and stay so (3 of 15 times, no warder about)
        consumer.partitions_for_topic(topic)
    return {"handle": CONSUMERS.add(Member(consumer, r["topics"], r.get("slow_ms", 0)))}


def consumer_state(r):
    return CONSUMERS.get(r["handle"]).state()


def consumer_take(r):
    return {"records": CONSUMERS.get(r["handle"]).take()}


def consumer_commit(r):
    return {"offsets": CONSUMERS.get(r["handle"]).commit()}


def consumer_slow(r):
    CONSUMERS.get(r["handle"]).slow(r["slow_ms"])
    return {}


def consumer_close(r):
    CONSUMERS.take(r["handle"]).close()
    return {}


def close_all():
    for member in CONSUMERS.take_all():
        member.close()


OPERATIONS = {name: globals()[name] for name in (
    "consume", "consumer_open", "consumer_state", "consumer_take", "consumer_commit", "consumer_slow", "consumer_close")}
