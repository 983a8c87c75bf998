import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError } from "../api/client";
import { setLanguage } from "../i18n";
import en from "../i18n/en.json";
import zh from "../i18n/zh.json";
import { Failed } from "./Failed";
import { Metadata } from "./Metadata";
import { SearchInput } from "./SearchInput";

beforeEach(() => setLanguage("en"));
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

test("a failure speaks the user's language and keeps the server's words", () => {
  render(<Failed error={new ApiError(409, "conflict", "config <b>x</b>: changed")} />);
  expect(screen.getByText(en["error.conflict"])).toBeTruthy();
  expect(screen.getByText("config <b>x</b>: changed")).toBeTruthy();
  act(() => setLanguage("zh"));
  expect(screen.getByText(zh["error.conflict"])).toBeTruthy();
  expect(document.documentElement.lang).toBe("zh");
});

test("metadata is text, whatever it holds, and says how much is not shown", () => {
  const { container } = render(
    <Metadata of={{ a: "<img src=x onerror=alert(1)>", b: "2", c: "3", d: "4" }} shown={2} />,
  );
  expect(screen.getByText("a=<img src=x onerror=alert(1)>")).toBeTruthy();
  expect(container.querySelector("img")).toBeNull();
  expect(screen.getByText("2 more")).toBeTruthy();
});

test("a search waits for a pause, and Enter does not", () => {
  vi.useFakeTimers();
  const asked: string[] = [];
  render(<SearchInput value="" placeholder="find" onSearch={(text) => asked.push(text)} />);
  const input = screen.getByPlaceholderText("find");
  fireEvent.change(input, { target: { value: "p" } });
  fireEvent.change(input, { target: { value: "pay" } });
  act(() => vi.advanceTimersByTime(299));
  expect(asked).toEqual([]);
  act(() => vi.advanceTimersByTime(1));
  expect(asked).toEqual(["pay"]);
  fireEvent.change(input, { target: { value: "payment" } });
  fireEvent.keyDown(input, { key: "Enter", code: "Enter", keyCode: 13 });
  expect(asked).toEqual(["pay", "payment"]);
});

test("a search follows the back button", () => {
  const { rerender } = render(<SearchInput value="pay" placeholder="find" onSearch={() => undefined} />);
  rerender(<SearchInput value="" placeholder="find" onSearch={() => undefined} />);
  expect((screen.getByPlaceholderText("find") as HTMLInputElement).value).toBe("");
});
