import { KeyOutlined, LockOutlined, UserOutlined } from "@ant-design/icons";
import { useMutation } from "@tanstack/react-query";
import { Alert, Button, Form, Input, Typography } from "antd";
import { api } from "../api/calls";
import { codeOf } from "../api/client";
import { useWords } from "../i18n";
import { fromText } from "../lib/bytes";
import { Failed } from "../parts/Failed";

/** Name and password. */
export function SignIn({ onDone }: { onDone: () => Promise<void> }) {
  const { t } = useWords();
  const login = useMutation({
    meta: { signIn: true },
    mutationFn: (v: { name: string; password: string }) => api.login(v.name, v.password),
    onSuccess: onDone,
  });
  const required = [{ required: true, message: t("signin.required") }];
  return (
    <Form layout="vertical" requiredMark={false} onFinish={login.mutate} disabled={login.isPending}>
      <Wrong error={login.error} text={t("signin.wrong")} />
      <Form.Item name="name" label={t("signin.name")} rules={required}>
        <Input prefix={<UserOutlined />} autoComplete="username" autoFocus spellCheck={false} />
      </Form.Item>
      <Form.Item name="password" label={t("signin.password")} rules={required}>
        <Input.Password prefix={<LockOutlined />} autoComplete="current-password" />
      </Form.Item>
      <Button type="primary" htmlType="submit" block size="large" loading={login.isPending}>
        {t("signin.submit")}
      </Button>
    </Form>
  );
}

interface FirstUser {
  token: string;
  name: string;
  password: string;
}

/** The first user, for whoever can read the admin token's file. */
export function Bootstrap({ onDone }: { onDone: () => Promise<void> }) {
  const { t } = useWords();
  const create = useMutation({
    meta: { signIn: true },
    mutationFn: (v: FirstUser) => api.bootstrap(v.token.trim(), v.name, v.password),
    onSuccess: onDone,
  });
  const required = { required: true, message: t("signin.required") };
  return (
    <Form layout="vertical" requiredMark={false} onFinish={create.mutate} disabled={create.isPending}>
      <Typography.Paragraph type="secondary">{t("signin.firstHint")}</Typography.Paragraph>
      <Wrong error={create.error} text={t("signin.tokenWrong")} />
      <Form.Item name="token" label={t("signin.token")} rules={[required]}>
        <Input.Password prefix={<KeyOutlined />} autoComplete="off" autoFocus />
      </Form.Item>
      <Form.Item name="name" label={t("signin.name")} rules={[required]}>
        <Input prefix={<UserOutlined />} autoComplete="username" spellCheck={false} />
      </Form.Item>
      <Form.Item
        name="password"
        label={t("signin.password")}
        rules={[
          required,
          { min: 8, message: t("signin.tooShort") },
          {
            // bcrypt reads no more than this
            validator: (_, text: string) =>
              fromText(text ?? "").length <= 72 ? Promise.resolve() : Promise.reject(t("signin.tooLong")),
          },
        ]}
      >
        <Input.Password prefix={<LockOutlined />} autoComplete="new-password" />
      </Form.Item>
      <Form.Item
        name="repeat"
        label={t("signin.repeat")}
        dependencies={["password"]}
        rules={[
          required,
          ({ getFieldValue }) => ({
            validator: (_, text) =>
              !text || text === getFieldValue("password")
                ? Promise.resolve()
                : Promise.reject(t("signin.mismatch")),
          }),
        ]}
      >
        <Input.Password prefix={<LockOutlined />} autoComplete="new-password" />
      </Form.Item>
      <Button type="primary" htmlType="submit" block size="large" loading={create.isPending}>
        {t("signin.create")}
      </Button>
    </Form>
  );
}

function Wrong({ error, text }: { error: unknown; text: string }) {
  if (!error) {
    return null;
  }
  return (
    <div style={{ marginBottom: 16 }}>
      {codeOf(error) === "unauthenticated" ? (
        <Alert type="error" showIcon title={text} />
      ) : (
        <Failed error={error} />
      )}
    </div>
  );
}
