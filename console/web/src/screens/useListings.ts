import { useCallback, useMemo, useRef, useState } from "react";
import { api } from "../api/calls";
import type { Child } from "../api/types";
import { ancestors, baseName, parentPath } from "../lib/paths";

/** The children of one znode, as far as they were read. */
export interface Listing {
  items: Child[];
  total: number;
  /** Where reading goes on; empty at the end. */
  next: string;
}

export interface Listings {
  byPath: Record<string, Listing>;
  /** Reads the first page, if it is not there. */
  open: (path: string) => Promise<void>;
  /** Reads the next page. */
  more: (path: string) => Promise<void>;
  /** Forgets and reads again; a znode without children is forgotten only. */
  reload: (path: string) => Promise<void>;
  /** Reads all listings above path and makes sure that each shows the next one. */
  reveal: (path: string) => Promise<void>;
}

// By code unit, as close to the server's order of bytes as names commonly need;
// the server's own pages keep theirs.
function insert(items: Child[], child: Child): Child[] {
  const at = items.findIndex((c) => c.name > child.name);
  return at < 0 ? [...items, child] : [...items.slice(0, at), child, ...items.slice(at)];
}

/** The part of the tree that was opened. Failures are the caller's to show. */
export function useListings(): Listings {
  const [byPath, setByPath] = useState<Record<string, Listing>>({});
  const latest = useRef(byPath);
  const put = useCallback((path: string, listing: Listing) => {
    latest.current = { ...latest.current, [path]: listing };
    setByPath(latest.current);
  }, []);

  const read = useCallback(
    async (path: string, after: string) => {
      const page = await api.children(path, after, "");
      const before = after ? (latest.current[path]?.items ?? []) : [];
      const fresh = new Set(page.items.map((c) => c.name));
      put(path, {
        items: [...before.filter((c) => !fresh.has(c.name)), ...page.items],
        total: page.total,
        next: page.next,
      });
    },
    [put],
  );
  const open = useCallback(
    async (path: string) => {
      if (!latest.current[path]) {
        await read(path, "");
      }
    },
    [read],
  );
  const more = useCallback(
    async (path: string) => {
      const next = latest.current[path]?.next;
      if (next) {
        await read(path, next);
      }
    },
    [read],
  );
  const reload = useCallback((path: string) => read(path, ""), [read]);
  const reveal = useCallback(
    async (path: string) => {
      const way = [...ancestors(path), path].slice(1);
      for (const step of way) {
        const parent = parentPath(step);
        await open(parent);
        const listing = latest.current[parent];
        if (listing && !listing.items.some((c) => c.name === baseName(step))) {
          const { stat } = await api.znode(step); // beyond the pages read so far
          put(parent, {
            ...listing,
            items: insert(listing.items, {
              name: baseName(step),
              numChildren: stat.numChildren,
              dataLength: stat.dataLength,
              ephemeral: stat.ephemeralOwner !== "",
            }),
          });
        }
      }
    },
    [open, put],
  );
  return useMemo(() => ({ byPath, open, more, reload, reveal }), [byPath, open, more, reload, reveal]);
}
