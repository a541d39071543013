"""Admin operations; each opens its own client."""

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType,
)

from common import settings
from mishaps import offsets

WAIT = 30


def admin(request):
    return request.setdefault("_admin", AdminClient(settings(request)))  # lives as long as the request is worked on


def one(futures):
    """The result of a call about one thing."""
    return next(iter(futures.values())).result(WAIT)


def create_topic(r):
    topic = NewTopic(r["name"], r.get("partitions", 1), r.get("replication", 1), config=r.get("configs") or {})
    one(admin(r).create_topics([topic], operation_timeout=WAIT))
    return {}


def create_partitions(r):
    one(admin(r).create_partitions([NewPartitions(r["name"], r["total"])]))
    return {}


def delete_topic(r):
    one(admin(r).delete_topics([r["name"]], operation_timeout=WAIT))
    return {}


def list_topics(r):
    return {"topics": sorted(admin(r).list_topics(timeout=r.get("timeout_ms", WAIT * 1000) / 1000).topics)}


def describe_topic(r):
    described = one(admin(r).describe_topics(TopicCollection([r["name"]])))
    return {"partitions": [
        {"id": p.id, "leader": p.leader.id if p.leader else -1, "replicas": [b.id for b in p.replicas], "isr": sorted(b.id for b in p.isr)}
        for p in sorted(described.partitions, key=lambda p: p.id)
    ]}


def describe_cluster(r):
    c = admin(r).describe_cluster().result(WAIT)
    brokers = [{"id": n.id, "host": n.host, "port": n.port} for n in sorted(c.nodes, key=lambda n: n.id)]
    return {"cluster_id": c.cluster_id, "controller": c.controller.id if c.controller else -1, "brokers": brokers}


def describe_configs(r):
    kind = ResourceType.BROKER if r.get("type") == "broker" else ResourceType.TOPIC
    entries = one(admin(r).describe_configs([ConfigResource(kind, r["name"])]))
    return {"configs": {k: entries[k].value for k in r["keys"] if k in entries}}


def alter_configs(r):
    entries = [ConfigEntry(k, v, incremental_operation=AlterConfigOpType.SET) for k, v in r["set"].items()]
    one(admin(r).incremental_alter_configs([ConfigResource(ResourceType.TOPIC, r["name"], incremental_configs=entries)]))
    return {}


def list_groups(r):
    return {"groups": sorted(g.group_id for g in admin(r).list_consumer_groups().result(WAIT).valid)}


def describe_group(r):
    g = one(admin(r).describe_consumer_groups([r["group"]]))
    return {"state": g.state.name, "members": len(g.members)}


def delete_group(r):
    one(admin(r).delete_consumer_groups([r["group"]]))
    return {}


def group_offsets(r):
    found = one(admin(r).list_consumer_group_offsets([ConsumerGroupTopicPartitions(r["group"])]))
    return {"offsets": {"%s/%d" % (tp.topic, tp.partition): tp.offset for tp in found.topic_partitions if tp.offset >= 0}}


def alter_offsets(r):
    wanted = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets(r["offsets"]).items()]
    done = one(admin(r).alter_consumer_group_offsets([ConsumerGroupTopicPartitions(r["group"], wanted)]))
    for tp in done.topic_partitions:
        if tp.error:
            raise KafkaException(tp.error)
    return {}


def list_offsets(r):
    a, topic = admin(r), r["topic"]
    spec = OffsetSpec.earliest() if r.get("spec") == "earliest" else OffsetSpec.latest()
    parts = a.list_topics(topic, timeout=WAIT).topics[topic].partitions
    found = a.list_offsets({TopicPartition(topic, p): spec for p in parts})
    return {"offsets": {str(tp.partition): f.result(WAIT).offset for tp, f in found.items()}}


def delete_records(r):
    gone = one(admin(r).delete_records([TopicPartition(r["topic"], r["partition"], r["offset"])]))
    return {"low_watermark": gone.low_watermark}


OPS = {f.__name__: f for f in (
    create_topic, create_partitions, delete_topic, list_topics, describe_topic, describe_cluster, describe_configs, alter_configs,
    list_groups, describe_group, delete_group, group_offsets, alter_offsets, list_offsets, delete_records,
)}
