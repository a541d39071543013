'use strict'
// A running kafkajs consumer and what it has received.

const { leave } = require('./leave')
const records = require('./records')
const { describeError, within } = require('./outcome')

const LIMIT_MS = 60000
const CLOSE_MS = 15000

class Member {
  /**
   * @param consumer a kafkajs consumer, not yet connected
   * @param failAt offsets by partition that the handler cannot process: it throws, and kafkajs goes on as it does then
   * @param slowMs how long the handler takes over each record
   */
  constructor(consumer, group, { failAt = {}, slowMs = 0 } = {}) {
    Object.assign(this, { consumer, group, failAt, slowMs, wake: () => {} })
    Object.assign(this, { received: [], count: 0, positions: {}, assignment: [], rebalances: 0, error: null })
    const { GROUP_JOIN, CRASH } = consumer.events
    consumer.on(GROUP_JOIN, ({ payload }) => {
      this.rebalances++
      this.assignment = Object.entries(payload.memberAssignment).flatMap(([topic, ids]) => ids.map(id => `${topic}/${id}`)).sort()
    })
    consumer.on(CRASH, ({ payload }) => {
      if (!payload.restart) this.error = this.error || describeError(payload.error)
    })
  }

  /** Joins in the background: returns at once. */
  start(topics, fromBeginning, autoCommitMs = 0) {
    const running = (async () => {
      await this.consumer.connect()
      await this.consumer.subscribe({ topics, fromBeginning })
      const commits = autoCommitMs > 0 ? { autoCommit: true, autoCommitInterval: autoCommitMs } : { autoCommit: false }
      await this.consumer.run({
        ...commits,
        eachBatchAutoResolve: false,
        eachBatch: handed => this.handle(handed),
      })
    })()
    running.catch(e => {
      this.error = this.error || describeError(e)
    })
  }

  /** Handles a batch as kafkajs does with eachMessage, which sends a heartbeat between two messages; fails it as a whole. */
  async handle({ batch, resolveOffset, heartbeat, commitOffsetsIfNecessary, isRunning }) {
    const { topic, partition, messages } = batch
    const fails = this.failAt[`${topic}/${partition}`]
    if (messages.some(m => Number(m.offset) === fails)) throw new Error(`cannot process offset ${fails}`)
    for (const message of messages) {
      if (!isRunning()) return
      await this.work()
      this.keep(topic, partition, message)
      resolveOffset(message.offset)
      await heartbeat()
      await commitOffsetsIfNecessary()
    }
  }

  /** Takes as long over a record as was asked for, also when that changes meanwhile. */
  async work() {
    const begin = Date.now()
    for (let left = this.slowMs; left > 0; left = this.slowMs - (Date.now() - begin)) {
      await new Promise(resolve => {
        const timer = setTimeout(resolve, left)
        this.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  slow(ms) {
    this.slowMs = ms
    this.wake()
  }

  keep(topic, partition, message) {
    this.received.push(records.encode(topic, partition, message))
    this.count++
    this.positions[`${topic}/${partition}`] = Number(message.offset) + 1
  }

  state() {
    const { assignment, count, positions, rebalances, error } = this
    return { assignment, count, positions, rebalances, error }
  }

  take() {
    const taken = this.received
    this.received = []
    return taken
  }

  /** Positions of what was received and is still assigned. */
  receivedPositions() {
    return Object.fromEntries(Object.entries(this.positions).filter(([name]) => this.assignment.includes(name)))
  }

  async commit(splitPartition) {
    const offsets = this.receivedPositions()
    const wanted = Object.entries(offsets).map(([name, offset]) => {
      const [topic, partition] = splitPartition(name)
      return { topic, partition, offset: String(offset) }
    })
    if (wanted.length > 0) await within(LIMIT_MS, 'commitOffsets', this.consumer.commitOffsets(wanted))
    return offsets
  }

  /** Leaves the group. What does not come to an end is told so. */
  async close() {
    this.slow(0)
    try {
      await within(CLOSE_MS, 'disconnect', leave(this.consumer))
      return {}
    } catch (e) {
      if (e.name !== 'DriverTimeout') throw e
      return { hung: true }
    }
  }
}

module.exports = { Member }
