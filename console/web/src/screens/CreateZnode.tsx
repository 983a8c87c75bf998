import { useMutation } from "@tanstack/react-query";
import { Form, Input, InputNumber, Modal, Select } from "antd";
import { api } from "../api/calls";
import { createModes } from "../api/types";
import { type Key, useWords } from "../i18n";
import { fromText, toBase64 } from "../lib/bytes";
import { joinPath } from "../lib/paths";
import { Failed } from "../parts/Failed";

interface Props {
  parent: string;
  onClose: () => void;
  onCreated: (path: string) => void;
}

interface Fields {
  name: string;
  mode: number;
  ttlSeconds?: number;
  data?: string;
}

const modes: { value: number; label: Key }[] = [
  { value: createModes.persistent, label: "tree.modePersistent" },
  { value: createModes.persistentSequential, label: "tree.modeSequential" },
  { value: createModes.container, label: "tree.modeContainer" },
  { value: createModes.persistentTtl, label: "tree.modeTtl" },
  { value: createModes.persistentSequentialTtl, label: "tree.modeSequentialTtl" },
];

const isTtl = (mode: number) =>
  mode === createModes.persistentTtl || mode === createModes.persistentSequentialTtl;

// The server appends a number to a sequential name, so that it may be empty.
const isSequential = (mode: number) =>
  mode === createModes.persistentSequential || mode === createModes.persistentSequentialTtl;

/** Makes a znode below another. */
export function CreateZnode({ parent, onClose, onCreated }: Props) {
  const { t } = useWords();
  const [form] = Form.useForm<Fields>();
  const mode = Form.useWatch("mode", form) ?? createModes.persistent;
  const create = useMutation({
    mutationFn: (f: Fields) =>
      api.createZnode({
        path: joinPath(parent, f.name ?? ""),
        data: f.data ? toBase64(fromText(f.data)) : null,
        mode: f.mode,
        ttlMillis: isTtl(f.mode) ? Math.round((f.ttlSeconds ?? 0) * 1000) : 0,
      }),
    onSuccess: (made) => onCreated(made.path),
  });
  return (
    <Modal
      open
      title={t("tree.createTitle", { path: parent })}
      okText={t("common.create")}
      confirmLoading={create.isPending}
      onOk={form.submit}
      onCancel={onClose}
    >
      <Form<Fields>
        form={form}
        layout="vertical"
        requiredMark={false}
        initialValues={{ mode: createModes.persistent, ttlSeconds: 3600 }}
        onFinish={create.mutate}
      >
        {create.error && (
          <Form.Item>
            <Failed error={create.error} />
          </Form.Item>
        )}
        <Form.Item
          name="name"
          label={t("tree.name")}
          dependencies={["mode"]}
          rules={[
            {
              validator: (_, name: string | undefined) => {
                const bad = name?.includes("/") || name === "." || name === "..";
                return bad || (!name && !isSequential(mode))
                  ? Promise.reject(t("tree.nameBad"))
                  : Promise.resolve();
              },
            },
          ]}
        >
          <Input className="mono" autoFocus spellCheck={false} />
        </Form.Item>
        <Form.Item name="mode" label={t("tree.mode")}>
          <Select options={modes.map((m) => ({ value: m.value, label: t(m.label) }))} />
        </Form.Item>
        {isTtl(mode) && (
          <Form.Item
            name="ttlSeconds"
            label={t("tree.ttl")}
            rules={[{ required: true, message: t("signin.required") }]}
          >
            <InputNumber min={0.001} max={1_000_000_000} />
          </Form.Item>
        )}
        <Form.Item name="data" label={t("tree.data")}>
          <Input.TextArea className="mono" rows={5} spellCheck={false} />
        </Form.Item>
      </Form>
    </Modal>
  );
}
