import { DeleteOutlined, PlusOutlined, ReloadOutlined } from "@ant-design/icons";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Alert, App, Button, Descriptions, Flex, Skeleton, Table, Tabs, Tag, Typography } from "antd";
import { useState } from "react";
import { api } from "../api/calls";
import type { Stat, Znode } from "../api/types";
import { useWords } from "../i18n";
import { bytes, time } from "../lib/format";
import { parentPath } from "../lib/paths";
import { Failed } from "../parts/Failed";
import { useTell } from "../parts/useTell";
import { CreateZnode } from "./CreateZnode";
import type { Listings } from "./useListings";
import { ZnodeChildren } from "./ZnodeChildren";
import { ZnodeData } from "./ZnodeData";

interface Props {
  path: string;
  listings: Listings;
  onOpen: (path: string) => void;
}

/** One znode: data, Stat, ACL, children, and what can be done to it. */
export function ZnodeDetail({ path, listings, onOpen }: Props) {
  const { t } = useWords();
  const tell = useTell();
  const { modal } = App.useApp();
  const client = useQueryClient();
  const [creating, setCreating] = useState(false);
  const znode = useQuery({
    queryKey: ["znode", path],
    queryFn: ({ signal }) => api.znode(path, signal),
    gcTime: 0,
  });
  const refresh = async () => {
    await Promise.all([
      znode.refetch(),
      client.invalidateQueries({ queryKey: ["children", path] }),
      listings.reload(path).catch(() => undefined), // the right side shows why
    ]);
  };
  const remove = useMutation({
    mutationFn: (version: number) => api.deleteZnode(path, version),
    onSuccess: async () => {
      tell.done(t("tree.deleted", { path }));
      onOpen(parentPath(path));
      await listings.reload(parentPath(path));
    },
    onError: tell.failed,
  });

  if (znode.error) {
    return (
      <div style={{ padding: 16 }}>
        <Typography.Paragraph className="mono">{path}</Typography.Paragraph>
        <Failed error={znode.error} onRetry={() => znode.refetch()} />
      </div>
    );
  }
  const z = znode.data;
  if (!z) {
    return <Skeleton active style={{ padding: 16 }} />;
  }
  const askDelete = () =>
    modal.confirm({
      title: <span className="mono">{t("tree.deleteTitle", { path })}</span>,
      content: t("tree.deleteText", { version: z.stat.version }),
      okText: t("common.delete"),
      okButtonProps: { danger: true },
      onOk: () => remove.mutateAsync(z.stat.version).catch(() => undefined),
    });

  return (
    <Flex vertical style={{ height: "100%", padding: "12px 16px", boxSizing: "border-box", minHeight: 0 }}>
      <Flex justify="space-between" align="center" gap={12} wrap>
        <Flex align="center" gap={8} style={{ minWidth: 0 }} wrap>
          <Typography.Text strong copyable={{ text: path }} className="mono" style={{ fontSize: 15 }}>
            {path}
          </Typography.Text>
          {z.stat.ephemeralOwner && <Tag color="gold">{t("service.ephemeral")}</Tag>}
          <Typography.Text type="secondary" style={{ fontSize: 12.5 }}>
            {bytes(z.stat.dataLength)} · v{z.stat.version}
          </Typography.Text>
        </Flex>
        <Flex gap={8}>
          <Button size="small" icon={<ReloadOutlined />} loading={znode.isFetching} onClick={refresh}>
            {t("common.refresh")}
          </Button>
          <Button
            size="small"
            icon={<PlusOutlined />}
            disabled={z.readOnly || z.stat.ephemeralOwner !== ""}
            onClick={() => setCreating(true)}
          >
            {t("tree.create")}
          </Button>
          <Button
            size="small"
            danger
            icon={<DeleteOutlined />}
            disabled={z.readOnly || path === "/" || z.stat.numChildren > 0}
            onClick={askDelete}
          >
            {t("common.delete")}
          </Button>
        </Flex>
      </Flex>
      {z.readOnly && <Alert type="info" showIcon title={t("tree.readOnly")} style={{ marginTop: 10 }} />}
      <Tabs
        className="znode-tabs"
        items={[
          {
            key: "data",
            label: t("tree.data"),
            children: <ZnodeData znode={z} onSaved={() => znode.refetch()} />,
          },
          {
            key: "children",
            label: t("tree.children", { n: z.stat.numChildren }),
            children: <ZnodeChildren path={path} onOpen={onOpen} />,
          },
          { key: "stat", label: t("tree.stat"), children: <StatTable stat={z.stat} /> },
          { key: "acl", label: t("tree.acl"), children: <AclTable of={z} /> },
        ]}
      />
      {creating && (
        <CreateZnode
          parent={path}
          onClose={() => setCreating(false)}
          onCreated={async (created) => {
            setCreating(false);
            tell.done(t("tree.created", { path: created }));
            await listings.reload(path).catch(() => undefined);
            onOpen(created);
          }}
        />
      )}
    </Flex>
  );
}

function StatTable({ stat: s }: { stat: Stat }) {
  const { t } = useWords();
  const mono = (text: string | number) => <span className="mono">{text}</span>;
  return (
    <Descriptions
      size="small"
      bordered
      column={{ xs: 1, xl: 2 }}
      items={[
        { key: "ctime", label: t("tree.created_at"), children: time(s.ctime) },
        { key: "czxid", label: "czxid", children: mono(s.czxid) },
        { key: "mtime", label: t("tree.modified_at"), children: time(s.mtime) },
        { key: "mzxid", label: "mzxid", children: mono(s.mzxid) },
        { key: "version", label: t("tree.version"), children: mono(s.version) },
        { key: "pzxid", label: "pzxid", children: mono(s.pzxid) },
        { key: "cversion", label: t("tree.cversion"), children: mono(s.cversion) },
        { key: "aversion", label: t("tree.aversion"), children: mono(s.aversion) },
        { key: "length", label: t("tree.dataLength"), children: mono(s.dataLength) },
        { key: "children", label: t("tree.numChildren"), children: mono(s.numChildren) },
        {
          key: "owner",
          label: t("tree.ephemeralOwner"),
          children: mono(s.ephemeralOwner || t("common.none")),
        },
      ]}
    />
  );
}

function AclTable({ of: z }: { of: Znode }) {
  const { t } = useWords();
  return (
    <Table
      size="small"
      pagination={false}
      rowKey={(a) => JSON.stringify(a)}
      dataSource={z.acl}
      columns={[
        {
          title: t("tree.scheme"),
          dataIndex: "scheme",
          render: (s: string) => <span className="mono">{s}</span>,
        },
        { title: t("tree.id"), dataIndex: "id", render: (s: string) => <span className="mono">{s}</span> },
        {
          title: t("tree.perms"),
          dataIndex: "perms",
          render: (s: string) => <span className="mono">{s}</span>,
        },
      ]}
    />
  );
}
