"""Records that a member's handler cannot process: it seeks back to them and tries again, or ends."""

import time

from confluent_kafka import TopicPartition


def partition(name):
    """"topic/3" as topic and number."""
    topic, _, number = name.rpartition("/")
    return topic, int(number)


def offsets(named):
    """{"topic/0": 12} as {("topic", 0): 12}."""
    return {partition(name): offset for name, offset in (named or {}).items()}


class Mishaps:
    def __init__(self, r):
        self.seek, self.fail = offsets(r.get("seek_at")), offsets(r.get("fail_at"))
        self.back = set()  # what is left of the poll lies behind such a record

    def handles(self, consumer, msg):
        """Whether a record can be processed. The first one after a poll says so."""
        tp = msg.topic(), msg.partition()
        if self.fail.get(tp) == msg.offset():
            raise RuntimeError("cannot process offset %d of %s/%d" % (msg.offset(), *tp))
        if self.seek.get(tp) == msg.offset() and tp not in self.back:
            consumer.seek(TopicPartition(*tp, msg.offset()))
            self.back.add(tp)
        return tp not in self.back

    def polled(self):
        """The poll has been worked off; the next try of what failed comes after a moment, as error handlers do it."""
        if self.back:
            self.back.clear()
            time.sleep(0.2)
