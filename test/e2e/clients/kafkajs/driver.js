'use strict'
// Driver for kafkajs: one JSON request per line on stdin, one JSON answer per line on stdout.
// The protocol is described in ../../README.md. Requests run concurrently; the log goes to stderr.

const readline = require('readline')
const kafkajsVersion = require('kafkajs/package.json').version
const admin = require('./admin_ops')
const consumers = require('./consumer_ops')
const producers = require('./producer_ops')
const codecs = require('./codecs')
const { Unsupported, describeError } = require('./outcome')

// Not here: null_header_values (send() measures the bytes of every value and throws on null).
const CAPABILITIES = [
  'admin', 'create_partitions', 'alter_configs', 'delete_records', 'list_offsets', 'describe_cluster',
  'group_offsets', 'delete_group', 'idempotent', 'transactions', 'send_offsets',
  'codec:gzip', 'codec:snappy', 'codec:lz4', 'codec:zstd',
  'headers', 'null_key_and_value', 'timestamps', 'acks0', 'group',
  'sasl:PLAIN', 'sasl:SCRAM-SHA-256', 'sasl:SCRAM-SHA-512', 'tls', 'mtls',
]

const hello = async () => ({ client: 'kafkajs', version: kafkajsVersion, capabilities: CAPABILITIES })

const OPERATIONS = { hello, ...admin.operations, ...producers.operations, ...consumers.operations }

/** Runs one request and returns the answer that belongs on its line; never throws. */
const answer = async request => {
  try {
    const operation = Object.hasOwn(OPERATIONS, request.op) ? OPERATIONS[request.op] : null
    if (!operation) throw new Unsupported(`the kafkajs driver has no operation ${JSON.stringify(request.op)}`)
    return { id: request.id, ok: true, result: await operation(request) }
  } catch (e) {
    if (e instanceof Unsupported) return { id: request.id, ok: false, unsupported: true, error: { message: e.message } }
    process.stderr.write(`${request.op}: ${e.stack}\n`)
    return { id: request.id, ok: false, error: describeError(e) }
  }
}

const main = async () => {
  await codecs.register()
  // An error that kafkajs raises outside any call of ours must not silently end the process.
  process.on('unhandledRejection', e => process.stderr.write(`unhandled rejection: ${e && e.stack}\n`))
  const lines = readline.createInterface({ input: process.stdin, crlfDelay: Infinity })
  lines.on('line', async line => {
    if (line.trim()) process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`)
  })
  lines.on('close', async () => {
    await Promise.allSettled([consumers.closeAll(), producers.closeAll()])
    process.exit(0)
  })
}

if (require.main === module) main()

module.exports = { answer }
