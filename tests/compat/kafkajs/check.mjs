// Checks through kafkajs and @confluentinc/kafka-javascript. usage: NODE_CHECK_DIR=DIR node check.mjs HOST:PORT
import { createRequire } from 'module'
const require = createRequire(process.env.NODE_CHECK_DIR + '/')
const B = process.argv[2], run = Date.now().toString(36)
async function check (name, f) {
  let t
  try { await Promise.race([f(), new Promise((_, r) => { t = setTimeout(() => r(new Error('60 s passed')), 60000) })]); console.log('ok', name) } catch (e) { console.log(`FAIL ${name}\t${String(e && e.message || e).replace(/\n/g, ' ').slice(0, 300)}`) }
  clearTimeout(t)
}
async function readAll (k, topic, n, opts = {}, runOpts = {}) {
  const c = k.consumer({ groupId: 'js-' + topic + Math.random().toString(36).slice(2), ...opts })
  const out = []
  await c.connect(); await c.subscribe({ topics: [topic], fromBeginning: true })
  await new Promise((resolve, reject) => {
    const t = setTimeout(resolve, 30000)
    c.run({ ...runOpts, eachMessage: async ({ message }) => { out.push(message); if (out.length >= n) { clearTimeout(t); resolve() } } }).catch(reject)
  })
  await c.disconnect()
  return out
}
const { Kafka, logLevel, CompressionTypes } = require('kafkajs')
const k = new Kafka({ brokers: [B], logLevel: logLevel.NOTHING, retry: { retries: 5 } })
const admin = k.admin()
await check('kafkajs: admin create, describe, list, configs, groups', async () => {
  await admin.connect()
  await admin.createTopics({ topics: [{ topic: 'js-a-' + run, numPartitions: 3, replicationFactor: 1 }], waitForLeaders: true })
  const m = await admin.fetchTopicMetadata({ topics: ['js-a-' + run] }); if (m.topics[0].partitions.length !== 3) throw new Error('partitions')
  const c = await admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: 'js-a-' + run }] }); if (!c.resources[0].configEntries.length) throw new Error('configs')
  if (!(await admin.describeCluster()).brokers.length) throw new Error('brokers')
  await admin.listGroups(); await admin.createPartitions({ topicPartitions: [{ topic: 'js-a-' + run, count: 4 }] })
  await admin.deleteTopics({ topics: ['js-a-' + run] })
})
for (const [n, comp] of [['none', CompressionTypes.None], ['gzip', CompressionTypes.GZIP]]) {
  await check(`kafkajs: idempotent produce, group reads, ${n}`, async () => {
    const t = `js-${n}-${run}`; await admin.createTopics({ topics: [{ topic: t, numPartitions: 3, replicationFactor: 1 }], waitForLeaders: true })
    const p = k.producer({ idempotent: true, maxInFlightRequests: 1 }); await p.connect()
    for (let b = 0; b < 10; b++) await p.send({ topic: t, compression: comp, acks: -1, messages: [...Array(100).keys()].map(i => ({ key: String(i), value: `${b}-${i}`, headers: { h: 'x' } })) })
    await p.disconnect()
    const got = await readAll(k, t, 1000); if (new Set(got.map(m => m.value.toString())).size !== 1000) throw new Error(got.length + ' of 1000')
    if (got[0].headers.h.toString() !== 'x') throw new Error('headers')
  })
}
await check('kafkajs: transactions, read_committed', async () => {
  const t = 'js-tx-' + run; await admin.createTopics({ topics: [{ topic: t, numPartitions: 1, replicationFactor: 1 }], waitForLeaders: true })
  const p = k.producer({ idempotent: true, maxInFlightRequests: 1, transactionalId: 'jstx-' + run }); await p.connect()
  for (let i = 0; i < 4; i++) { const x = await p.transaction(); await x.send({ topic: t, messages: [{ value: String(i) }] }); if (i % 2 === 0) await x.commit(); else await x.abort() }
  await p.disconnect()
  const got = (await readAll(k, t, 2, { readUncommitted: false })).map(m => m.value.toString()).join(); if (got !== '0,2') throw new Error(got)
})
await check('kafkajs: offsets: fetch, set, reset, by timestamp', async () => {
  const t = 'js-off-' + run; await admin.createTopics({ topics: [{ topic: t, numPartitions: 1, replicationFactor: 1 }], waitForLeaders: true })
  const p = k.producer(); await p.connect(); await p.send({ topic: t, messages: [1, 2, 3, 4, 5].map(i => ({ value: String(i), timestamp: String(1700000000000 + i) })) }); await p.disconnect()
  const o = await admin.fetchTopicOffsets(t); if (o[0].high !== '5') throw new Error(JSON.stringify(o))
  const ts = await admin.fetchTopicOffsetsByTimestamp(t, 1700000000003); if (ts[0].offset !== '2') throw new Error(JSON.stringify(ts))
  await admin.setOffsets({ groupId: 'jsg-' + run, topic: t, partitions: [{ partition: 0, offset: '3' }] })
  const f = await admin.fetchOffsets({ groupId: 'jsg-' + run, topics: [t] }); if (f[0].partitions[0].offset !== '3') throw new Error(JSON.stringify(f))
  await admin.deleteGroups(['jsg-' + run])
})
await admin.disconnect()
let ckj; try { ckj = require('@confluentinc/kafka-javascript') } catch (e) { console.log('skip @confluentinc/kafka-javascript\t' + e.message.split('\n')[0]) }
if (ckj) {
  const { Kafka: CK } = ckj.KafkaJS
  const ck = new CK({ kafkaJS: { brokers: [B], logLevel: 0 } })
  await check('confluent-kafka-javascript: produce, consume', async () => {
    const t = 'cjs-' + run; const a = ck.admin(); await a.connect(); await a.createTopics({ topics: [{ topic: t, numPartitions: 2, replicationFactor: 1 }] }); await a.disconnect()
    const p = ck.producer({ kafkaJS: { idempotent: true } }); await p.connect(); await p.send({ topic: t, messages: [...Array(500).keys()].map(i => ({ key: String(i), value: String(i) })) }); await p.disconnect()
    const c = ck.consumer({ kafkaJS: { groupId: 'cjsg-' + run, fromBeginning: true } }); await c.connect(); await c.subscribe({ topics: [t] }); const seen = new Set()
    await new Promise(resolve => { const tm = setTimeout(resolve, 30000); c.run({ eachMessage: async ({ message }) => { seen.add(message.value.toString()); if (seen.size === 500) { clearTimeout(tm); resolve() } } }) })
    await c.disconnect(); if (seen.size !== 500) throw new Error(seen.size + ' of 500')
  })
}
process.exit(0)
