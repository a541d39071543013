'use strict'
// Producer operations of the driver protocol.

const { setTimeout: sleep } = require('timers/promises')
const { Partitioners } = require('kafkajs')
const { connect, topicOffsets } = require('./conn')
const { TYPES } = require('./codecs')
const consumers = require('./consumer_ops')
const records = require('./records')
const { Unsupported, describeError, within } = require('./outcome')

const MAX_GENERATED_ERRORS = 20
const LIMIT_MS = 60000
// kafkajs has no accumulator: one send() is one request per broker. Long generated series go in groups, as an application would do it.
const ALONE_UP_TO = 1000
const GROUP = 100
// As patient as the other libraries' delivery timeouts: five tries, the default, can end before partitions have leaders again. Both the client and its
// producer are told: a partition without a leader is waited for where metadata are read, by what the client was told, and what ends there send() does not try again.
const RETRY = { initialRetryTime: 100, maxRetryTime: 1000, retries: 30 }
const NO_METADATA = { name: 'NoRecordMetadata', code: null, message: 'send() resolved without metadata for this partition', retriable: null }

const open = new Map()
let opened = 0

const get = handle => {
  if (!open.has(handle)) throw new Error(`no producer ${handle}`)
  return open.get(handle)
}

/** A partitioner of kafkajs that also notes, in `chosen`, what it chose for each message: send() does not tell. */
const noting = (create, chosen) => () => {
  const partitioner = create()
  return args => {
    const partition = partitioner(args)
    chosen.set(args.message, partition)
    return partition
  }
}

const producer_open = async r => {
  const manual = (r.partitioner || 'manual') === 'manual'
  const create = Partitioners[manual || r.partitioner === 'default' ? 'DefaultPartitioner' : r.partitioner]
  if (!create) throw new Unsupported(`kafkajs has no partitioner ${r.partitioner}`)
  const chosen = new WeakMap()
  const kafka = connect(r.conn, { requestTimeout: r.request_timeout_ms || 10000, retry: RETRY })
  const transactionalId = r.transactional_id || undefined
  const producer = kafka.producer({
    idempotent: r.idempotent !== false || Boolean(transactionalId),
    maxInFlightRequests: transactionalId ? 1 : r.max_in_flight || 5,
    transactionalId,
    createPartitioner: noting(create, chosen),
    retry: RETRY,
  })
  await within(LIMIT_MS, r.op, producer.connect())
  const handle = `p${++opened}`
  const acks = { all: -1, 1: 1, 0: 0 }[r.acks || 'all']
  // linger_ms, batch_bytes, delivery_timeout_ms and max_request_bytes have no counterpart.
  open.set(handle, {
    producer, manual, chosen, acks, compression: TYPES[r.codec || 'none'], transaction: null,
    limitMs: (r.delivery_timeout_ms || 30000) + 30000,
  })
  return { handle }
}

/** One send(); resolves to the outcome of each message: { p, o, error }. */
const send = async (p, topic, messages) => {
  // The partition that was given or chosen; -1 when kafkajs failed before it chose.
  const where = message => message.partition ?? p.chosen.get(message) ?? -1
  const call = (p.transaction || p.producer).send({ topic, messages, acks: p.acks, compression: p.compression })
  try {
    const done = await within(p.limitMs, 'send', call)
    const next = new Map(done.map(d => [d.partition, Number(d.baseOffset)]))
    return messages.map(message => {
      const partition = where(message)
      if (p.acks === 0) return { p: partition, o: -1, error: null }
      // For a partition that does not exist send() succeeds and stores nothing; the missing metadata alone tells.
      if (!next.has(partition)) return { p: partition, o: -1, error: NO_METADATA }
      const offset = next.get(partition)
      next.set(partition, offset + 1)
      return { p: partition, o: offset, error: null }
    })
  } catch (e) {
    const error = describeError(e)
    return messages.map(message => ({ p: where(message), o: -1, error }))
  }
}

/** Cuts messages into what goes into one send() each: lists of indices, each of one partition unless all go in one call or kafkajs chooses. */
const grouped = (messages, mode, rate) => {
  if (mode === 'call') return [[...messages.keys()]]
  const size = mode === 'sync' || rate > 0 || messages.length <= ALONE_UP_TO ? 1 : GROUP
  const groups = []
  const filling = new Map()
  for (const [i, { partition }] of messages.entries()) {
    const group = filling.get(partition)
    if (group && group.length < size) group.push(i)
    else {
      filling.set(partition, [i])
      groups.push(filling.get(partition))
    }
  }
  return groups
}

/**
 * Sends every message and resolves to their outcomes in the order given. kafkajs keeps no order among sends that run at the same time (its idempotent
 * producer wakes a random waiter), so, as an application must, a partition's sends wait for one another, and only partitions run side by side; where
 * kafkajs chooses the partition all wait for one another.
 */
const sendAll = async (p, topic, messages, mode, rate) => {
  const results = new Array(messages.length)
  const chains = new Map()
  const started = Date.now()
  for (const [n, group] of grouped(messages, mode, rate).entries()) {
    if (rate > 0) await sleep(Math.max(0, started + (n * 1000) / rate - Date.now()))
    const chain = mode === 'sync' ? 0 : messages[group[0]].partition
    chains.set(chain, (chains.get(chain) || Promise.resolve()).then(async () => {
      const outcomes = await send(p, topic, group.map(i => messages[i]))
      group.forEach((i, k) => (results[i] = outcomes[k]))
    }))
  }
  await Promise.all(chains.values())
  return results
}

const produce = async r => {
  const p = get(r.handle)
  const messages = r.generate ? [...records.generate(r.generate)] : r.records.map(records.decode)
  if (!p.manual) for (const message of messages) delete message.partition
  const results = await sendAll(p, r.topic, messages, r.mode, r.rate || 0)
  const failures = results.flatMap(({ error }, i) => (error ? [{ i, error }] : []))
  const counts = { acked: results.length - failures.length, failed: failures.length }
  return r.generate ? { ...counts, errors: failures.slice(0, MAX_GENERATED_ERRORS) } : { ...counts, results }
}

const begin = async r => {
  const p = get(r.handle)
  p.transaction = await within(LIMIT_MS, r.op, p.producer.transaction())
  return {}
}

/** Ends the transaction by its method `commit` or `abort`; without one, what kafkajs itself would say to a stale transaction. */
const end = method => async r => {
  const p = get(r.handle)
  if (!p.transaction) throw new Error('no transaction was begun')
  await within(LIMIT_MS, r.op, p.transaction[method]())
  p.transaction = null
  return {}
}

const send_offsets = async r => {
  const member = r.consumer ? consumers.get(r.consumer) : null
  // kafkajs takes the group's name only, never a member's metadata.
  const topics = topicOffsets(r.offsets || member.receivedPositions())
  const { transaction } = get(r.handle)
  await within(LIMIT_MS, r.op, transaction.sendOffsets({ consumerGroupId: r.group || member.group, topics }))
  return {}
}

// Nothing is buffered: every send() was waited for.
const flush = async r => get(r.handle) && {}

const producer_close = async r => {
  const { producer } = get(r.handle)
  open.delete(r.handle)
  await within(LIMIT_MS, r.op, producer.disconnect())
  return {}
}

const closeAll = () => Promise.allSettled([...open.values()].map(p => within(5000, 'disconnect', p.producer.disconnect())))

module.exports = {
  operations: { producer_open, produce, flush, producer_close, begin, commit: end('commit'), abort: end('abort'), send_offsets },
  closeAll, grouped, noting,
}
