import { act, renderHook } from "@testing-library/react";
import type { ReactNode } from "react";
import { MemoryRouter, useLocation } from "react-router";
import { expect, test } from "vitest";
import { to, useNamespace, useUrlState } from "./url";

const defaults = { name: "", hideEmpty: false, page: 1 };

function at(address: string) {
  const wrapper = ({ children }: { children: ReactNode }) => (
    <MemoryRouter initialEntries={[address]}>{children}</MemoryRouter>
  );
  return renderHook(
    () => ({ state: useUrlState(defaults), namespace: useNamespace(), search: useLocation().search }),
    { wrapper },
  ).result;
}

test("the address holds the state, defaults left out, the rest left alone", () => {
  const hook = at("/services?ns=dev&page=3");
  expect(hook.current.state[0]).toEqual({ name: "", hideEmpty: false, page: 3 });
  expect(hook.current.namespace).toBe("dev");
  act(() => hook.current.state[1]({ name: "a&b=c#%", page: 1 }));
  expect(hook.current.state[0]).toEqual({ name: "a&b=c#%", hideEmpty: false, page: 1 });
  expect(new URLSearchParams(hook.current.search).get("ns")).toBe("dev");
  expect(new URLSearchParams(hook.current.search).has("page")).toBe(false);
});

test("two changes at once are both kept", () => {
  const hook = at("/services?name=old");
  act(() => {
    const [, set] = hook.current.state;
    set({ name: "" });
    set({ page: 2 });
  });
  expect(hook.current.state[0]).toEqual({ name: "", hideEmpty: false, page: 2 });
});

test("nonsense in the address counts as nothing", () => {
  for (const page of ["x", "-1", "0", "1e99", "2.5"]) {
    expect(at(`/services?page=${page}&hideEmpty=maybe`).current.state[0]).toEqual(defaults);
  }
  expect(at("/services").current.namespace).toBe("public");
});

test("an address takes any name", () => {
  const name = "a/b 100% <x> ..?&#+";
  const made = new URL(to("service", { ns: "n", service: name }), "http://x");
  expect(made.pathname).toBe("/service");
  expect(made.searchParams.get("service")).toBe(name);
});
