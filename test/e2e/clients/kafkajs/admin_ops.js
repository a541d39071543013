'use strict'
// Admin operations of the driver protocol, each on its own short-lived admin client.

const { ConfigResourceTypes } = require('kafkajs')
const { connect } = require('./conn')
const { within } = require('./outcome')

const LIMIT_MS = 60000

/** Wraps an operation so that it gets a connected admin client, disconnected afterwards. */
const withAdmin = operation => async r => {
  const admin = connect(r.conn).admin()
  try {
    return await within(r.timeout_ms || LIMIT_MS, r.op, admin.connect().then(() => operation(admin, r)))
  } finally {
    await admin.disconnect()
  }
}

const operations = {
  create_topic: async (admin, r) => {
    const configEntries = Object.entries(r.configs || {}).map(([name, value]) => ({ name, value }))
    const topic = { topic: r.name, numPartitions: r.partitions || 1, replicationFactor: r.replication || 1, configEntries }
    const created = await admin.createTopics({ topics: [topic] })
    // An existing topic is no exception in kafkajs but the answer false.
    if (!created) throw Object.assign(new Error(`topic ${r.name} already exists`), { name: 'TopicAlreadyExists', code: 36, retriable: false })
    return {}
  },

  create_partitions: async (admin, r) => {
    await admin.createPartitions({ topicPartitions: [{ topic: r.name, count: r.total }] })
    return {}
  },

  delete_topic: async (admin, r) => {
    await admin.deleteTopics({ topics: [r.name] })
    return {}
  },

  list_topics: async admin => ({ topics: (await admin.listTopics()).sort() }),

  describe_topic: async (admin, r) => {
    const { topics } = await admin.fetchTopicMetadata({ topics: [r.name] })
    const partitions = topics[0].partitions.map(p => ({ id: p.partitionId, leader: p.leader, replicas: p.replicas, isr: p.isr }))
    return { partitions: partitions.sort((a, b) => a.id - b.id) }
  },

  describe_cluster: async admin => {
    const { clusterId, controller, brokers } = await admin.describeCluster()
    const known = brokers.map(b => ({ id: b.nodeId, host: b.host, port: b.port }))
    return { cluster_id: clusterId, controller, brokers: known.sort((a, b) => a.id - b.id) }
  },

  describe_configs: async (admin, r) => {
    const type = r.type === 'broker' ? ConfigResourceTypes.BROKER : ConfigResourceTypes.TOPIC
    const { resources } = await admin.describeConfigs({ resources: [{ type, name: r.name, configNames: r.keys }], includeSynonyms: false })
    return { configs: Object.fromEntries(resources[0].configEntries.map(e => [e.configName, e.configValue])) }
  },

  // kafkajs has AlterConfigs only: what is not named goes back to its default.
  alter_configs: async (admin, r) => {
    const configEntries = Object.entries(r.set).map(([name, value]) => ({ name, value }))
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: r.name, configEntries }] })
    return {}
  },

  list_groups: async admin => ({ groups: (await admin.listGroups()).groups.map(g => g.groupId).sort() }),

  describe_group: async (admin, r) => {
    const { groups } = await admin.describeGroups([r.group])
    return { state: groups[0].state, members: groups[0].members.length }
  },

  delete_group: async (admin, r) => {
    await admin.deleteGroups([r.group])
    return {}
  },

  group_offsets: async (admin, r) => {
    const topics = await admin.fetchOffsets({ groupId: r.group })
    const entries = topics.flatMap(({ topic, partitions }) => partitions.map(p => [`${topic}/${p.partition}`, Number(p.offset)]))
    return { offsets: Object.fromEntries(entries.filter(([, offset]) => offset >= 0)) }
  },

  list_offsets: async (admin, r) => {
    const found = await admin.fetchTopicOffsets(r.topic)
    const entries = found.map(p => [p.partition, Number(r.spec === 'earliest' ? p.low : p.high)])
    return { offsets: Object.fromEntries(entries) }
  },

  // kafkajs finds the leader only of topics it was asked about before, and keeps the low watermark of the answer to itself.
  delete_records: async (admin, r) => {
    await admin.fetchTopicOffsets(r.topic)
    await admin.deleteTopicRecords({ topic: r.topic, partitions: [{ partition: r.partition, offset: String(r.offset) }] })
    const found = (await admin.fetchTopicOffsets(r.topic)).find(p => p.partition === r.partition)
    return { low_watermark: Number(found.low) }
  },
}

module.exports = { operations: Object.fromEntries(Object.entries(operations).map(([name, operation]) => [name, withAdmin(operation)])) }
