import { Button, Card, Flex, Input, Space, Splitter } from "antd";
import { useEffect, useState } from "react";
import { useWords } from "../i18n";
import { useUrlState } from "../lib/url";
import { ScreenTitle } from "../parts/ScreenTitle";
import { TreeNav } from "./TreeNav";
import { useListings } from "./useListings";
import { ZnodeDetail } from "./ZnodeDetail";

const defaults = { path: "/" };

/** The znodes: their tree on the left, one of them on the right. */
export function Tree() {
  const { t } = useWords();
  const [{ path }, setUrl] = useUrlState(defaults);
  const listings = useListings();
  const [typed, setTyped] = useState(path);
  useEffect(() => setTyped(path), [path]);
  const open = (next: string) => setUrl({ path: next });

  return (
    <div className="screen-full">
      <ScreenTitle
        title={t("tree.title")}
        extra={
          <Space.Compact style={{ width: 460, maxWidth: "100%" }}>
            <Input
              className="mono"
              aria-label={t("tree.path")}
              spellCheck={false}
              value={typed}
              onChange={(e) => setTyped(e.target.value)}
              onPressEnter={() => open(typed || "/")}
            />
            <Button onClick={() => open(typed || "/")}>{t("tree.pathGo")}</Button>
          </Space.Compact>
        }
      />
      <Card style={{ flex: 1, minHeight: 0 }} styles={{ body: { padding: 0, height: "100%" } }}>
        <Splitter style={{ height: "100%" }}>
          <Splitter.Panel defaultSize="32%" min={200} max="60%">
            <TreeNav path={path} listings={listings} onOpen={open} />
          </Splitter.Panel>
          <Splitter.Panel>
            <Flex vertical style={{ height: "100%", minWidth: 0 }}>
              <ZnodeDetail key={path} path={path} listings={listings} onOpen={open} />
            </Flex>
          </Splitter.Panel>
        </Splitter>
      </Card>
    </div>
  );
}
