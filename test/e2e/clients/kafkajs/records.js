'use strict'
// Records as the driver protocol writes them: decoding, generating, and the digest of a partition.

const crypto = require('crypto')

const LETTERS = 'abcdefghijklmnopqrstuvwxyz'
// Letter j of record i depends on (i*7) and j*j modulo 26 only, so one period per remainder is enough.
const PERIODS = Array.from({ length: 26 }, (_, r) => Array.from({ length: 26 }, (_, j) => LETTERS[(r + j * j) % 26]).join(''))

const b64 = data => (data === null || data === undefined ? null : data.toString('base64'))
const unb64 = text => (text === null || text === undefined ? null : Buffer.from(text, 'base64'))

/** [name, value] pairs as kafkajs' headers object; a repeated name becomes an array. */
const headersObject = pairs => {
  const headers = {}
  for (const [name, value] of pairs) {
    if (!Object.hasOwn(headers, name)) headers[name] = value
    else headers[name] = [].concat(headers[name], [value])
  }
  return headers
}

/** The reverse, over what kafkajs hands to a consumer. */
const headerPairs = headers =>
  Object.entries(headers || {}).flatMap(([name, value]) => (Array.isArray(value) ? value.map(v => [name, v]) : [[name, value]]))

/** Without a partition the library's partitioner chooses. */
const message = (partition, key, value, pairs, timestamp) => {
  const out = { key, value }
  if (partition !== null && partition !== undefined) out.partition = partition
  if (pairs.length > 0) out.headers = headersObject(pairs)
  if (timestamp) out.timestamp = String(timestamp)
  return out
}

/** A record of a request as a kafkajs message. */
const decode = r => message(r.p, unb64(r.k), unb64(r.v), (r.h || []).map(([name, value]) => [name, unb64(value)]), r.ts)

/** The value of generated record i: its name, then letters up to `size` bytes. */
const padded = (i, prefix, size) => {
  const head = `${prefix}v${i}:`
  const length = Math.max(0, size - head.length)
  return Buffer.from(head + PERIODS[(i * 7) % 26].repeat(Math.ceil(length / 26)).slice(0, length), 'latin1')
}

const VALUES = {
  text: ({ prefix = '', size = 0 }, i) => padded(i, prefix, size),
  json: (_spec, i) => Buffer.from(`{"id":${i},"name":"n${i}","email":"e${i}@example.org"}`),
  'json-null-email': (_spec, i) => Buffer.from(`{"id":${i},"name":"n${i}","email":null}`),
  confluent: (spec, i) => Buffer.concat([Buffer.from([0, 0, 0, 0, 7]), VALUES.text(spec, i)]),
  null: () => null,
  'null-text': () => Buffer.from('null'),
  empty: () => Buffer.alloc(0),
  'empty-object': () => Buffer.from('{}'),
}

const keyOf = ({ prefix = '', keys = 0, hot = 0 }, i) =>
  Buffer.from(prefix + (hot && i % hot === 0 ? 'hot' : `k${keys ? i % keys : i}`))

/** The messages that a `generate` object stands for. */
const generate = function* (spec) {
  const { count, ts = 0, flavour = 'plain', avoid = [] } = spec
  const partitions = spec.partitions || 1
  const valueOf = VALUES[spec.value || 'text']
  for (let i = 0; i < count; i++) {
    let [key, value, headers] = [keyOf(spec, i), valueOf(spec, i), []]
    if (flavour === 'mixed') {
      if (i % 7 === 3) value = null
      else if (i % 7 === 5) value = Buffer.alloc(0)
      if (i % 5 === 4 && !(value === null && avoid.includes('null_key_and_value'))) key = null
      if (i % 3 === 0) headers = [['h1', Buffer.from(String(i))], ['h2', avoid.includes('null_header_values') ? Buffer.alloc(0) : null]]
    }
    yield message(i % partitions, key, value, headers, ts && ts + i)
  }
}

/** A consumed message as the protocol writes it. */
const encode = (topic, partition, m) => ({
  t: topic, p: partition, o: Number(m.offset), k: b64(m.key), v: b64(m.value),
  h: headerPairs(m.headers).map(([name, value]) => [name, b64(value)]), ts: Number(m.timestamp),
})

/** Count, first and last offset and SHA-256 of one partition's records, fed in offset order. */
class Digest {
  constructor() {
    this.count = 0
    this.sha = crypto.createHash('sha256')
  }

  add(m) {
    const text = data => (data === null || data === undefined ? '-' : data.toString('base64'))
    const headers = headerPairs(m.headers).map(([name, value]) => `${name}=${text(value)}`).join(',')
    this.sha.update(`${text(m.key)}\t${text(m.value)}\t${headers}\t${m.timestamp}\n`)
    if (this.count++ === 0) this.first = Number(m.offset)
    this.last = Number(m.offset)
  }

  result() {
    return { count: this.count, sha256: this.sha.copy().digest('hex'), first: this.first, last: this.last }
  }
}

module.exports = { decode, generate, encode, headerPairs, Digest }
