import { ReloadOutlined } from "@ant-design/icons";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Badge, Button, Empty, Flex, Switch, Table, Tag, Tooltip, Typography } from "antd";
import { Link } from "react-router";
import { api } from "../api/calls";
import type { ServiceSummary } from "../api/types";
import { useWords } from "../i18n";
import { to, useNamespace, useUrlState } from "../lib/url";
import { Failed } from "../parts/Failed";
import { ScreenTitle } from "../parts/ScreenTitle";
import { SearchInput } from "../parts/SearchInput";
import { StaleNote } from "../parts/StaleNote";

const defaults = { name: "", group: "", hideEmpty: false, page: 1, size: 20 };
const pollMillis = 10_000;

/** All services of a namespace, searched and paged by the server. */
export function Services() {
  const { t } = useWords();
  const namespace = useNamespace();
  const [q, setQ] = useUrlState(defaults);
  const list = useQuery({
    queryKey: ["services", namespace, q],
    queryFn: ({ signal }) => api.services({ namespace, ...q }, signal),
    placeholderData: keepPreviousData,
    refetchInterval: pollMillis,
  });
  const searching = q.name !== "" || q.group !== "" || q.hideEmpty;

  return (
    <div className="screen">
      <ScreenTitle
        title={t("services.title")}
        extra={
          <Button icon={<ReloadOutlined />} loading={list.isFetching} onClick={() => list.refetch()}>
            {t("common.refresh")}
          </Button>
        }
      />
      <Flex gap={12} wrap align="center" style={{ marginBottom: 12 }}>
        <SearchInput
          value={q.name}
          placeholder={t("services.namePlaceholder")}
          onSearch={(name) => setQ({ name, page: 1 })}
        />
        <SearchInput
          value={q.group}
          placeholder={t("services.groupPlaceholder")}
          onSearch={(group) => setQ({ group, page: 1 })}
        />
        <Flex gap={8} align="center">
          <Switch
            size="small"
            aria-label={t("services.hideEmpty")}
            checked={q.hideEmpty}
            onChange={(hideEmpty) => setQ({ hideEmpty, page: 1 })}
          />
          <Typography.Text>{t("services.hideEmpty")}</Typography.Text>
        </Flex>
      </Flex>
      <StaleNote stale={list.data?.stale} />
      {list.error ? (
        <Failed error={list.error} onRetry={() => list.refetch()} />
      ) : (
        <Table<ServiceSummary>
          size="middle"
          rowKey={(s) => JSON.stringify([s.group, s.name])}
          loading={list.isPending}
          dataSource={list.data?.items}
          scroll={{ x: 760 }}
          locale={{
            emptyText: list.isPending ? (
              <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t("common.loading")} />
            ) : (
              <Empty
                image={Empty.PRESENTED_IMAGE_SIMPLE}
                description={searching ? t("services.emptySearch") : t("services.empty")}
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
              title: t("services.name"),
              dataIndex: "name",
              render: (name: string, s) => (
                <Link className="mono" to={to("service", { ns: namespace, group: s.group, service: name })}>
                  {name}
                </Link>
              ),
            },
            {
              title: t("services.group"),
              dataIndex: "group",
              render: (group: string) => <span className="mono">{group}</span>,
            },
            { title: t("services.clusters"), dataIndex: "clusters", width: 110, align: "right" },
            { title: t("services.instances"), dataIndex: "instances", width: 110, align: "right" },
            {
              title: t("services.healthy"),
              width: 220,
              render: (_, s) => <Health service={s} />,
            },
          ]}
        />
      )}
    </div>
  );
}

function Health({ service: s }: { service: ServiceSummary }) {
  const { t } = useWords();
  const status =
    s.instances === 0
      ? "default"
      : s.healthy === 0
        ? "error"
        : s.healthy < s.instances
          ? "warning"
          : "success";
  return (
    <Flex gap={10} align="center">
      <Badge status={status} text={`${s.healthy} / ${s.instances}`} />
      {s.protected && (
        <Tooltip title={t("services.protectedHint")}>
          <Tag color="orange">{t("services.protected")}</Tag>
        </Tooltip>
      )}
    </Flex>
  );
}
