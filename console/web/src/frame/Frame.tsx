import {
  ApartmentOutlined,
  ClusterOutlined,
  FileTextOutlined,
  LogoutOutlined,
  UserOutlined,
} from "@ant-design/icons";
import { Button, Dropdown, Flex, Layout, Menu, theme } from "antd";
import { Link, Outlet, useLocation } from "react-router";
import { type Key, useWords } from "../i18n";
import { to, useNamespace } from "../lib/url";
import { Logo } from "../parts/Logo";
import { LanguageSwitch } from "./LanguageSwitch";
import { NamespaceSwitch } from "./NamespaceSwitch";
import { useSession } from "./session";

/** The screens of the menu, by the feature that the server must have. */
const screens: { feature: string; label: Key; icon: React.ReactNode; also: string[] }[] = [
  { feature: "services", label: "nav.services", icon: <ClusterOutlined />, also: ["service"] },
  { feature: "configs", label: "nav.configs", icon: <FileTextOutlined />, also: ["config"] },
  { feature: "tree", label: "nav.tree", icon: <ApartmentOutlined />, also: [] },
];

/** Menu, header, and the screen in between. */
export function Frame() {
  const { t } = useWords();
  const { state, signOut } = useSession();
  const { token } = theme.useToken();
  const namespace = useNamespace();
  const here = useLocation().pathname.slice(1);

  const offered = screens.filter((s) => state.features.includes(s.feature));
  const current = offered.find((s) => s.feature === here || s.also.includes(here));
  const line = `1px solid ${token.colorBorderSecondary}`;

  return (
    <Layout style={{ minHeight: "100%" }}>
      <Layout.Header
        style={{
          display: "flex",
          alignItems: "center",
          gap: 24,
          background: token.colorBgContainer,
          borderBottom: line,
          position: "sticky",
          top: 0,
          zIndex: 10,
        }}
      >
        <Link to={to(offered[0]?.feature ?? "", { ns: namespace })} className="frame-brand">
          <Logo />
          Zensus
        </Link>
        {current && current.feature !== "tree" && <NamespaceSwitch />}
        <Flex align="center" gap={4} style={{ marginInlineStart: "auto" }}>
          <LanguageSwitch />
          {state.user && (
            <Dropdown
              trigger={["click"]}
              menu={{
                items: [
                  ...(state.user.admin ? [{ key: "admin", label: t("frame.admin"), disabled: true }] : []),
                  { key: "out", icon: <LogoutOutlined />, label: t("frame.signOut"), onClick: signOut },
                ],
              }}
            >
              <Button type="text" icon={<UserOutlined />} data-testid="user">
                {state.user.name}
              </Button>
            </Dropdown>
          )}
        </Flex>
      </Layout.Header>
      <Layout>
        <Layout.Sider
          breakpoint="lg"
          collapsedWidth={52}
          width={196}
          theme="light"
          style={{
            background: token.colorBgContainer,
            borderInlineEnd: line,
            position: "sticky",
            top: 52,
            height: "calc(100vh - 52px)",
          }}
        >
          <Flex vertical justify="space-between" style={{ height: "100%" }}>
            <Menu
              mode="inline"
              aria-label={t("nav.menu")}
              style={{ borderInlineEnd: "none", paddingTop: 8 }}
              selectedKeys={current ? [current.feature] : []}
              items={offered.map((s) => ({
                key: s.feature,
                icon: s.icon,
                label: <Link to={to(s.feature, { ns: namespace })}>{t(s.label)}</Link>,
              }))}
            />
            {state.version && (
              <a
                href="./licenses.md"
                target="_blank"
                rel="noreferrer"
                title={`${t("frame.version", { version: state.version })} · ${t("frame.licenses")}`}
                style={{
                  padding: "10px 16px",
                  fontSize: 12,
                  color: token.colorTextTertiary,
                  overflow: "hidden",
                  textOverflow: "ellipsis",
                  whiteSpace: "nowrap",
                }}
              >
                {state.version}
              </a>
            )}
          </Flex>
        </Layout.Sider>
        <Layout.Content style={{ minWidth: 0 }}>
          <Outlet />
        </Layout.Content>
      </Layout>
    </Layout>
  );
}
