import { defineConfig } from "vite";

// One script, one style sheet, nothing inline and nothing from elsewhere: the Content-Security-Policy
// of the gateway allows nothing else.
export default defineConfig({
  base: "/console/",
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
  build: {
    target: "es2021",
    modulePreload: false,
    assetsInlineLimit: 0,
    assetsDir: ".",
    cssCodeSplit: false,
    reportCompressedSize: true,
  },
});
