import { EditOutlined, ReloadOutlined } from "@ant-design/icons";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import {
  Badge,
  Breadcrumb,
  Button,
  Card,
  Descriptions,
  Empty,
  Flex,
  InputNumber,
  Popover,
  Select,
  Switch,
  Table,
  Tag,
  Tooltip,
  Typography,
} from "antd";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { api } from "../api/calls";
import type { Instance, InstanceUpdate, ServiceKey } from "../api/types";
import { useWords } from "../i18n";
import { to, useNamespace, useUrlState } from "../lib/url";
import { Failed } from "../parts/Failed";
import { Metadata } from "../parts/Metadata";
import { ScreenTitle } from "../parts/ScreenTitle";
import { SearchInput } from "../parts/SearchInput";
import { StaleNote } from "../parts/StaleNote";
import { useTell } from "../parts/useTell";

const defaults = { cluster: "", text: "", health: "", page: 1, size: 20 };
const pollMillis = 5_000;

/** One service and its instances. */
export function ServiceDetail() {
  const { t } = useWords();
  const namespace = useNamespace();
  const [params] = useSearchParams();
  const key: ServiceKey = {
    namespace,
    group: params.get("group") ?? "",
    name: params.get("service") ?? "",
  };
  const service = useQuery({
    queryKey: ["service", key],
    queryFn: ({ signal }) => api.service(key, signal),
    refetchInterval: pollMillis,
  });
  const s = service.data;

  return (
    <div className="screen">
      <Breadcrumb
        style={{ marginBottom: 8 }}
        items={[
          { title: <Link to={to("services", { ns: namespace })}>{t("service.back")}</Link> },
          { title: <span className="mono">{key.group}</span> },
        ]}
      />
      <ScreenTitle
        title={
          <Flex gap={10} align="center" wrap>
            <span className="mono" style={{ fontSize: 20 }}>
              {key.name}
            </span>
            {s?.protected && (
              <Tooltip title={t("services.protectedHint")}>
                <Tag color="orange">{t("services.protected")}</Tag>
              </Tooltip>
            )}
          </Flex>
        }
        extra={
          <Button icon={<ReloadOutlined />} loading={service.isFetching} onClick={() => service.refetch()}>
            {t("common.refresh")}
          </Button>
        }
      />
      <StaleNote stale={s?.stale} />
      {service.error ? (
        <Failed error={service.error} onRetry={() => service.refetch()} />
      ) : (
        <>
          <Card size="small" loading={service.isPending} style={{ marginBottom: 16 }}>
            <Descriptions
              size="small"
              column={{ xs: 1, md: 2, xl: 4 }}
              items={[
                {
                  key: "group",
                  label: t("services.group"),
                  children: <span className="mono">{key.group}</span>,
                },
                {
                  key: "threshold",
                  label: t("service.threshold"),
                  children: s?.protectThreshold ?? 0,
                },
                {
                  key: "healthy",
                  label: t("services.healthy"),
                  children: s && `${sum(s.clusters, "healthy")} / ${sum(s.clusters, "instances")}`,
                },
                {
                  key: "metadata",
                  label: t("service.metadata"),
                  children: s && <Metadata of={s.metadata} shown={3} />,
                },
              ]}
            />
          </Card>
          <Instances of={key} clusters={s?.clusters.map((c) => c.name) ?? []} />
        </>
      )}
    </div>
  );
}

function sum<K extends string>(list: Record<K, number>[], field: K): number {
  return list.reduce((n, c) => n + c[field], 0);
}

const addressOf = (i: Instance) => (i.ip.includes(":") ? `[${i.ip}]:${i.port}` : `${i.ip}:${i.port}`);

function Instances({ of: key, clusters }: { of: ServiceKey; clusters: string[] }) {
  const { t } = useWords();
  const tell = useTell();
  const client = useQueryClient();
  const [q, setQ] = useUrlState(defaults);
  const list = useQuery({
    queryKey: ["instances", key, q],
    queryFn: ({ signal }) => api.instances(key, q, signal),
    placeholderData: keepPreviousData,
    refetchInterval: pollMillis,
  });
  const update = useMutation({
    mutationFn: (up: InstanceUpdate) => api.updateInstance(up),
    onSuccess: (now, up) => {
      const address = addressOf(now);
      if (up.weight !== undefined) {
        tell.done(t("service.weightDone", { address, weight: now.weight }));
      } else {
        tell.done(t(now.enabled ? "service.enabledDone" : "service.disabledDone", { address }));
      }
    },
    onError: tell.failed,
    onSettled: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: ["instances", key] }),
        client.invalidateQueries({ queryKey: ["service", key] }),
      ]),
  });
  const change = (i: Instance, what: Pick<InstanceUpdate, "enabled" | "weight">) =>
    update.mutate({ ...key, cluster: i.cluster, ip: i.ip, port: i.port, ephemeral: i.ephemeral, ...what });
  const busy = (i: Instance) =>
    update.isPending && update.variables.ip === i.ip && update.variables.port === i.port;
  const searching = q.cluster !== "" || q.text !== "" || q.health !== "";

  return (
    <>
      <Flex gap={12} wrap align="center" style={{ marginBottom: 12 }}>
        <SearchInput
          value={q.text}
          placeholder={t("service.textPlaceholder")}
          width={260}
          onSearch={(text) => setQ({ text, page: 1 })}
        />
        <Select
          aria-label={t("service.cluster")}
          style={{ width: 180 }}
          value={q.cluster}
          popupMatchSelectWidth={false}
          onChange={(cluster) => setQ({ cluster, page: 1 })}
          options={[
            { value: "", label: t("service.allClusters") },
            ...clusters.map((name) => ({ value: name, label: name })),
          ]}
        />
        <Select
          aria-label={t("service.health")}
          style={{ width: 140 }}
          value={q.health}
          onChange={(health) => setQ({ health, page: 1 })}
          options={[
            { value: "", label: t("service.anyHealth") },
            { value: "healthy", label: t("service.healthy") },
            { value: "unhealthy", label: t("service.unhealthy") },
            { value: "disabled", label: t("service.disabledOnly") },
          ]}
        />
      </Flex>
      {list.error ? (
        <Failed error={list.error} onRetry={() => list.refetch()} />
      ) : (
        <Table<Instance>
          size="middle"
          rowKey={(i) => JSON.stringify([i.cluster, i.ip, i.port, i.ephemeral])}
          loading={list.isPending}
          dataSource={list.data?.items}
          scroll={{ x: 900 }}
          locale={{
            emptyText: (
              <Empty
                image={Empty.PRESENTED_IMAGE_SIMPLE}
                description={searching ? t("service.emptySearch") : t("service.empty")}
              />
            ),
          }}
          pagination={{
            current: q.page,
            pageSize: q.size,
            total: list.data?.total ?? 0,
            showSizeChanger: true,
            pageSizeOptions: [20, 50, 100, 200],
            showTotal: (n) => t("common.total", { n }),
            onChange: (page, size) => setQ({ page: size === q.size ? page : 1, size }),
          }}
          columns={[
            {
              title: t("service.address"),
              render: (_, i) => (
                <Typography.Text className="mono" copyable={{ text: addressOf(i) }}>
                  {addressOf(i)}
                </Typography.Text>
              ),
            },
            {
              title: t("service.cluster"),
              dataIndex: "cluster",
              render: (name: string) => <span className="mono">{name}</span>,
            },
            {
              title: t("service.health"),
              width: 130,
              render: (_, i) => (
                <Badge
                  status={i.healthy ? "success" : "error"}
                  text={t(i.healthy ? "service.healthy" : "service.unhealthy")}
                />
              ),
            },
            {
              title: t("service.enabled"),
              width: 100,
              render: (_, i) => (
                <Switch
                  size="small"
                  checked={i.enabled}
                  loading={busy(i)}
                  aria-label={t("service.enableAria", { address: addressOf(i) })}
                  onChange={(enabled) => change(i, { enabled })}
                />
              ),
            },
            {
              title: t("service.weight"),
              width: 110,
              align: "right",
              render: (_, i) => <Weight of={i} onSave={(weight) => change(i, { weight })} />,
            },
            {
              title: t("service.kind"),
              width: 120,
              render: (_, i) => <Tag>{t(i.ephemeral ? "service.ephemeral" : "service.persistent")}</Tag>,
            },
            {
              title: t("service.metadata"),
              dataIndex: "metadata",
              render: (m: Record<string, string>) => <Metadata of={m} />,
            },
          ]}
        />
      )}
    </>
  );
}

function Weight({ of: i, onSave }: { of: Instance; onSave: (weight: number) => void }) {
  const { t } = useWords();
  const [open, setOpen] = useState(false);
  const [value, setValue] = useState<number | null>(i.weight);
  const save = () => {
    setOpen(false);
    if (value !== null && value !== i.weight) {
      onSave(value);
    }
  };
  return (
    <Popover
      trigger="click"
      open={open}
      destroyOnHidden
      onOpenChange={(now) => {
        setOpen(now);
        setValue(i.weight);
      }}
      content={
        <Flex gap={8}>
          <InputNumber
            autoFocus
            aria-label={t("service.weight")}
            min={0}
            max={10000}
            value={value}
            onChange={setValue}
            onPressEnter={save}
          />
          <Button type="primary" disabled={value === null} onClick={save}>
            {t("common.save")}
          </Button>
        </Flex>
      }
    >
      <Button
        type="text"
        size="small"
        icon={<EditOutlined style={{ opacity: 0.6 }} />}
        iconPlacement="end"
        aria-label={`${t("service.editWeight")}: ${addressOf(i)}`}
      >
        {i.weight}
      </Button>
    </Popover>
  );
}
