import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { App as AntApp, ConfigProvider, theme } from "antd";
import enUS from "antd/locale/en_US";
import zhCN from "antd/locale/zh_CN";
import { useMemo } from "react";
import { createBrowserRouter, RouterProvider } from "react-router";
import { ApiError } from "./api/client";
import { base } from "./base";
import { Frame } from "./frame/Frame";
import { SessionGate } from "./frame/SessionGate";
import { useWords } from "./i18n";
import { useDark, useStill } from "./lib/media";
import { ConfigEditor } from "./screens/ConfigEditor";
import { Configs } from "./screens/Configs";
import { Home, NotFound } from "./screens/NotFound";
import { ServiceDetail } from "./screens/ServiceDetail";
import { Services } from "./screens/Services";
import { Tree } from "./screens/Tree";

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: "always", // a server on loopback needs no network
      refetchOnWindowFocus: false,
      retry: (count, error) => error instanceof ApiError && error.code === "unreachable" && count < 2,
    },
    mutations: { networkMode: "always" },
  },
});

const router = createBrowserRouter(
  [
    {
      element: <Frame />,
      children: [
        { index: true, element: <Home /> },
        { path: "services", element: <Services /> },
        { path: "service", element: <ServiceDetail /> },
        { path: "configs", element: <Configs /> },
        { path: "config", element: <ConfigEditor /> },
        { path: "tree", element: <Tree /> },
        { path: "*", element: <NotFound /> },
      ],
    },
  ],
  { basename: base },
);

const mono =
  'ui-monospace, "JetBrains Mono", "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace';

// What antd derives from so dark a green is grey.
const lightTints = {
  colorPrimaryBg: "#e3f2ef",
  colorPrimaryBgHover: "#d2e9e4",
  colorInfoBg: "#e9f5f3",
  colorInfoBorder: "#b9ddd6",
};

/** Everything around the screens: data, words, colours, addresses. */
export function App({ nonce }: { nonce: string }) {
  const { language } = useWords();
  const dark = useDark();
  const still = useStill();
  const look = useMemo(
    () => ({
      algorithm: dark ? theme.darkAlgorithm : theme.defaultAlgorithm,
      token: {
        colorPrimary: dark ? "#2aa597" : "#0e7c72",
        colorInfo: dark ? "#2aa597" : "#0e7c72",
        colorLink: dark ? "#4cc4b4" : "#0b6b62",
        colorBgLayout: dark ? "#101514" : "#f4f6f5",
        ...(dark ? {} : lightTints),
        motion: !still,
        borderRadius: 6,
        fontFamilyCode: mono,
      },
      components: {
        Layout: { headerHeight: 52, headerPadding: "0 16px" },
        Table: { cellPaddingBlockMD: 9 },
      },
    }),
    [dark, still],
  );
  return (
    <ConfigProvider
      locale={language === "zh" ? zhCN : enUS}
      theme={look}
      csp={{ nonce }}
      button={{ autoInsertSpace: false }}
    >
      <AntApp>
        <QueryClientProvider client={queryClient}>
          <SessionGate>
            <RouterProvider router={router} />
          </SessionGate>
        </QueryClientProvider>
      </AntApp>
    </ConfigProvider>
  );
}
