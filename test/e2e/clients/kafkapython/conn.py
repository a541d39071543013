"""Turns the protocol's `conn` object into kafka-python's configuration."""


def config(request):
    """The connection keywords that KafkaProducer, KafkaConsumer and KafkaAdminClient share."""
    conn = request["conn"]
    security = conn.get("security") or {}
    out = {
        "bootstrap_servers": conn["bootstrap"].split(","),
        "client_id": conn.get("client_id", "e2e-kafka-python"),
        "security_protocol": security.get("protocol", "PLAINTEXT"),
    }
    for theirs, ours in (("sasl_mechanism", "mechanism"), ("sasl_plain_username", "username"), ("sasl_plain_password", "password"),
                         ("ssl_cafile", "ca"), ("ssl_certfile", "cert"), ("ssl_keyfile", "key")):
        if security.get(ours):
            out[theirs] = security[ours]
    return out


def split_partition(text):
    """'topic/3' as ('topic', 3)."""
    topic, partition = text.rsplit("/", 1)
    return topic, int(partition)
