// Gives Node.js before version 22 the WebSocket of the package `ws`.
import { createRequire } from "node:module";

const require = createRequire("@MODULES@/");
globalThis.WebSocket ??= require("ws");
