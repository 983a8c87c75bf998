import type { GetRef, TreeDataNode } from "antd";
import { Skeleton, Tree, Typography } from "antd";
import { useEffect, useMemo, useRef, useState } from "react";
import type { Translate } from "../i18n";
import { useWords } from "../i18n";
import { ancestors, joinPath } from "../lib/paths";
import { Failed } from "../parts/Failed";
import { useTell } from "../parts/useTell";
import type { Listings } from "./useListings";

interface Props {
  path: string;
  listings: Listings;
  onOpen: (path: string) => void;
}

// No path ends so: the key of the row that reads on.
const moreMark = "\0more";

/** The tree, read as far as it is opened. */
export function TreeNav({ path, listings, onOpen }: Props) {
  const { t } = useWords();
  const tell = useTell();
  const { byPath, open, more, reveal } = listings;
  const [expanded, setExpanded] = useState<string[]>(["/"]);
  const [failed, setFailed] = useState<unknown>(null);
  const [height, setHeight] = useState(400);
  const box = useRef<HTMLDivElement>(null);
  const list = useRef<GetRef<typeof Tree>>(null);
  const unseen = useRef<string>(undefined); // to be scrolled to, once its row is there

  useEffect(() => {
    const element = box.current;
    if (!element) {
      return;
    }
    const observer = new ResizeObserver(() => setHeight(Math.max(120, element.clientHeight - 16)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  // The selected znode is shown in the tree, wherever its path came from.
  useEffect(() => {
    let gone = false;
    const show = async () => {
      try {
        await open("/");
        setFailed(null);
      } catch (error) {
        if (!gone) {
          setFailed(error);
        }
        return;
      }
      try {
        await reveal(path);
      } catch {
        // It is not there: the right side says so.
      }
      if (!gone) {
        unseen.current = path;
        setExpanded((old) => [...new Set([...old, ...ancestors(path)])]);
      }
    };
    show();
    return () => {
      gone = true;
    };
  }, [path, open, reveal]);

  const data = useMemo(
    () => [nodeOf("/", "/", listings.byPath["/"] ? 1 : 0, false, byPath, t)],
    [byPath, listings, t],
  );

  // biome-ignore lint/correctness/useExhaustiveDependencies: rows come and go with these two
  useEffect(() => {
    const key = unseen.current;
    if (key !== undefined) {
      unseen.current = undefined;
      list.current?.scrollTo({ key, align: "auto" });
    }
  }, [data, expanded]);

  if (failed) {
    return (
      <div style={{ padding: 12 }}>
        <Failed error={failed} />
      </div>
    );
  }
  return (
    <div ref={box} style={{ height: "100%", padding: 8, boxSizing: "border-box" }}>
      {!byPath["/"] ? (
        <Skeleton active />
      ) : (
        <Tree
          ref={list}
          className="znode-tree"
          aria-label={t("tree.title")}
          height={height}
          motion={false} // rows that are still growing cannot be scrolled to
          blockNode
          showLine={{ showLeafIcon: false }}
          treeData={data}
          expandedKeys={expanded}
          loadedKeys={Object.keys(byPath)}
          selectedKeys={[path]}
          onExpand={(keys) => setExpanded(keys.map(String))}
          loadData={(node) => open(String(node.key)).catch(tell.failed)}
          onSelect={(_, { node }) => {
            const key = String(node.key);
            if (key.endsWith(moreMark)) {
              more(key.slice(0, -moreMark.length)).catch(tell.failed);
            } else {
              onOpen(key);
            }
          }}
        />
      )}
    </div>
  );
}

function nodeOf(
  path: string,
  name: string,
  children: number,
  ephemeral: boolean,
  byPath: Listings["byPath"],
  t: Translate,
): TreeDataNode {
  const listing = byPath[path];
  const below = listing?.items.map((c) =>
    nodeOf(joinPath(path, c.name), c.name, c.numChildren, c.ephemeral, byPath, t),
  );
  if (below && listing?.next) {
    below.push({
      key: path + moreMark,
      isLeaf: true,
      title: (
        <Typography.Link>
          {t("tree.more", { n: Math.min(100, Math.max(1, listing.total - listing.items.length)) })}
        </Typography.Link>
      ),
    });
  }
  const count = listing ? listing.total : children;
  return {
    key: path,
    isLeaf: listing ? listing.items.length === 0 && path !== "/" : children === 0,
    children: below,
    title: (
      <>
        <span className="mono" style={ephemeral ? { fontStyle: "italic" } : undefined}>
          {name}
        </span>
        {path !== "/" && count > 0 && <span className="tree-count">{count}</span>}
      </>
    ),
  };
}
