'use strict'
// How consumers are left behind.

// A consumer that has not begun to fetch by then is joining, or waits after a crash.
const FETCHES_WITHIN_MS = 3000

/**
 * consumer.disconnect(), called at a moment that kafkajs 2.2.4 stands. While its fetch manager makes new fetchers, because a broker has come or gone, a
 * consumer that is stopped goes on with fetchers that fetch nothing, in a loop that never lets go of the thread: the whole process hangs. No fetch
 * begins in that time, only at its very end, when they are started one after the other: so it is called right after the beginning of a fetch.
 */
const leave = consumer =>
  new Promise((resolve, reject) => {
    let asked = false
    const ask = () => {
      if (asked) return
      asked = true
      clearTimeout(timer)
      consumer.disconnect().then(resolve, reject)
    }
    const timer = setTimeout(ask, FETCHES_WITHIN_MS)
    consumer.on(consumer.events.FETCH_START, () => queueMicrotask(ask))
  })

module.exports = { leave }
