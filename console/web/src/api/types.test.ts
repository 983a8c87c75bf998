import { expect, test } from "vitest";
import children from "./fixtures/children.json";
import config from "./fixtures/config.json";
import configs from "./fixtures/configs.json";
import failure from "./fixtures/failure.json";
import instance from "./fixtures/instance.json";
import instances from "./fixtures/instances.json";
import namespaces from "./fixtures/namespaces.json";
import service from "./fixtures/service.json";
import services from "./fixtures/services.json";
import sessionBootstrap from "./fixtures/session-bootstrap.json";
import sessionOpen from "./fixtures/session-open.json";
import sessionUser from "./fixtures/session-user.json";
import stat from "./fixtures/stat.json";
import user from "./fixtures/user.json";
import znode from "./fixtures/znode.json";
import znodeNull from "./fixtures/znode-null.json";
import type * as t from "./types";

// What the server's tests recorded must have each field of our types. A field
// too few does not compile; here one too many fails as well.
type Fields<T> = { [K in keyof T]-?: true };

const user_: Fields<t.User> = { name: true, admin: true };
const instance_: Fields<t.Instance> = {
  ip: true,
  port: true,
  cluster: true,
  weight: true,
  healthy: true,
  enabled: true,
  ephemeral: true,
  metadata: true,
};
const session_: Fields<t.SessionState> = {
  version: true,
  auth: true,
  bootstrap: true,
  user: true,
  features: true,
};
const summary_: Fields<t.ConfigSummary> = {
  group: true,
  dataId: true,
  type: true,
  md5: true,
  sizeBytes: true,
  app: true,
  description: true,
  tags: true,
  modifiedMillis: true,
  modifiedBy: true,
};
const stat_: Fields<t.Stat> = {
  czxid: true,
  mzxid: true,
  pzxid: true,
  ctime: true,
  mtime: true,
  version: true,
  cversion: true,
  aversion: true,
  ephemeralOwner: true,
  dataLength: true,
  numChildren: true,
};
const znode_: Fields<t.Znode> = {
  path: true,
  data: true,
  hidden: true,
  readOnly: true,
  stat: true,
  acl: true,
};
const service_: Fields<t.Service> = {
  namespace: true,
  group: true,
  name: true,
  protectThreshold: true,
  protected: true,
  metadata: true,
  stale: true,
  clusters: true,
};

const sameFields = (got: object, want: object) =>
  expect(Object.keys(got).sort()).toEqual(Object.keys(want).sort());
const first = <T>(list: T[]): T => {
  const [item] = list;
  if (item === undefined) {
    throw new Error("an empty fixture shows nothing");
  }
  return item;
};

test("recorded answers have the fields of the types, no more and no fewer", () => {
  for (const state of [sessionOpen, sessionBootstrap, sessionUser] satisfies t.SessionState[]) {
    sameFields(state, session_);
  }
  sameFields(user satisfies t.User, user_);
  sameFields(first(namespaces satisfies t.Namespace[]), { id: 1, name: 1, description: 1 });
  sameFields(services satisfies t.ServicePage, { total: 1, items: 1, stale: 1 });
  sameFields(first(services.items), {
    group: 1,
    name: 1,
    clusters: 1,
    instances: 1,
    healthy: 1,
    protected: 1,
  } satisfies Record<keyof t.ServiceSummary, 1>);
  sameFields(service satisfies t.Service, service_);
  sameFields(first(service.clusters), { name: 1, instances: 1, healthy: 1, enabled: 1 });
  sameFields(instances satisfies t.InstancePage, { total: 1, items: 1, stale: 1 });
  sameFields(first(instances.items), instance_);
  sameFields(instance satisfies t.Instance, instance_);
  sameFields(configs satisfies t.ConfigPage, { total: 1, items: 1 });
  sameFields(first(configs.items), summary_);
  sameFields(config satisfies t.Config, { ...summary_, namespace: 1, content: 1, binary: 1 });
  for (const z of [znode, znodeNull] satisfies t.Znode[]) {
    sameFields(z, znode_);
    sameFields(z.stat, stat_);
    sameFields(first(z.acl), { perms: 1, scheme: 1, id: 1 });
  }
  sameFields(children satisfies t.ChildPage, { total: 1, items: 1, next: 1 });
  sameFields(first(children.items), { name: 1, numChildren: 1, dataLength: 1, ephemeral: 1 });
  sameFields(stat satisfies t.Stat, stat_);
  sameFields(failure satisfies t.Failure, { code: 1, message: 1 });
});
