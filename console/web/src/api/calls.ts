import { call } from "./client";
import type * as t from "./types";

export interface Paging {
  page: number;
  size: number;
}

// Keys are sent spelled out: the interfaces of TypeScript carry no index
// signature, and nothing else must slip into a query.
const serviceKey = (k: t.ServiceKey) => ({ namespace: k.namespace, group: k.group, name: k.name });
const configKey = (k: t.ConfigKey) => ({ namespace: k.namespace, group: k.group, dataId: k.dataId });

export const api = {
  session: (signal?: AbortSignal) => call<t.SessionState>("GET", "session", { signal }),
  login: (name: string, password: string) => call<t.User>("POST", "login", { body: { name, password } }),
  bootstrap: (token: string, name: string, password: string) =>
    call<t.User>("POST", "bootstrap", { body: { token, name, password } }),
  logout: () => call<unknown>("POST", "logout"),

  namespaces: (signal?: AbortSignal) => call<t.Namespace[]>("GET", "namespaces", { signal }),

  services: (
    q: Paging & { namespace: string; group: string; name: string; hideEmpty: boolean },
    signal?: AbortSignal,
  ) => call<t.ServicePage>("GET", "services", { query: { ...q }, signal }),
  service: (key: t.ServiceKey, signal?: AbortSignal) =>
    call<t.Service>("GET", "service", { query: serviceKey(key), signal }),
  instances: (
    key: t.ServiceKey,
    q: Paging & { cluster: string; text: string; health: string },
    signal?: AbortSignal,
  ) => call<t.InstancePage>("GET", "instances", { query: { ...serviceKey(key), ...q }, signal }),
  updateInstance: (update: t.InstanceUpdate) => call<t.Instance>("PUT", "instance", { body: update }),

  configs: (q: Paging & { namespace: string; group: string; dataId: string }, signal?: AbortSignal) =>
    call<t.ConfigPage>("GET", "configs", { query: { ...q }, signal }),
  config: (key: t.ConfigKey, signal?: AbortSignal) =>
    call<t.Config>("GET", "config", { query: configKey(key), signal }),
  publish: (config: t.ConfigPublish) => call<t.Config>("POST", "config", { body: config }),
  deleteConfig: (key: t.ConfigKey, md5: string) =>
    call<unknown>("DELETE", "config", { query: { ...configKey(key), md5 } }),

  znode: (path: string, signal?: AbortSignal) => call<t.Znode>("GET", "znode", { query: { path }, signal }),
  children: (path: string, after: string, text: string) =>
    call<t.ChildPage>("GET", "znode/children", { query: { path, after, text, limit: 100 } }),
  createZnode: (znode: t.ZnodeCreate) =>
    call<{ path: string; stat: t.Stat }>("POST", "znode", { body: znode }),
  setZnode: (path: string, data: string | null, version: number) =>
    call<t.Stat>("PUT", "znode", { body: { path, data, version } }),
  deleteZnode: (path: string, version: number) =>
    call<unknown>("DELETE", "znode", { query: { path, version } }),
};
