"""Reading a whole topic, and group members by handle."""

import itertools
import queue
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, OFFSET_BEGINNING, TopicPartition

from common import Digest, Unsupported, as_json, describe_error, settings
from mishaps import Mishaps, offsets, partition

members = {}
numbers = itertools.count(1)


def consume(r):
    conf = settings(r)
    conf.update({"group.id": "unused", "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "error",
                 "isolation.level": r.get("isolation", "read_uncommitted"), "fetch.wait.max.ms": 100})
    if r.get("max_fetch_bytes"):
        conf["fetch.message.max.bytes"] = r["max_fetch_bytes"]
        conf["fetch.max.bytes"] = max(r["max_fetch_bytes"], 8 << 20)
        conf["receive.message.max.bytes"] = conf["fetch.max.bytes"] + 8192
    c = Consumer(conf)
    try:
        return read_all(c, r)
    finally:
        c.close()


def read_all(c, r):
    topic, raw, digests = r["topic"], [], {}
    parts = sorted(c.list_topics(topic, timeout=20).topics[topic].partitions)
    ends = {p: c.get_watermark_offsets(TopicPartition(topic, p), timeout=20) for p in parts}
    todo = {p for p, (low, high) in ends.items() if high > low}
    deadline = time.monotonic() + r.get("timeout_ms", 30000) / 1000
    if todo:
        c.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in sorted(todo)])
    while todo:
        if time.monotonic() > deadline:
            raise TimeoutError("consume: not at the end in time")
        for msg in c.consume(500, 0.2):
            p = msg.partition()
            if msg.error():
                if msg.error().code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(msg.error())
                todo.discard(p)  # also the end behind transaction markers
                continue
            if msg.offset() >= ends[p][1]:
                todo.discard(p)
                continue
            digests.setdefault(p, Digest(msg.offset())).add(msg)
            if r.get("raw"):
                raw.append(as_json(msg))
            if msg.offset() + 1 >= ends[p][1]:
                todo.discard(p)
    result = {"partitions": {str(p): d.json() for p, d in sorted(digests.items())}}
    if r.get("raw"):
        result["records"] = raw
    return result


class Member:
    """One group member with a thread that polls; commands to it run in that thread."""

    def __init__(self, conf, topics, mishaps, batch=500, slow_ms=0):
        self.mishaps, self.stores = mishaps, conf["enable.auto.commit"]
        self.lock, self.todo, self.stop = threading.Condition(), queue.Queue(), False
        self.batch, self.slow_seconds = batch, slow_ms / 1000
        self.count, self.records, self.positions, self.assigned, self.rebalances, self.error = 0, [], {}, set(), 0, None
        self.consumer = Consumer(conf)
        self.consumer.subscribe(topics, on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_revoke)
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def on_assign(self, _consumer, parts):
        with self.lock:
            self.assigned |= {(p.topic, p.partition) for p in parts}
            self.rebalances += 1

    def on_revoke(self, _consumer, parts):
        with self.lock:
            self.assigned -= {(p.topic, p.partition) for p in parts}

    def loop(self):
        try:
            while not self.stop:
                for msg in self.consumer.consume(self.batch, 0.1):
                    self.work()
                    self.got(msg)
                self.mishaps.polled()
                while not self.todo.empty():
                    self.todo.get()()
        except Exception as e:
            self.error = describe_error(e)
        finally:
            self.consumer.close()

    def work(self):
        """Takes as long over a record as was asked for, unless the member is closed or told to be quicker meanwhile."""
        begin = time.monotonic()
        with self.lock:
            while not self.stop and time.monotonic() < begin + self.slow_seconds:
                self.lock.wait(begin + self.slow_seconds - time.monotonic())

    def slow(self, ms):
        with self.lock:
            self.slow_seconds = ms / 1000
            self.lock.notify()

    def close(self):
        with self.lock:
            self.stop = True
            self.lock.notify()
        self.thread.join(20)

    def pause(self, names):
        parts = [TopicPartition(*partition(name)) for name in names]
        self.consumer.resume(self.consumer.assignment())
        self.consumer.pause(parts)

    def got(self, msg):
        if msg.error():
            if msg.error().fatal() or msg.error().code() == KafkaError._FATAL:
                raise KafkaException(msg.error())
            return
        if not self.mishaps.handles(self.consumer, msg):
            return
        if self.stores:
            self.consumer.store_offsets(msg)
        with self.lock:
            self.count += 1
            self.records.append(as_json(msg))
            self.positions[msg.topic(), msg.partition()] = msg.offset() + 1

    def call(self, work):
        """Runs work in the member's thread."""
        done, box = threading.Event(), {}

        def run():
            try:
                box["result"] = work()
            except Exception as e:
                box["error"] = e
            done.set()

        self.todo.put(run)
        if not done.wait(40):
            raise TimeoutError("the member's thread did not answer")
        if "error" in box:
            raise box["error"]
        return box["result"]

    def commit(self, to):
        """Commits what was received; or goes to these offsets, and commits them."""
        for (topic, partition), offset in to.items():
            self.consumer.seek(TopicPartition(topic, partition, offset))
        with self.lock:
            self.positions.update(to)
            wanted = [TopicPartition(t, p, o) for (t, p), o in self.positions.items() if (t, p) in self.assigned]
        if wanted:
            for tp in self.consumer.commit(offsets=wanted, asynchronous=False):
                if tp.error:
                    raise KafkaException(tp.error)
        return {"offsets": {"%s/%d" % (tp.topic, tp.partition): tp.offset for tp in wanted}}


# What consumer_open may say further.
SETTINGS = {"heartbeat_interval_ms": "heartbeat.interval.ms", "max_poll_interval_ms": "max.poll.interval.ms",
            "metadata_refresh_ms": "topic.metadata.refresh.interval.ms", "group_instance_id": "group.instance.id", "assignor": "partition.assignment.strategy"}


def consumer_open(r):
    protocol = r.get("protocol", "classic")
    if protocol == "share":
        raise Unsupported("librdkafka 2.16 has no share consumer")
    conf = settings(r)
    conf.update({"group.id": r["group"], "enable.auto.commit": False, "auto.offset.reset": r.get("offset_reset", "earliest"),
                 "isolation.level": r.get("isolation", "read_uncommitted"), "group.protocol": protocol, "fetch.wait.max.ms": 100,
                 "fetch.min.bytes": r.get("fetch_min_bytes", 1)})
    if protocol == "classic":
        session = r.get("session_timeout_ms", 10000)
        conf.update({"session.timeout.ms": session, "heartbeat.interval.ms": max(200, session // 10), "partition.assignment.strategy": "range"})
    conf.update({setting: r[field] for field, setting in SETTINGS.items() if field in r})
    if r.get("auto_commit_ms"):  # of what was handled, not of what was polled
        conf.update({"enable.auto.commit": True, "auto.commit.interval.ms": r["auto_commit_ms"], "enable.auto.offset.store": False})
    handle = "c%d" % next(numbers)
    members[handle] = Member(conf, r["topics"], Mishaps(r), r.get("max_poll_records", 500), r.get("slow_ms", 0))
    return {"handle": handle}


def consumer_state(r):
    m = members[r["handle"]]
    with m.lock:
        return {"assignment": sorted("%s/%d" % tp for tp in m.assigned), "count": m.count, "rebalances": m.rebalances, "error": m.error,
                "positions": {"%s/%d" % tp: o for tp, o in m.positions.items()}}


def consumer_take(r):
    m = members[r["handle"]]
    with m.lock:
        taken, m.records = m.records, []
    return {"records": taken}


def consumer_commit(r):
    m = members[r["handle"]]
    return m.call(lambda: m.commit(offsets(r.get("offsets"))))


def consumer_slow(r):
    members[r["handle"]].slow(r["slow_ms"])
    return {}


def consumer_pause(r):
    m = members[r["handle"]]
    m.call(lambda: m.pause(r["paused"]))
    return {}


def consumer_close(r):
    members.pop(r["handle"]).close()
    return {}


def metadata(handle):
    m = members[handle]
    return m.call(m.consumer.consumer_group_metadata)


OPS = {f.__name__: f for f in (
    consume, consumer_open, consumer_state, consumer_take, consumer_commit, consumer_slow, consumer_pause, consumer_close)}
