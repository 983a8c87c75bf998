import { createRoot } from "react-dom/client";
import { App } from "./app";
import { readNonce, signStyles } from "./nonce";
import "./i18n";
import "./main.css";

const nonce = readNonce();
signStyles(nonce);
const root = document.getElementById("root");
if (root) {
  createRoot(root).render(<App nonce={nonce} />);
}
