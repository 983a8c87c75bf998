import { useMutation } from "@tanstack/react-query";
import { Alert, Button, Card, Flex, Input, Pagination, Segmented, Typography } from "antd";
import { useEffect, useMemo, useState } from "react";
import { api } from "../api/calls";
import { codeOf } from "../api/client";
import type { Znode } from "../api/types";
import { formatOfText } from "../editor/formats";
import { CodeEditor } from "../editor/lazy";
import { useWords } from "../i18n";
import { fromBase64, fromText, hexDump, parseHex, toBase64, toHex, toText } from "../lib/bytes";
import { separatorOf } from "../lib/lines";
import { useTell } from "../parts/useTell";
import { useLeaveGuard } from "./useLeaveGuard";

const hexPageBytes = 4096;
const hexEditBytesMax = 64 * 1024;
const none = new Uint8Array();

type View = "text" | "hex";

/** A znode's data, as text where it is text, and written only over the version seen. */
export function ZnodeData({ znode, onSaved }: { znode: Znode; onSaved: () => Promise<unknown> }) {
  const { t } = useWords();
  const tell = useTell();

  // The znode that the draft began with. A newer one waits until there is no draft.
  const [seen, setSeen] = useState(znode);
  const [draft, setDraft] = useState<string | null>(null);
  // Counts up where the editor must take the text of `seen` anew.
  const [round, setRound] = useState(0);
  const bytes = useMemo(() => (seen.data === null ? none : fromBase64(seen.data)), [seen]);
  const text = useMemo(() => toText(bytes), [bytes]);
  const [view, setView] = useState<View>(text === null ? "hex" : "text");
  const original = view === "text" ? (text ?? "") : toHexIfSmall(bytes);
  const dirty = draft !== null && draft !== original;
  const guard = useLeaveGuard(dirty);

  const outdated = znode.stat.mzxid !== seen.stat.mzxid;
  useEffect(() => {
    if (outdated && !dirty) {
      setSeen(znode);
      setDraft(null);
      setRound((n) => n + 1);
    }
  }, [outdated, dirty, znode]);

  const save = useMutation({
    mutationFn: (data: Uint8Array) => api.setZnode(seen.path, toBase64(data), seen.stat.version),
    onSuccess: async (stat, data) => {
      setSeen({ ...seen, data: toBase64(data), stat });
      setDraft(null);
      tell.done(t("tree.saved", { path: seen.path, version: stat.version }));
      await onSaved();
    },
    onError: (error) => {
      if (codeOf(error) !== "conflict") {
        tell.failed(error);
      }
    },
  });
  const readAgain = async () => {
    setDraft(null);
    setRound((n) => n + 1);
    save.reset();
    await onSaved();
  };

  if (seen.hidden) {
    return <Alert type="info" showIcon title={t("tree.hidden")} />;
  }
  const parsed = draft === null ? null : view === "text" ? fromText(draft) : parseHex(draft);
  const editable = !seen.readOnly && (view === "text" ? text !== null : bytes.length <= hexEditBytesMax);
  const conflict = save.error !== null && codeOf(save.error) === "conflict";

  return (
    <Flex vertical gap={10}>
      <Flex gap={12} align="center" justify="space-between" wrap>
        <Flex gap={12} align="center" wrap>
          <Segmented<View>
            size="small"
            value={view}
            disabled={dirty}
            onChange={(v) => {
              setDraft(null);
              setView(v);
            }}
            options={[
              { value: "text", label: t("tree.text"), disabled: text === null },
              { value: "hex", label: t("tree.hex") },
            ]}
          />
          <Typography.Text type="secondary">
            {seen.data === null
              ? t("tree.nullData")
              : bytes.length === 0
                ? t("tree.emptyData")
                : text === null
                  ? t("tree.notText")
                  : ""}
          </Typography.Text>
        </Flex>
        {editable && (
          <Flex gap={8}>
            {view === "hex" && draft === null ? (
              <Button size="small" onClick={() => setDraft(original)}>
                {t("common.edit")}
              </Button>
            ) : (
              <>
                <Button
                  size="small"
                  disabled={!dirty && view === "text"}
                  onClick={() => {
                    setDraft(null);
                    setRound((n) => n + 1);
                  }}
                >
                  {t("common.cancel")}
                </Button>
                <Button
                  size="small"
                  type="primary"
                  disabled={!dirty || parsed === null}
                  loading={save.isPending}
                  data-testid="save-data"
                  onClick={() => parsed && save.mutate(parsed)}
                >
                  {t("common.save")}
                </Button>
              </>
            )}
          </Flex>
        )}
      </Flex>
      {(conflict || (outdated && dirty)) && (
        <Alert
          type="warning"
          showIcon
          title={t("tree.conflict")}
          action={
            <Button size="small" onClick={readAgain}>
              {t("tree.readAgain")}
            </Button>
          }
        />
      )}
      {view === "text" ? (
        <Card
          size="small"
          className="code-card"
          styles={{ body: { padding: 0, height: "max(220px, calc(100vh - 330px))" } }}
        >
          <CodeEditor
            text={text ?? ""}
            version={String(round)}
            separator={separatorOf(text ?? "")}
            format={formatOfText(text ?? "")}
            label={t("tree.data")}
            readOnly={!editable}
            onChange={setDraft}
          />
        </Card>
      ) : draft === null ? (
        <HexPages of={bytes} />
      ) : (
        <Input.TextArea
          className="mono"
          aria-label={t("tree.hex")}
          rows={12}
          value={draft}
          status={parsed === null ? "error" : undefined}
          title={parsed === null ? t("tree.badHex") : undefined}
          onChange={(e) => setDraft(e.target.value)}
        />
      )}
      {guard.dialog}
    </Flex>
  );
}

const toHexIfSmall = (bytes: Uint8Array) => (bytes.length <= hexEditBytesMax ? toHex(bytes) : "");

function HexPages({ of: bytes }: { of: Uint8Array }) {
  const { t } = useWords();
  const [page, setPage] = useState(1);
  const from = (page - 1) * hexPageBytes;
  const to = Math.min(from + hexPageBytes, bytes.length);
  return (
    <>
      <Card size="small">
        <pre className="hexdump mono" data-testid="hexdump">
          {hexDump(bytes, from, to)}
        </pre>
      </Card>
      {bytes.length > hexPageBytes && (
        <Pagination
          size="small"
          current={page}
          pageSize={hexPageBytes}
          total={bytes.length}
          showSizeChanger={false}
          showTotal={() => t("tree.bytesRange", { from, to: to - 1, total: bytes.length })}
          onChange={setPage}
        />
      )}
    </>
  );
}
