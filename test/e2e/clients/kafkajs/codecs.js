'use strict'
// kafkajs ships gzip only; an application registers the other codecs, as its documentation describes. None of the packages here is compiled
// on installation: snappy and zstd are JavaScript and WebAssembly, lz4 comes prebuilt (brokers want the independent blocks that it writes).

const { CompressionCodecs, CompressionTypes } = require('kafkajs')
const snappy = require('kafkajs-snappy')
const lz4 = require('lz4-napi')
const zstd = require('@bokuweb/zstd-wasm')

// Room for a zstd frame that does not name its content size; frames that do are not limited by it.
const UNSIZED_FRAME_BYTES = 32 * 1024 * 1024

const register = async () => {
  await zstd.init()
  CompressionCodecs[CompressionTypes.Snappy] = snappy
  CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: encoder => lz4.compressFrame(encoder.buffer),
    decompress: buffer => lz4.decompressFrame(buffer),
  })
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async encoder => Buffer.from(zstd.compress(encoder.buffer, 3)),
    decompress: async buffer => Buffer.from(zstd.decompress(buffer, { defaultHeapSize: UNSIZED_FRAME_BYTES })),
  })
}

const TYPES = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
}

module.exports = { register, TYPES }
