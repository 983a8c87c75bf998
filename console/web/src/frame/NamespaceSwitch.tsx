import { useQuery } from "@tanstack/react-query";
import { Flex, Select, Typography } from "antd";
import { useLocation, useNavigate } from "react-router";
import { api } from "../api/calls";
import { useWords } from "../i18n";
import { useNamespace } from "../lib/url";

/** Chooses the namespace; a detail screen gives way to its list. */
export function NamespaceSwitch() {
  const { t } = useWords();
  const namespace = useNamespace();
  const { pathname } = useLocation();
  const navigate = useNavigate();
  const list = useQuery({ queryKey: ["namespaces"], queryFn: ({ signal }) => api.namespaces(signal) });

  const known = list.data ?? [];
  const options = known.map((n) => ({ value: n.id, label: n.name || n.id, title: n.description || n.id }));
  if (!known.some((n) => n.id === namespace)) {
    options.unshift({ value: namespace, label: namespace, title: namespace });
  }
  return (
    <Flex align="center" gap={8}>
      <Typography.Text type="secondary" className="namespace-label">
        {t("frame.namespace")}
      </Typography.Text>
      <Select
        aria-label={t("frame.namespace")}
        data-testid="namespace"
        style={{ width: 190 }}
        showSearch={{ optionFilterProp: "label" }}
        value={namespace}
        options={options}
        loading={list.isPending}
        popupMatchSelectWidth={false}
        onChange={(id) => {
          const screen = pathname.startsWith("/config") ? "configs" : "services";
          navigate(`/${screen}?${new URLSearchParams({ ns: id })}`);
        }}
      />
    </Flex>
  );
}
