'use strict';
// The Node package nacos against a server: both of its clients, over HTTP.
//
// Usage: nacos_client.js HOST:PORT NAMESPACE DIRECTORY [USER PASSWORD]
// Prints "ok STEP" for every step that held. At "please restart" it goes on when it
// reads a line; by then the server was killed, runs again and has got the content
// "meanwhile" for the config "kept" of the group "shop".

const { NacosConfigClient, NacosNamingClient } = require('nacos');
const readline = require('readline');

const WAIT_MILLIS = 45000;
const [server, namespace, folder, username, password] = process.argv.slice(2);
const credentials = username ? { username, password } : {};

const ok = step => console.log('ok ' + step);
const sleep = millis => new Promise(resolve => setTimeout(resolve, millis));
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

function check(holds, what) {
  if (!holds) throw new Error('it does not hold: ' + what);
}

function same(want, got) {
  check(JSON.stringify(want) === JSON.stringify(got), `want ${JSON.stringify(want)}, got ${JSON.stringify(got)}`);
}

async function eventually(what, holds) {
  for (const deadline = Date.now() + WAIT_MILLIS; ; await sleep(50)) {
    if (await holds()) return;
    check(Date.now() < deadline, `not within ${WAIT_MILLIS} ms: ${what}`);
  }
}

function namingClient() {
  const c = new NacosNamingClient({ logger: quiet, serverList: server, namespace, ...credentials });
  c.on('error', () => {}); // of a query while the server is down
  return c;
}

function configClient() {
  const c = new NacosConfigClient({ serverAddr: server, namespace, cacheDir: folder, requestTimeout: 6000, ...credentials });
  c.on('error', () => {});
  return c;
}

// This client takes no empty list for an answer and keeps what it had: the server is asked.
async function isEmpty(serviceName) {
  const query = new URLSearchParams({ serviceName, namespaceId: namespace, ...credentials });
  const answer = await fetch(`http://${server}/nacos/v1/ns/instance/list?${query}`);
  const text = await answer.text();
  check(answer.ok, text);
  return JSON.parse(text).hosts.length === 0;
}

const ports = hosts => hosts.map(h => h.port).sort((a, b) => a - b).join();

async function naming(provider, consumer) {
  let seen = null;
  const listener = hosts => { seen = hosts; };
  const service = { serviceName: 'node', groupName: 'shop' };
  consumer.subscribe(service, listener);
  const one = { ip: '10.7.0.1', port: 80, weight: 2.5, metadata: { zone: 'east', name: '\u4e2d' } };
  await provider.registerInstance('node', one, 'shop');
  await provider.registerInstance('node', { ip: '10.7.0.1', port: 81 }, 'shop');
  await eventually('two instances', () => seen && ports(seen) === '80,81');
  const found = (await consumer.selectInstances('node', 'shop', 'DEFAULT', true, false)).find(h => h.port === 80);
  check(found.healthy && found.enabled && found.ephemeral, JSON.stringify(found));
  same(2.5, found.weight);
  same('\u4e2d', found.metadata.name);
  // It is registered again with other facts of it.
  await provider.registerInstance('node', { ...one, weight: 4, metadata: { zone: 'west' } }, 'shop');
  await eventually('the change', () => seen.some(h => h.port === 80 && h.weight === 4 && h.metadata.zone === 'west'));
  await provider.registerInstance('node', { ...one, weight: 4, enabled: false }, 'shop');
  await eventually('a disabled instance', async () => ports(await consumer.selectInstances('node', 'shop', 'DEFAULT', true, false)) === '81');
  await provider.deregisterInstance('node', one, 'shop');
  await eventually('an end', () => ports(seen) === '81');
  await sleep(6000); // longer than a heartbeat takes to come
  same('81', ports(await consumer.selectInstances('node', 'shop', 'DEFAULT', true, false)));
  consumer.unSubscribe(service, listener);
  ok('naming');
}

async function persistent(provider, consumer) {
  const one = { ip: '10.7.0.2', port: 80, ephemeral: false };
  await provider.registerInstance('node-persistent', one);
  const [ found ] = await consumer.getAllInstances('node-persistent', 'DEFAULT_GROUP', 'DEFAULT', false);
  same(false, found.ephemeral);
  await provider.deregisterInstance('node-persistent', one);
  await eventually('its end', () => isEmpty('node-persistent'));
  ok('persistent');
}

// This client says nothing when it is closed: its heartbeats end, and then its instances.
async function providerLost(consumer) {
  const doomed = namingClient();
  await doomed.ready();
  await doomed.registerInstance('node-lost', { ip: '10.7.0.3', port: 80 });
  same('80', ports(await consumer.getAllInstances('node-lost', 'DEFAULT_GROUP', 'DEFAULT', false)));
  await doomed.close();
  await eventually('its end', () => isEmpty('node-lost'));
  ok('providerLost');
}

async function config(writer, reader) {
  const seen = [];
  const listener = content => seen.push(content);
  const nothing = await reader.getConfig('node.yaml', 'shop');
  check(!nothing, `a config that is not there: ${nothing}`);
  check(await writer.publishSingle('node.yaml', 'shop', 'one: \u4e2d'), 'a publish');
  same('one: \u4e2d', await reader.getConfig('node.yaml', 'shop'));
  reader.subscribe({ dataId: 'node.yaml', group: 'shop' }, listener);
  await eventually('the first content', () => seen.at(-1) === 'one: \u4e2d');
  for (let i = 1; i <= 3; i++) {
    check(await writer.publishSingle('node.yaml', 'shop', 'change ' + i), 'a publish');
    await eventually('change ' + i, () => seen.at(-1) === 'change ' + i);
  }
  for (let i = 1; i <= 20; i++) check(await writer.publishSingle('node.yaml', 'shop', 'quick ' + i), 'a publish');
  await eventually('the last of quick changes', () => seen.at(-1) === 'quick 20');
  reader.unSubscribe({ dataId: 'node.yaml', group: 'shop' }, listener);
  check(await writer.remove('node.yaml', 'shop'), 'a removal');
  await eventually('its end', async () => !await reader.getConfig('node.yaml', 'shop'));
  ok('config');
}

async function oddConfigs(writer, reader) {
  const odd = [
    [ '-.:_', '_', '\u4f60\u597d' ],
    [ 'a:b.c_d-e', 'G:1.x_y-z', '100% a+b&c=d?e#f;g/h\\i"j\'k<l>${m}' ],
    [ 'lines', 'shop', ' first\r\nsecond\n\n\tthird \n' ],
    [ 'large', 'shop', '0123456789'.repeat(50000) ],
  ];
  for (const [ dataId, group, content ] of odd) {
    check(await writer.publishSingle(dataId, group, content), dataId);
    same(content, await reader.getConfig(dataId, group));
    check(await writer.remove(dataId, group), dataId);
  }
  ok('oddConfigs');
}

// The clients of one process have all the namespace of the last that was made: the config of
// the other one is written and read without them.
async function namespaces(writer, reader) {
  const there = new URLSearchParams({ dataId: 'here', group: 'shop', tenant: 'elsewhere', ...credentials });
  const at = `http://${server}/nacos/v1/cs/configs?${there}`;
  check(await writer.publishSingle('here', 'shop', 'here'), 'a publish');
  same(404, (await fetch(at)).status);
  same('true', await (await fetch(at + '&content=there', { method: 'POST' })).text());
  same('there', await (await fetch(at)).text());
  same('here', await reader.getConfig('here', 'shop'));
  ok('namespaces');
}

async function restart(provider, consumer, writer, reader, lines) {
  let seen = null;
  const contents = [];
  consumer.subscribe('node-kept', hosts => { seen = hosts; });
  await provider.registerInstance('node-kept', { ip: '10.7.0.4', port: 80 });
  await eventually('an instance', () => seen && ports(seen) === '80');
  check(await writer.publishSingle('kept', 'shop', 'before'), 'a publish');
  reader.subscribe({ dataId: 'kept', group: 'shop' }, content => contents.push(content));
  await eventually('a content', () => contents.at(-1) === 'before');
  console.log('please restart');
  await lines.next();
  await eventually('what was published meanwhile', () => contents.at(-1) === 'meanwhile');
  await eventually('the server', async () => await consumer.getServerStatus() === 'UP');
  await provider.registerInstance('node-kept', { ip: '10.7.0.4', port: 81 });
  await eventually('both instances', () => ports(seen) === '80,81');
  check(await writer.publishSingle('kept', 'shop', 'after'), 'a publish after the restart');
  await eventually('a content after the restart', () => contents.at(-1) === 'after');
  await sleep(16000); // longer than an instance stays healthy without a heartbeat
  same('80,81', ports(await consumer.selectInstances('node-kept', 'DEFAULT_GROUP', 'DEFAULT', true, false)));
  ok('restart');
}

async function main() {
  const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const provider = namingClient();
  const consumer = namingClient();
  await Promise.all([ provider.ready(), consumer.ready() ]);
  same('UP', await consumer.getServerStatus());
  const writer = configClient();
  const reader = configClient();
  await naming(provider, consumer);
  await persistent(provider, consumer);
  await config(writer, reader);
  await oddConfigs(writer, reader);
  await namespaces(writer, reader);
  await providerLost(consumer);
  await restart(provider, consumer, writer, reader, lines);
  writer.close();
  reader.close();
  await Promise.all([ provider.close(), consumer.close() ]);
  ok('end');
}

main().then(() => process.exit(0), err => {
  console.error(err);
  process.exit(1);
});
