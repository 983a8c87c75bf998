import { base } from "../base";
import type { Failure } from "./types";

/** An answer that is not a success. Its code has words in every language. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The code of anything that was thrown. */
export function codeOf(error: unknown): string {
  return error instanceof ApiError ? error.code : "internal";
}

type Query = Record<string, string | number | boolean | undefined>;

export interface CallOptions {
  query?: Query;
  body?: unknown;
  signal?: AbortSignal;
}

/** Calls the API and returns its answer, or throws an ApiError. */
export async function call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
  const { query, body, signal } = options;
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "GET") {
    headers["X-Zensus-Console"] = "1"; // what no other site can send
  }
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
  }
  let answer: Response;
  try {
    answer = await fetch(`${base}console/api/${path}${queryString(query)}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      signal,
    });
  } catch (error) {
    if (signal?.aborted) {
      throw error;
    }
    throw new ApiError(0, "unreachable", "");
  }
  const text = await answer.text();
  if (answer.ok) {
    return JSON.parse(text) as T;
  }
  const failure = parseFailure(text);
  throw new ApiError(answer.status, failure.code, failure.message);
}

// A proxy in front may answer with a page of its own.
function parseFailure(text: string): Failure {
  try {
    const failure = JSON.parse(text) as Partial<Failure>;
    if (typeof failure.code === "string") {
      return { code: failure.code, message: String(failure.message ?? "") };
    }
  } catch {
    // not JSON
  }
  return { code: "internal", message: "" };
}

export function queryString(query: Query | undefined): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== "" && value !== false) {
      params.set(name, String(value));
    }
  }
  const text = params.toString();
  return text && `?${text}`;
}
