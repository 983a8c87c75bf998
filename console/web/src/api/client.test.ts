import { afterEach, expect, test, vi } from "vitest";
import { ApiError, call, codeOf, queryString } from "./client";

afterEach(() => vi.unstubAllGlobals());

function answering(status: number, body: string) {
  const fetch = vi.fn(async (_url: string, _init: RequestInit) => new Response(body, { status }));
  vi.stubGlobal("fetch", fetch);
  return fetch;
}

test("a write carries the header that other sites cannot send, a read does not", async () => {
  const fetch = answering(200, "{}");
  await call("POST", "config", { body: { a: 1 } });
  await call("DELETE", "config");
  await call("GET", "configs");
  const sent = fetch.mock.calls.map(([, init]) => new Headers(init.headers).get("X-Zensus-Console"));
  expect(sent).toEqual(["1", "1", null]);
  expect(fetch.mock.calls[0]?.[1].body).toBe('{"a":1}');
});

test("names go into the query whole", async () => {
  const fetch = answering(200, "{}");
  const name = "a/b 100% <script> ..&x=y#z+名";
  await call("GET", "service", { query: { name } });
  const url = new URL(fetch.mock.calls[0]?.[0] ?? "", "http://x");
  expect(url.pathname).toBe("/console/api/service");
  expect([...url.searchParams]).toEqual([["name", name]]);
  expect(queryString({ a: "", b: false, c: undefined, d: 0 })).toBe("?d=0");
  expect(queryString({})).toBe("");
});

test("a failure keeps the server's code and words", async () => {
  answering(409, '{"code":"conflict","message":"config x: changed meanwhile"}');
  const error = await call("POST", "config").catch((e) => e);
  expect(error).toBeInstanceOf(ApiError);
  expect(error).toMatchObject({ status: 409, code: "conflict", message: "config x: changed meanwhile" });
});

test("an answer of something else than our server is a failure too", async () => {
  for (const body of ["<html>bad gateway</html>", "", "null", "[]", '{"code":7}']) {
    answering(502, body);
    expect(codeOf(await call("GET", "configs").catch((e) => e))).toBe("internal");
  }
});

test("no answer at all is told apart", async () => {
  vi.stubGlobal("fetch", async () => {
    throw new TypeError("Failed to fetch");
  });
  expect(codeOf(await call("GET", "configs").catch((e) => e))).toBe("unreachable");
});
