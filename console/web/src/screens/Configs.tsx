import { DeleteOutlined, EditOutlined, PlusOutlined, ReloadOutlined } from "@ant-design/icons";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { App, Button, Empty, Flex, Table, Tag, Tooltip, Typography } from "antd";
import { Link } from "react-router";
import { api } from "../api/calls";
import type { ConfigSummary } from "../api/types";
import { useWords } from "../i18n";
import { bytes, time } from "../lib/format";
import { to, useNamespace, useUrlState } from "../lib/url";
import { Failed } from "../parts/Failed";
import { ScreenTitle } from "../parts/ScreenTitle";
import { SearchInput } from "../parts/SearchInput";
import { useTell } from "../parts/useTell";

const defaults = { dataId: "", group: "", page: 1, size: 20 };

/** All configs of a namespace, searched and paged by the server. */
export function Configs() {
  const { t } = useWords();
  const tell = useTell();
  const { modal } = App.useApp();
  const client = useQueryClient();
  const namespace = useNamespace();
  const [q, setQ] = useUrlState(defaults);
  const list = useQuery({
    queryKey: ["configs", namespace, q],
    queryFn: ({ signal }) => api.configs({ namespace, ...q }, signal),
    placeholderData: keepPreviousData,
  });
  const remove = useMutation({
    mutationFn: (c: ConfigSummary) =>
      api.deleteConfig({ namespace, group: c.group, dataId: c.dataId }, c.md5),
    onSuccess: (_, c) => tell.done(t("configs.deleted", { dataId: c.dataId })),
    onError: tell.failed,
    onSettled: () => client.invalidateQueries({ queryKey: ["configs"] }),
  });
  const searching = q.dataId !== "" || q.group !== "";
  const editorOf = (c: ConfigSummary) => to("config", { ns: namespace, group: c.group, dataId: c.dataId });

  return (
    <div className="screen">
      <ScreenTitle
        title={t("configs.title")}
        extra={
          <>
            <Button icon={<ReloadOutlined />} loading={list.isFetching} onClick={() => list.refetch()}>
              {t("common.refresh")}
            </Button>
            <Link to={to("config", { ns: namespace })}>
              <Button type="primary" icon={<PlusOutlined />}>
                {t("configs.create")}
              </Button>
            </Link>
          </>
        }
      />
      <Flex gap={12} wrap style={{ marginBottom: 12 }}>
        <SearchInput
          value={q.dataId}
          placeholder={t("configs.dataIdPlaceholder")}
          onSearch={(dataId) => setQ({ dataId, page: 1 })}
        />
        <SearchInput
          value={q.group}
          placeholder={t("configs.groupPlaceholder")}
          onSearch={(group) => setQ({ group, page: 1 })}
        />
      </Flex>
      {list.error ? (
        <Failed error={list.error} onRetry={() => list.refetch()} />
      ) : (
        <Table<ConfigSummary>
          size="middle"
          rowKey={(c) => JSON.stringify([c.group, c.dataId])}
          loading={list.isPending}
          dataSource={list.data?.items}
          scroll={{ x: 960 }}
          locale={{
            emptyText: (
              <Empty
                image={Empty.PRESENTED_IMAGE_SIMPLE}
                description={
                  list.isPending
                    ? t("common.loading")
                    : searching
                      ? t("configs.emptySearch")
                      : t("configs.empty")
                }
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
              title: t("configs.dataId"),
              render: (_, c) => (
                <>
                  <Link className="mono" to={editorOf(c)}>
                    {c.dataId}
                  </Link>
                  {c.description && (
                    <div>
                      <Typography.Text type="secondary" style={{ fontSize: 12 }}>
                        {c.description}
                      </Typography.Text>
                    </div>
                  )}
                </>
              ),
            },
            {
              title: t("configs.group"),
              dataIndex: "group",
              render: (group: string) => <span className="mono">{group}</span>,
            },
            {
              title: t("configs.type"),
              dataIndex: "type",
              width: 110,
              render: (type: string) => <Tag>{type || "text"}</Tag>,
            },
            {
              title: t("configs.size"),
              dataIndex: "sizeBytes",
              width: 100,
              align: "right",
              render: (n: number) => bytes(n),
            },
            {
              title: t("configs.md5"),
              dataIndex: "md5",
              width: 110,
              render: (md5: string) => (
                <Tooltip title={<span className="mono">{md5}</span>}>
                  <span className="mono">{md5.slice(0, 8)}</span>
                </Tooltip>
              ),
            },
            {
              title: t("configs.modified"),
              width: 190,
              render: (_, c) => (
                <>
                  {time(c.modifiedMillis)}
                  {c.modifiedBy && (
                    <div>
                      <Typography.Text type="secondary" style={{ fontSize: 12 }}>
                        {t("configs.by", { name: c.modifiedBy })}
                      </Typography.Text>
                    </div>
                  )}
                </>
              ),
            },
            {
              title: t("common.actions"),
              width: 100,
              render: (_, c) => (
                <Flex gap={4}>
                  <Link to={editorOf(c)}>
                    <Button
                      type="text"
                      size="small"
                      icon={<EditOutlined />}
                      title={t("common.edit")}
                      aria-label={`${t("common.edit")} ${c.dataId}`}
                    />
                  </Link>
                  <Button
                    type="text"
                    size="small"
                    danger
                    icon={<DeleteOutlined />}
                    title={t("common.delete")}
                    aria-label={`${t("common.delete")} ${c.dataId}`}
                    onClick={() =>
                      modal.confirm({
                        title: t("configs.deleteTitle"),
                        content: (
                          <>
                            <Typography.Paragraph className="mono" strong>
                              {c.group} / {c.dataId}
                            </Typography.Paragraph>
                            {t("configs.deleteText")}
                          </>
                        ),
                        okText: t("common.delete"),
                        okButtonProps: { danger: true },
                        onOk: () => remove.mutateAsync(c).catch(() => undefined),
                      })
                    }
                  />
                </Flex>
              ),
            },
          ]}
        />
      )}
    </div>
  );
}
