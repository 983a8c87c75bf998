import { CloudUploadOutlined, UndoOutlined } from "@ant-design/icons";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import {
  Alert,
  Badge,
  Breadcrumb,
  Button,
  Card,
  Flex,
  Form,
  Input,
  Select,
  Skeleton,
  Typography,
} from "antd";
import { useEffect, useRef, useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { api } from "../api/calls";
import { codeOf } from "../api/client";
import type { Config, ConfigKey, ConfigPublish } from "../api/types";
import { formatOfName, formats } from "../editor/formats";
import { CodeEditor } from "../editor/lazy";
import { useWords } from "../i18n";
import { fromText } from "../lib/bytes";
import { bytes, time } from "../lib/format";
import { separatorOf } from "../lib/lines";
import { to, useNamespace } from "../lib/url";
import { Failed } from "../parts/Failed";
import { ScreenTitle } from "../parts/ScreenTitle";
import { useTell } from "../parts/useTell";
import { PublishDialog, type Rival } from "./PublishDialog";
import { useLeaveGuard } from "./useLeaveGuard";

/** A config to be edited, or a new one where the address names none. */
export function ConfigEditor() {
  const namespace = useNamespace();
  const [params] = useSearchParams();
  const key: ConfigKey = {
    namespace,
    group: params.get("group") ?? "",
    dataId: params.get("dataId") ?? "",
  };
  const isNew = key.dataId === "";
  const config = useQuery({
    queryKey: ["config", key],
    queryFn: ({ signal }) => api.config(key, signal),
    enabled: !isNew,
    gcTime: 0, // always begin with what is published now
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (isNew) {
    return <Editor key="new" asked={key} loaded={null} />;
  }
  if (config.data) {
    return <Editor key={JSON.stringify(key)} asked={key} loaded={config.data} />;
  }
  return (
    <div className="screen">
      <Head asked={key} />
      {config.error ? (
        <Failed error={config.error} onRetry={() => config.refetch()} />
      ) : (
        <Skeleton active paragraph={{ rows: 10 }} />
      )}
    </div>
  );
}

function Head({ asked, extra }: { asked: ConfigKey; extra?: React.ReactNode }) {
  const { t } = useWords();
  return (
    <>
      <Breadcrumb
        style={{ marginBottom: 8 }}
        items={[
          { title: <Link to={to("configs", { ns: asked.namespace })}>{t("configs.title")}</Link> },
          ...(asked.group ? [{ title: <span className="mono">{asked.group}</span> }] : []),
        ]}
      />
      <ScreenTitle
        title={
          asked.dataId ? (
            <span className="mono" style={{ fontSize: 20 }}>
              {asked.dataId}
            </span>
          ) : (
            t("editor.new")
          )
        }
        extra={extra}
      />
    </>
  );
}

interface Draft {
  group: string;
  dataId: string;
  type: string;
  app: string;
  description: string;
  tags: string[];
  content: string;
}

function draftOf(asked: ConfigKey, c: Config | null): Draft {
  return {
    group: c?.group ?? (asked.group || "DEFAULT_GROUP"),
    dataId: c?.dataId ?? asked.dataId,
    type: c?.type || "text",
    app: c?.app ?? "",
    description: c?.description ?? "",
    tags: c?.tags ?? [],
    content: c?.content ?? "",
  };
}

function Editor({ asked, loaded }: { asked: ConfigKey; loaded: Config | null }) {
  const { t } = useWords();
  const tell = useTell();
  const client = useQueryClient();
  const navigate = useNavigate();

  // What the draft began with; a publish is refused unless it still holds.
  const [start, setStart] = useState(loaded);
  const [draft, setDraft] = useState(() => draftOf(asked, loaded));
  // Counts up where the editor must take the draft's text anew.
  const [version, setVersion] = useState(0);
  const [asking, setAsking] = useState(false);
  const [rival, setRival] = useState<Rival | null>(null);
  const typeChosen = useRef(loaded !== null);
  const separator = useRef(separatorOf(draft.content));

  const clean = draftOf(asked, start);
  const dirty = JSON.stringify(draft) !== JSON.stringify(clean);
  const guard = useLeaveGuard(dirty);
  const change = (part: Partial<Draft>) => setDraft((d) => ({ ...d, ...part }));

  const publish = useMutation({
    mutationFn: (p: ConfigPublish) => api.publish(p),
    onSuccess: (now, sent) => {
      setAsking(false);
      setRival(null);
      setStart(now);
      if (sent.content !== draft.content) {
        setVersion((v) => v + 1); // it was merged in the dialog
      }
      setDraft(draftOf(asked, now));
      tell.done(t("editor.published", { dataId: now.dataId }));
      client.invalidateQueries({ queryKey: ["configs"] });
      if (asked.dataId === "") {
        guard.letGo();
        navigate(to("config", { ns: asked.namespace, group: now.group, dataId: now.dataId }), {
          replace: true,
        });
      }
    },
    onError: async (error, sent) => {
      const code = codeOf(error);
      if (code !== "conflict" && code !== "exists" && code !== "not_found") {
        tell.failed(error);
        return;
      }
      try {
        const theirs = await api.config({
          namespace: asked.namespace,
          group: sent.group,
          dataId: sent.dataId,
        });
        setRival({ theirs, mine: sent.content });
      } catch (second) {
        if (codeOf(second) === "not_found") {
          setRival({ theirs: null, mine: sent.content });
        } else {
          tell.failed(second);
        }
      }
    },
  });
  const send = (content: string, expectMd5: string) =>
    publish.mutate({ ...draft, namespace: asked.namespace, content, expectMd5 });

  const takeTheirs = (theirs: Config) => {
    separator.current = separatorOf(theirs.content);
    setStart(theirs);
    setDraft(draftOf(asked, theirs));
    setVersion((v) => v + 1);
    setRival(null);
    setAsking(false);
  };
  const size = useRef({ text: "", bytes: 0, lines: 0 });
  if (size.current.text !== draft.content || size.current.lines === 0) {
    const text = draft.content;
    size.current = { text, bytes: fromText(text).length, lines: text.split("\n").length };
  }

  useEffect(() => {
    document.title = `${draft.dataId || t("editor.new")} · Zensus`;
    return () => {
      document.title = "Zensus";
    };
  }, [draft.dataId, t]);

  const named = draft.dataId.trim() !== "" && draft.group.trim() !== "";
  const publishable = dirty && named && draft.content !== "" && !start?.binary;
  const why = !named ? t("editor.required") : draft.content === "" ? t("editor.emptyContent") : undefined;

  return (
    <div className="screen-full">
      <Head
        asked={start ? { ...asked, group: start.group, dataId: start.dataId } : asked}
        extra={
          <>
            <Button
              icon={<UndoOutlined />}
              disabled={!dirty}
              onClick={() => {
                setDraft(clean);
                setVersion((v) => v + 1);
              }}
            >
              {t("editor.reload")}
            </Button>
            <Button
              type="primary"
              icon={<CloudUploadOutlined />}
              disabled={!publishable}
              title={why}
              data-testid="publish"
              onClick={() => setAsking(true)}
            >
              {t("editor.publish")}
            </Button>
          </>
        }
      />
      <Form layout="vertical" component="div">
        <Flex gap={12} wrap>
          {!start && (
            <>
              <Field label={t("configs.dataId")} width={240}>
                <Input
                  autoFocus
                  className="mono"
                  aria-label={t("configs.dataId")}
                  maxLength={255}
                  value={draft.dataId}
                  onChange={(e) => {
                    const dataId = e.target.value;
                    const guess = typeChosen.current ? undefined : formatOfName(dataId);
                    change(guess ? { dataId, type: guess } : { dataId });
                  }}
                />
              </Field>
              <Field label={t("configs.group")} width={170}>
                <Input
                  className="mono"
                  aria-label={t("configs.group")}
                  maxLength={127}
                  value={draft.group}
                  onChange={(e) => change({ group: e.target.value })}
                />
              </Field>
            </>
          )}
          <Field label={t("configs.type")} width={130}>
            <Select
              aria-label={t("configs.type")}
              value={draft.type}
              options={formats.map((f) => ({ value: f, label: f }))}
              onChange={(type) => {
                typeChosen.current = true;
                change({ type });
              }}
            />
          </Field>
          <Field label={t("editor.app")} width={130}>
            <Input
              aria-label={t("editor.app")}
              value={draft.app}
              onChange={(e) => change({ app: e.target.value })}
            />
          </Field>
          <Field label={t("editor.tags")} width={170}>
            <Select
              mode="tags"
              aria-label={t("editor.tags")}
              open={false}
              suffixIcon={null}
              tokenSeparators={[",", " "]}
              maxCount={5}
              value={draft.tags}
              onChange={(tags) => change({ tags })}
            />
          </Field>
          <Field label={t("editor.description")} grow>
            <Input
              aria-label={t("editor.description")}
              value={draft.description}
              onChange={(e) => change({ description: e.target.value })}
            />
          </Field>
        </Flex>
      </Form>
      {start?.binary ? (
        <Alert type="warning" showIcon title={t("editor.binary")} />
      ) : (
        <Card
          size="small"
          style={{ flex: 1, minHeight: 220, overflow: "hidden" }}
          styles={{ body: { padding: 0, height: "100%", display: "flex" } }}
        >
          <CodeEditor
            text={draft.content}
            version={String(version)}
            separator={separator.current}
            format={draft.type}
            label={t("editor.labelContent")}
            onChange={(content) => change({ content })}
          />
        </Card>
      )}
      <Flex gap={20} wrap align="center" style={{ paddingTop: 10, fontSize: 12.5 }}>
        <Badge
          status={dirty ? "warning" : "success"}
          text={<span style={{ fontSize: 12.5 }}>{dirty ? t("editor.changed") : t("editor.unchanged")}</span>}
        />
        {!start?.binary && (
          <Typography.Text type="secondary" style={{ fontSize: 12.5 }}>
            {t("editor.length", { size: bytes(size.current.bytes), lines: size.current.lines })},{" "}
            {separator.current === "\r\n" ? t("editor.crlf") : t("editor.lf")}
          </Typography.Text>
        )}
        {start && (
          <>
            <Typography.Text type="secondary" style={{ fontSize: 12.5 }}>
              MD5{" "}
              <Typography.Text className="mono" copyable style={{ fontSize: 12.5 }} data-testid="md5">
                {start.md5}
              </Typography.Text>
            </Typography.Text>
            <Typography.Text type="secondary" style={{ fontSize: 12.5 }}>
              {t("configs.modified")} {time(start.modifiedMillis)}
              {start.modifiedBy && ` · ${t("configs.by", { name: start.modifiedBy })}`}
            </Typography.Text>
          </>
        )}
      </Flex>
      {asking && (
        <PublishDialog
          before={start?.content ?? null}
          after={draft.content}
          separator={separator.current}
          format={draft.type}
          rival={rival}
          busy={publish.isPending}
          onMerge={(mine) => setRival((r) => r && { ...r, mine })}
          onPublish={() =>
            rival ? send(rival.mine, rival.theirs?.md5 ?? "") : send(draft.content, start?.md5 ?? "")
          }
          onTakeTheirs={takeTheirs}
          onCancel={() => {
            setAsking(false);
            setRival(null);
          }}
        />
      )}
      {guard.dialog}
    </div>
  );
}

function Field(props: { label: string; width?: number; grow?: boolean; children: React.ReactNode }) {
  return (
    <Form.Item
      label={props.label}
      style={{
        marginBottom: 12,
        width: props.width,
        flex: props.grow ? "1 1 200px" : undefined,
      }}
    >
      {props.children}
    </Form.Item>
  );
}
