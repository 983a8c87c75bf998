import { theme } from "antd";
import { useMemo } from "react";
import { useWords } from "../i18n";
import { useDark } from "../lib/media";
import { readNonce } from "../nonce";
import type { Look } from "./setup";

// The editor's own words, in Chinese; they are English by themselves.
const chinese: Record<string, string> = {
  Find: "查找",
  Replace: "替换",
  next: "下一个",
  previous: "上一个",
  all: "全部",
  "match case": "区分大小写",
  regexp: "正则",
  "by word": "全词",
  replace: "替换",
  "replace all": "全部替换",
  close: "关闭",
  "current match": "当前匹配",
  "on line": "位于行",
  "Go to line": "转到行",
  go: "转到",
  "$ unchanged lines": "$ 行未改动",
  "Revert this chunk": "采用左侧",
  "Fold line": "折叠",
  "Unfold line": "展开",
  "folded code": "已折叠",
  Diagnostics: "诊断",
  "No diagnostics": "无诊断",
};

/** Colours and words for editors, as the rest of the page has them. */
export function useLook(): Look {
  const dark = useDark();
  const { language } = useWords();
  const { token } = theme.useToken();
  return useMemo(
    () => ({
      dark,
      text: token.colorText,
      background: token.colorBgContainer,
      muted: token.colorTextTertiary,
      border: token.colorBorder,
      primary: token.colorPrimary,
      nonce: readNonce(),
      phrases: language === "zh" ? chinese : {},
    }),
    [dark, language, token],
  );
}
