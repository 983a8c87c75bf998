// What the server's API speaks; see console/*.go. The fixtures beside this file
// are recorded by the server's tests, and types.test.ts holds them against these
// types.

export interface User {
  name: string;
  admin: boolean;
}

export interface SessionState {
  version: string;
  auth: boolean;
  bootstrap: boolean;
  user: User | null;
  features: string[];
}

export interface Namespace {
  id: string;
  name: string;
  description: string;
}

export interface ServiceKey {
  namespace: string;
  group: string;
  name: string;
}

export interface ServiceSummary {
  group: string;
  name: string;
  clusters: number;
  instances: number;
  healthy: number;
  protected: boolean;
}

export interface ServicePage {
  total: number;
  items: ServiceSummary[];
  stale: boolean;
}

export interface ClusterSummary {
  name: string;
  instances: number;
  healthy: number;
  enabled: number;
}

export interface Service extends ServiceKey {
  protectThreshold: number;
  protected: boolean;
  metadata: Record<string, string>;
  stale: boolean;
  clusters: ClusterSummary[];
}

export interface Instance {
  ip: string;
  port: number;
  cluster: string;
  weight: number;
  healthy: boolean;
  enabled: boolean;
  ephemeral: boolean;
  metadata: Record<string, string>;
}

export interface InstancePage {
  total: number;
  items: Instance[];
  stale: boolean;
}

export interface InstanceUpdate extends ServiceKey {
  cluster: string;
  ip: string;
  port: number;
  ephemeral: boolean;
  enabled?: boolean;
  weight?: number;
}

export interface ConfigKey {
  namespace: string;
  group: string;
  dataId: string;
}

export interface ConfigSummary {
  group: string;
  dataId: string;
  type: string;
  md5: string;
  sizeBytes: number;
  app: string;
  description: string;
  tags: string[];
  modifiedMillis: number;
  modifiedBy: string;
}

export interface ConfigPage {
  total: number;
  items: ConfigSummary[];
}

export interface Config extends ConfigSummary {
  namespace: string;
  content: string;
  binary: boolean;
}

export interface ConfigPublish extends ConfigKey {
  content: string;
  type: string;
  app: string;
  description: string;
  tags: string[];
  expectMd5: string;
}

export interface Stat {
  czxid: string;
  mzxid: string;
  pzxid: string;
  ctime: number;
  mtime: number;
  version: number;
  cversion: number;
  aversion: number;
  ephemeralOwner: string;
  dataLength: number;
  numChildren: number;
}

export interface Acl {
  perms: string;
  scheme: string;
  id: string;
}

export interface Znode {
  path: string;
  data: string | null;
  hidden: boolean;
  readOnly: boolean;
  stat: Stat;
  acl: Acl[];
}

export interface Child {
  name: string;
  numChildren: number;
  dataLength: number;
  ephemeral: boolean;
}

export interface ChildPage {
  total: number;
  items: Child[];
  next: string;
}

/** The kinds of znodes that can be made here, with the protocol's values. */
export const createModes = {
  persistent: 0,
  persistentSequential: 2,
  container: 4,
  persistentTtl: 5,
  persistentSequentialTtl: 6,
} as const;

export interface ZnodeCreate {
  path: string;
  data: string | null;
  mode: number;
  ttlMillis: number;
}

export interface Failure {
  code: string;
  message: string;
}
