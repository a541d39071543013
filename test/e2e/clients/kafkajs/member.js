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
   */
  constructor(consumer, group, failAt = {}) {
    Object.assign(this, { consumer, group, failAt, received: [], count: 0, positions: {}, assignment: [], rebalances: 0, error: null })
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
  start(topics, fromBeginning) {
    const running = (async () => {
      await this.consumer.connect()
      await this.consumer.subscribe({ topics, fromBeginning })
      await this.consumer.run({ autoCommit: false, eachBatch: async ({ batch }) => this.keep(batch) })
    })()
    running.catch(e => {
      this.error = this.error || describeError(e)
    })
  }

  keep({ topic, partition, messages }) {
    const fails = this.failAt[`${topic}/${partition}`]
    if (messages.some(m => Number(m.offset) === fails)) throw new Error(`cannot process offset ${fails}`)
    this.received.push(...messages.map(m => records.encode(topic, partition, m)))
    this.count += messages.length
    this.positions[`${topic}/${partition}`] = Number(messages[messages.length - 1].offset) + 1
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
