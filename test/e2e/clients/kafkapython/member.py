"""A group member: a thread that polls one KafkaConsumer, and what it has received."""

import logging
import queue
import threading
import time

from kafka import TopicPartition
from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.structs import OffsetAndMetadata

import conn
import records
from outcome import describe_error

POLL_MS = 200
# kafka-python 3.0.12 never takes up an assignment that comes between two polls: the member heartbeats and has no partitions for ever. So polls are long
# while it joins, also when it has lost its place between two polls, as by max_poll_interval_ms, which its listener does not hear of before the next.
JOINING_POLL_MS = 5000
CALL_SECONDS = 60


class Member(ConsumerRebalanceListener):
    """KafkaConsumer belongs to one thread, so everything that touches it runs on the polling thread, between two polls."""

    def __init__(self, consumer, topics, slow_ms=0):
        self._consumer, self._calls, self._lock = consumer, queue.Queue(), threading.Lock()
        self._received, self._count, self._positions, self._assignment = [], 0, {}, []
        self._rebalances, self._error, self._stopping, self._joined = 0, None, False, False
        self._slow_seconds, self._quicker = slow_ms / 1000, threading.Condition()
        consumer.subscribe(topics=topics, listener=self)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def on_partitions_revoked(self, revoked):
        self._joined = False
        with self._lock:
            self._assignment = [name for name in self._assignment if TopicPartition(*conn.split_partition(name)) not in revoked]

    def on_partitions_assigned(self, assigned):
        self._joined = True
        with self._lock:
            self._assignment = sorted("%s/%d" % tp for tp in assigned)
            self._rebalances += 1

    def _run(self):
        while not self._stopping:
            self._run_calls()
            try:
                stays = self._joined and not self._consumer._coordinator.need_rejoin()
                batches = self._consumer.poll(timeout_ms=POLL_MS if stays else JOINING_POLL_MS)
            except Exception as e:
                if getattr(e, "retriable", False):
                    logging.getLogger("driver").info("poll failed", exc_info=True)
                    continue
                with self._lock:
                    self._error = describe_error(e)
                break
            for tp, batch in batches.items():
                for record in batch:
                    self._work()
                    self._keep(tp, record)
            with self._lock:
                self._assignment = sorted("%s/%d" % tp for tp in self._consumer.assignment())
        while not self._stopping:
            self._run_calls(wait=True)
        self._consumer.close()

    def _work(self):
        """Takes as long over a record as was asked for, unless the member is closed or told to be quicker meanwhile."""
        begin = time.monotonic()
        with self._quicker:
            while not self._stopping and time.monotonic() < begin + self._slow_seconds:
                self._quicker.wait(begin + self._slow_seconds - time.monotonic())

    def slow(self, ms):
        with self._quicker:
            self._slow_seconds = ms / 1000
            self._quicker.notify()

    def _keep(self, tp, record):
        with self._lock:
            self._received.append(records.encode(record))
            self._count += 1
            self._positions["%s/%d" % tp] = record.offset + 1

    def _run_calls(self, wait=False):
        while True:
            try:
                call, done = self._calls.get(timeout=POLL_MS / 1000) if wait else self._calls.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((call(), None))
            except Exception as e:
                done.put((None, e))

    def _on_polling_thread(self, call):
        done = queue.Queue()
        self._calls.put((call, done))
        result, error = done.get(timeout=CALL_SECONDS)
        if error is not None:
            raise error
        return result

    def state(self):
        with self._lock:
            return {"assignment": list(self._assignment), "count": self._count, "positions": dict(self._positions),
                    "rebalances": self._rebalances, "error": self._error}

    def take(self):
        with self._lock:
            taken, self._received = self._received, []
        return taken

    def received_positions(self):
        """Positions of what was received and is still assigned."""
        with self._lock:
            return {name: offset for name, offset in self._positions.items() if name in self._assignment}

    def commit(self):
        def call():
            offsets = self.received_positions()
            if offsets:
                self._consumer.commit({TopicPartition(*conn.split_partition(k)): OffsetAndMetadata(o, "", -1) for k, o in offsets.items()},
                                      timeout_ms=CALL_SECONDS * 1000 // 2)
            return offsets
        return self._on_polling_thread(call)

    def group_metadata(self):
        return self._on_polling_thread(self._consumer.group_metadata)

    def close(self):
        with self._quicker:
            self._stopping = True
            self._quicker.notify()
        self._thread.join(timeout=CALL_SECONDS)
