// Paths of znodes, as core.ParentPath and its like have them.

export function joinPath(parent: string, name: string): string {
  return parent === "/" ? `/${name}` : `${parent}/${name}`;
}

export function parentPath(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** All znodes above path, the root first; none for the root. */
export function ancestors(path: string): string[] {
  if (path === "/" || !path.startsWith("/")) {
    return [];
  }
  const parts = path.split("/").slice(1, -1);
  const out = ["/"];
  for (const part of parts) {
    out.push(joinPath(out[out.length - 1] ?? "/", part));
  }
  return out;
}
