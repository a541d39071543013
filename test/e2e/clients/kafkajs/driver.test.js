'use strict'
// Unit checks of the driver: `node --test` in this folder, with the packages installed. No broker is needed.

const assert = require('node:assert')
const test = require('node:test')
const { KafkaJSNumberOfRetriesExceeded } = require('kafkajs')
const { createErrorFromCode } = require('kafkajs/src/protocol/error')
const vectors = require('../vectors.json')
const codecs = require('./codecs')
const { CompressionCodecs, Partitioners } = require('kafkajs')
const { answer } = require('./driver')
const { leave } = require('./leave')
const { Member } = require('./member')
const { describeError } = require('./outcome')
const { grouped, noting } = require('./producer_ops')
const records = require('./records')

test('generated records have the agreed digest', () => {
  for (const { generate, partitions } of vectors) {
    const digests = {}
    for (const m of records.generate(generate)) {
      digests[m.partition] = digests[m.partition] || new records.Digest()
      digests[m.partition].add({ ...m, offset: '0' })
    }
    const got = Object.entries(digests).map(([id, d]) => [id, { count: d.result().count, sha256: d.result().sha256 }])
    assert.deepStrictEqual(Object.fromEntries(got), partitions)
  }
  assert.throws(() => [...records.generate({ count: 1, value: 'xml' })])
})

test('null and empty are told apart, repeated headers kept', () => {
  const m = records.decode({ p: 1, k: null, v: '', h: [['a', 'eA=='], ['a', 'eQ==']] })
  assert.deepStrictEqual([m.key, m.value.length, 'timestamp' in m], [null, 0, false])
  const back = records.encode('t', 1, { ...m, offset: '7', timestamp: '5' })
  assert.deepStrictEqual(back, { t: 't', p: 1, o: 7, k: null, v: '', h: [['a', 'eA=='], ['a', 'eQ==']], ts: 5 })
})

test('every codec gives back what it was given', async () => {
  await codecs.register()
  const data = Buffer.from('a longer text, a longer text, a longer text. '.repeat(5000))
  for (const [name, type] of Object.entries(codecs.TYPES)) {
    if (name === 'none') continue
    const codec = CompressionCodecs[type]()
    const packed = await codec.compress({ buffer: data })
    assert.ok(packed.length < data.length, name)
    assert.ok(data.equals(await codec.decompress(packed)), name)
  }
})

test('a call is one group, a long series goes in groups of one partition, a short one alone', () => {
  const list = n => Array.from({ length: n }, (_, i) => ({ partition: i % 3 }))
  assert.deepStrictEqual(grouped(list(4), 'call', 0), [[0, 1, 2, 3]])
  assert.strictEqual(grouped(list(40), 'async', 0).length, 40)
  assert.strictEqual(grouped(list(2501), 'sync', 0).length, 2501)
  const groups = grouped(list(2501), 'async', 0)
  assert.strictEqual(groups.length, 27)
  assert.deepStrictEqual(groups.flat().sort((a, b) => a - b), [...list(2501).keys()])
  for (const group of groups) assert.ok(group.every((i, k) => i % 3 === group[0] % 3 && (k === 0 || i > group[k - 1])))
})

test('where kafkajs chooses the partition, a long series goes in groups all the same', () => {
  const list = n => Array.from({ length: n }, () => ({}))
  assert.strictEqual(grouped(list(40), 'async', 0).length, 40)
  assert.deepStrictEqual(grouped(list(1001), 'async', 0).map(g => g.length), [...Array(10).fill(100), 1])
})

test('what a partitioner chose is known of each message', () => {
  const chosen = new WeakMap()
  const message = { key: Buffer.from('order-12345'), value: null }
  const partitionMetadata = Array.from({ length: 12 }, (_, partitionId) => ({ partitionId, leader: 1 }))
  const murmur2 = noting(Partitioners.DefaultPartitioner, chosen)()({ topic: 't', partitionMetadata, message })
  assert.strictEqual(chosen.get(message), murmur2)
  assert.strictEqual(murmur2, 1) // as Java
})

test('a consumer is left right after it began to fetch', async () => {
  const calls = []
  let begin
  const consumer = {
    events: { FETCH_START: 'fetch' },
    on: (event, listener) => {
      begin = () => listener({ type: event })
    },
    disconnect: async () => calls.push('disconnect'),
  }
  const left = leave(consumer)
  assert.deepStrictEqual(calls, [])
  begin()
  assert.deepStrictEqual(calls, [])
  await null
  assert.deepStrictEqual(calls, ['disconnect'])
  begin()
  await left
  assert.deepStrictEqual(calls, ['disconnect'])
})

test('work that is to be quicker ends', async () => {
  const member = new Member({ events: {}, on: () => {} }, 'g')
  await member.work() // which takes no time unless told
  member.slow(3600000)
  let done = false
  const work = member.work().then(() => {
    done = true
  })
  member.slow(7200000)
  await new Promise(setImmediate)
  assert.strictEqual(done, false)
  member.slow(0)
  await work
})

test('an error keeps its code through retries', () => {
  const refused = describeError(createErrorFromCode(44))
  assert.deepStrictEqual([refused.name, refused.code, refused.type, refused.retriable], ['KafkaJSProtocolError', 44, 'POLICY_VIOLATION', false])
  const exceeded = describeError(new KafkaJSNumberOfRetriesExceeded(createErrorFromCode(6), { retryCount: 5, retryTime: 1 }))
  assert.deepStrictEqual([exceeded.name, exceeded.code], ['KafkaJSNumberOfRetriesExceeded', 6])
})

test('what the library cannot do is unsupported', async () => {
  assert.strictEqual((await answer({ id: 1, op: 'toString' })).unsupported, true)
  assert.strictEqual((await answer({ id: 2, op: 'consumer_open', protocol: 'consumer' })).unsupported, true)
})
