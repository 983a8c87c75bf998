import { useInfiniteQuery } from "@tanstack/react-query";
import { Button, Empty, Flex, Table, Tag, Typography } from "antd";
import { useState } from "react";
import { api } from "../api/calls";
import type { Child } from "../api/types";
import { useWords } from "../i18n";
import { bytes } from "../lib/format";
import { joinPath } from "../lib/paths";
import { Failed } from "../parts/Failed";
import { SearchInput } from "../parts/SearchInput";

const rowsHeight = 380;

/** The children of a znode as a list that can be searched. */
export function ZnodeChildren({ path, onOpen }: { path: string; onOpen: (path: string) => void }) {
  const { t } = useWords();
  const [text, setText] = useState("");
  const list = useInfiniteQuery({
    queryKey: ["children", path, text],
    queryFn: ({ pageParam }) => api.children(path, pageParam, text),
    initialPageParam: "",
    getNextPageParam: (last) => last.next || undefined,
    gcTime: 0,
  });
  const rows = list.data?.pages.flatMap((p) => p.items) ?? [];
  const total = list.data?.pages[0]?.total ?? 0;

  return (
    <Flex vertical gap={10}>
      <Flex gap={12} align="center">
        <SearchInput value={text} placeholder={t("tree.filter")} onSearch={setText} />
        <Typography.Text type="secondary">{t("common.total", { n: total })}</Typography.Text>
      </Flex>
      {list.error ? (
        <Failed error={list.error} onRetry={() => list.refetch()} />
      ) : (
        <Table<Child>
          virtual
          size="small"
          pagination={false}
          rowKey="name"
          loading={list.isPending}
          dataSource={rows}
          scroll={{ y: rowsHeight, x: 480 }}
          locale={{
            emptyText: <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t("common.none")} />,
          }}
          columns={[
            {
              title: t("tree.name"),
              dataIndex: "name",
              render: (name: string, c) => (
                <Flex gap={8} align="center">
                  <Typography.Link className="mono" ellipsis onClick={() => onOpen(joinPath(path, name))}>
                    {name}
                  </Typography.Link>
                  {c.ephemeral && <Tag color="gold">{t("service.ephemeral")}</Tag>}
                </Flex>
              ),
            },
            { title: t("tree.numChildren"), dataIndex: "numChildren", width: 110, align: "right" },
            {
              title: t("tree.dataLength"),
              dataIndex: "dataLength",
              width: 120,
              align: "right",
              render: (n: number) => bytes(n),
            },
          ]}
        />
      )}
      {list.hasNextPage && (
        <Button loading={list.isFetchingNextPage} onClick={() => list.fetchNextPage()}>
          {t("tree.more", { n: Math.min(100, Math.max(1, total - rows.length)) })}
        </Button>
      )}
    </Flex>
  );
}
