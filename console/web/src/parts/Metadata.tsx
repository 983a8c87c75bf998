import { Flex, Popover, Tag, Typography } from "antd";
import { useWords } from "../i18n";

/** Pairs of key and value: a few at once, all of them on demand. */
export function Metadata({ of, shown = 2 }: { of: Record<string, string>; shown?: number }) {
  const { t } = useWords();
  const pairs = Object.entries(of).sort(([a], [b]) => (a < b ? -1 : 1));
  if (pairs.length === 0) {
    return <Typography.Text type="secondary">–</Typography.Text>;
  }
  return (
    <Flex gap={4} wrap align="center">
      {pairs.slice(0, shown).map(([k, v]) => (
        <Tag
          key={k}
          className="mono"
          title={`${k}=${v}`}
          style={{
            maxWidth: 260,
            overflow: "hidden",
            textOverflow: "ellipsis",
            whiteSpace: "nowrap",
            fontSize: 12,
          }}
        >
          {k}={v}
        </Tag>
      ))}
      {pairs.length > shown && (
        <Popover
          trigger={["hover", "click"]}
          content={
            <div className="mono" style={{ maxWidth: 520, maxHeight: 320, overflow: "auto" }}>
              {pairs.map(([k, v]) => (
                <div key={k}>
                  <Typography.Text type="secondary">{k}=</Typography.Text>
                  {v}
                </div>
              ))}
            </div>
          }
        >
          <Typography.Link style={{ fontSize: 12 }}>
            {t("service.more", { n: pairs.length - shown })}
          </Typography.Link>
        </Popover>
      )}
    </Flex>
  );
}
