'use strict'
// Turns the protocol's `conn` object into a Kafka instance.

const fs = require('fs')
const { Kafka, logLevel } = require('kafkajs')

/** kafkajs logs to stdout by default, which belongs to the answers. */
const stderrLog = () => ({ label, log }) => process.stderr.write(`${log.timestamp} ${label} ${log.message} ${log.error || ''}\n`)

const tlsOptions = security => {
  const read = file => file && fs.readFileSync(file, 'utf8')
  return { ca: security.ca && [read(security.ca)], cert: read(security.cert), key: read(security.key) }
}

/** A client with the library's defaults but for what `conn` and `extra` (KafkaConfig) say. */
const connect = (conn, extra = {}) => {
  const security = conn.security || {}
  const protocol = security.protocol || 'PLAINTEXT'
  const config = {
    brokers: conn.bootstrap.split(','),
    clientId: conn.client_id || 'e2e-kafkajs',
    logLevel: logLevel.WARN,
    logCreator: stderrLog,
    ...extra,
  }
  if (protocol.endsWith('SSL')) config.ssl = tlsOptions(security)
  if (protocol.startsWith('SASL')) {
    config.sasl = { mechanism: security.mechanism.toLowerCase(), username: security.username, password: security.password }
  }
  return new Kafka(config)
}

/** 'topic/3' as ['topic', 3]. */
const splitPartition = text => {
  const slash = text.lastIndexOf('/')
  return [text.slice(0, slash), Number(text.slice(slash + 1))]
}

/** {'topic/0': 12} as kafkajs' [{ topic, partitions: [{ partition, offset }] }]. */
const topicOffsets = offsets => {
  const topics = new Map()
  for (const [name, offset] of Object.entries(offsets)) {
    const [topic, partition] = splitPartition(name)
    if (!topics.has(topic)) topics.set(topic, [])
    topics.get(topic).push({ partition, offset: String(offset) })
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }))
}

module.exports = { connect, splitPartition, topicOffsets }
