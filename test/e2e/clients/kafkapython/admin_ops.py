"""Admin operations of the driver protocol, each on its own short-lived KafkaAdminClient."""

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec

import conn
from outcome import raise_for_code, raise_for_text


def with_admin(operation):
    """Wraps an operation so that it gets a connected admin client, closed afterwards."""
    def run(request):
        config = conn.config(request)
        if request.get("timeout_ms"):
            config["bootstrap_timeout_ms"] = request["timeout_ms"]
        admin = KafkaAdminClient(**config)
        try:
            return operation(admin, request)
        finally:
            admin.close()
    return run


def create_topic(admin, r):
    spec = {"num_partitions": r.get("partitions", 1), "replication_factor": r.get("replication", 1), "configs": r.get("configs") or {}}
    admin.create_topics({r["name"]: spec}, wait_for_metadata=True)
    return {}


def create_partitions(admin, r):
    admin.create_partitions({r["name"]: r["total"]})
    return {}


def delete_topic(admin, r):
    admin.delete_topics([r["name"]])
    return {}


def list_topics(admin, _r):
    return {"topics": sorted(admin.list_topics())}


def partitions_of(admin, topic):
    """The topic's partitions as the library describes them; raises for a topic that does not exist."""
    description = admin.describe_topics([topic])[0]
    raise_for_code(description["error_code"])
    return sorted(description["partitions"], key=lambda p: p["partition_index"])


def describe_topic(admin, r):
    return {"partitions": [{"id": p["partition_index"], "leader": p["leader_id"], "replicas": p["replica_nodes"], "isr": p["isr_nodes"]}
                           for p in partitions_of(admin, r["name"])]}


def describe_cluster(admin, _r):
    d = admin.describe_cluster()
    brokers = sorted(({"id": b["broker_id"], "host": b["host"], "port": b["port"]} for b in d["brokers"]), key=lambda b: b["id"])
    return {"cluster_id": d.get("cluster_id"), "controller": d["controller_id"], "brokers": brokers}


def describe_configs(admin, r):
    kind = ConfigResourceType[r.get("type", "topic").upper()]
    found = admin.describe_configs([ConfigResource(kind, r["name"])], config_filter="all")
    entries = found[kind.name.lower()][r["name"]]
    return {"configs": {key: entries[key]["value"] for key in r["keys"] if key in entries}}


def alter_configs(admin, r):
    done = admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, r["name"], dict(r["set"]))])
    raise_for_text(done["topic"][r["name"]])
    return {}


def list_groups(admin, _r):
    return {"groups": sorted(g["group_id"] for g in admin.list_groups())}


def describe_group(admin, r):
    group = admin.describe_groups([r["group"]])[r["group"]]
    raise_for_text(group["error"])
    return {"state": group["group_state"], "members": len(group["members"])}


def delete_group(admin, r):
    raise_for_text(admin.delete_groups([r["group"]])[r["group"]])
    return {}


def group_offsets(admin, r):
    found = admin.list_group_offsets([r["group"]])[r["group"]]
    return {"offsets": {"%s/%d" % (tp.topic, tp.partition): o.offset for tp, o in sorted(found.items()) if o.offset >= 0}}


def list_offsets(admin, r):
    spec = OffsetSpec.EARLIEST if r.get("spec") == "earliest" else OffsetSpec.LATEST
    wanted = {TopicPartition(r["topic"], p["partition_index"]): spec for p in partitions_of(admin, r["topic"])}
    found = admin.list_partition_offsets(wanted)
    return {"offsets": {str(tp.partition): o.offset for tp, o in sorted(found.items())}}


def delete_records(admin, r):
    tp = TopicPartition(r["topic"], r["partition"])
    return {"low_watermark": admin.delete_records({tp: r["offset"]})[tp]["low_watermark"]}


OPERATIONS = {name: with_admin(globals()[name]) for name in (
    "create_topic", "create_partitions", "delete_topic", "list_topics", "describe_topic", "describe_cluster", "describe_configs",
    "alter_configs", "list_groups", "describe_group", "delete_group", "group_offsets", "list_offsets", "delete_records")}
