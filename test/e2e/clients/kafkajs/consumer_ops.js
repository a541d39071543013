'use strict'
// Consumer operations of the driver protocol.

const crypto = require('crypto')
const { connect, splitPartition } = require('./conn')
const { leave } = require('./leave')
const { Member } = require('./member')
const records = require('./records')
const { Unsupported, within } = require('./outcome')

// kafkajs goes back to its group, and lets go of it, only when every fetch under way has come back: its own 5 s would make each step of a group take
// as long. Members wait as those of other libraries do; a read that is over in no time hardly at all.
const WAIT_MS = 500
const READ_WAIT_MS = 100

const open = new Map()
let opened = 0

const get = handle => {
  if (!open.has(handle)) throw new Error(`no consumer ${handle}`)
  return open.get(handle)
}

/** The partitions of a topic that hold something: Map of id to end offset. */
const ends = async (admin, topic) => {
  const offsets = await admin.fetchTopicOffsets(topic)
  return new Map(offsets.filter(p => p.low !== p.high).map(p => [p.partition, Number(p.high)]))
}

/** Reads with `consumer` until each partition of `end` has been read up to its end; resolves to the digests and raw records. */
const readToEnd = (consumer, topic, end) => {
  const digests = new Map()
  const raw = []
  const left = new Map(end)
  return new Promise((resolve, reject) => {
    const eachBatch = async ({ batch: { partition, messages } }) => {
      for (const m of messages) {
        if (!end.has(partition) || Number(m.offset) >= end.get(partition)) continue
        if (!digests.has(partition)) digests.set(partition, new records.Digest())
        digests.get(partition).add(m)
        raw.push(records.encode(topic, partition, m))
      }
    }
    // The event also comes for batches of control and aborted records alone, which eachBatch never sees.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
      if (Number(lastOffset) + 1 >= left.get(partition)) left.delete(partition)
      if (left.size === 0) resolve({ digests, raw })
    })
    consumer.on(consumer.events.CRASH, ({ payload }) => payload.restart || reject(payload.error))
    consumer.run({ autoCommit: false, eachBatch }).catch(reject)
  })
}

/** kafkajs cannot read without a group, so a group of one, with a name of its own, is joined and deleted again. */
const consume = async r => {
  const kafka = connect(r.conn)
  const admin = kafka.admin()
  const group = `e2e-read-${crypto.randomUUID()}`
  const sizes = r.max_fetch_bytes ? { maxBytes: r.max_fetch_bytes, maxBytesPerPartition: r.max_fetch_bytes } : {}
  const consumer = kafka.consumer({ groupId: group, readUncommitted: r.isolation !== 'read_committed', allowAutoTopicCreation: false, maxWaitTimeInMs: READ_WAIT_MS, ...sizes })
  let joined = false
  const read = async () => {
    await admin.connect()
    const end = await ends(admin, r.topic)
    if (end.size === 0) return { digests: new Map(), raw: [] }
    joined = true
    await consumer.connect()
    await consumer.subscribe({ topics: [r.topic], fromBeginning: true })
    return readToEnd(consumer, r.topic, end)
  }
  try {
    const { digests, raw } = await within(r.timeout_ms || 30000, r.op, read())
    const partitions = Object.fromEntries([...digests].sort(([a], [b]) => a - b).map(([id, digest]) => [id, digest.result()]))
    if (!r.raw) return { partitions }
    return { partitions, records: raw.sort((a, b) => a.p - b.p || a.o - b.o) }
  } finally {
    if (joined) {
      await leave(consumer)
      await admin.deleteGroups([group]).catch(() => {})
    }
    await admin.disconnect()
  }
}

const consumer_open = async r => {
  if (r.protocol === 'consumer') throw new Unsupported('kafkajs has no KIP-848 consumer')
  if (r.protocol === 'share') throw new Unsupported('kafkajs has no share consumer')
  const sessionTimeout = r.session_timeout_ms || 10000
  const consumer = connect(r.conn).consumer({
    groupId: r.group, sessionTimeout, heartbeatInterval: r.heartbeat_interval_ms || Math.min(3000, Math.floor(sessionTimeout / 3)),
    readUncommitted: r.isolation !== 'read_committed', maxWaitTimeInMs: WAIT_MS, minBytes: r.fetch_min_bytes || 1,
  })
  const member = new Member(consumer, r.group, { failAt: r.fail_at, slowMs: r.slow_ms })
  member.start(r.topics, (r.offset_reset || 'earliest') === 'earliest', r.auto_commit_ms)
  const handle = `c${++opened}`
  open.set(handle, member)
  return { handle }
}

const consumer_close = async r => {
  const member = get(r.handle)
  open.delete(r.handle)
  return member.close()
}

module.exports = {
  operations: {
    consume,
    consumer_open,
    consumer_state: async r => get(r.handle).state(),
    consumer_take: async r => ({ records: get(r.handle).take() }),
    consumer_commit: async r => ({ offsets: await get(r.handle).commit(splitPartition) }),
    consumer_slow: async r => {
      get(r.handle).slow(r.slow_ms)
      return {}
    },
    consumer_close,
  },
  get,
  closeAll: () => Promise.allSettled([...open.values()].map(member => member.close())),
}
