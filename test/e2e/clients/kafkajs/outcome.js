'use strict'
// How kafkajs' errors are reported, the error for what the library cannot do, and a time limit for calls that have none.

/** The library (not the broker) cannot do what was asked; the message says why. */
class Unsupported extends Error {}

/** The error that says what happened: aggregates carry one per topic, group or partition, retries carry the last one as cause. */
const innermost = e => {
  const inner = (e.errors && e.errors[0]) || (e.groups && e.groups[0] && e.groups[0].error) || e.cause
  return inner && inner !== e ? innermost(inner) : e
}

/** The `error` object of the driver protocol. `type` is Kafka's name for the code as kafkajs spells it. */
const describeError = e => {
  const inner = innermost(e)
  return {
    name: e.name,
    code: typeof inner.code === 'number' ? inner.code : null,
    type: inner.type || null,
    message: e.message || String(e),
    retriable: typeof inner.retriable === 'boolean' ? inner.retriable : null,
  }
}

/** Waits for a promise, at most `ms` milliseconds; then rejects with an error that names `what`. */
const within = (ms, what, promise) => {
  let timer
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error(`${what} took longer than ${ms} ms`), { name: 'DriverTimeout' })), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

module.exports = { Unsupported, describeError, within }
