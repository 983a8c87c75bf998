import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The build goes to ../dist, which is committed: no source maps, no time
// stamps, relative addresses only. The server puts a fresh number in the place
// of __CSP_NONCE__ in every answer.
export default defineConfig({
  base: "./",
  plugins: [react()],
  html: { cspNonce: "__CSP_NONCE__" },
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    sourcemap: false,
    license: { fileName: "licenses.md" },
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1500,
  },
  server: {
    proxy: { "/console/api": process.env.ZENSUS_URL ?? "http://127.0.0.1:8848" },
  },
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    restoreMocks: true,
  },
});
