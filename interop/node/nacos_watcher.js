'use strict';
// The Node package nacos, as NacosWatcher.java is in Java: it registers one instance of the
// service "watched" and says what it hears. Usage: nacos_watcher.js ADDRESSES IP DIRECTORY

const { NacosConfigClient, NacosNamingClient } = require('nacos');
const [ servers, ip, folder ] = process.argv.slice(2);
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

async function main() {
  const naming = new NacosNamingClient({ logger: quiet, serverList: servers, namespace: 'public' });
  naming.on('error', () => {}); // of a query of a server that is down
  await naming.ready();
  const config = new NacosConfigClient({ serverAddr: servers, cacheDir: folder, requestTimeout: 6000 });
  config.on('error', () => {});
  await naming.registerInstance('watched', { ip, port: 80 });
  naming.subscribe('watched', hosts => console.log('list ' + hosts.map(h => h.ip).sort().join()));
  config.subscribe({ dataId: 'watched.properties', group: 'dubbo' }, content => console.log('config ' + content));
  console.log('ok watcher');
}

main().catch(err => {
  console.error(err);
  process.exit(1);
});
