import { Button } from "antd";
import { setLanguage, useWords } from "../i18n";

/** Names the language that one would switch to, in that language. */
export function LanguageSwitch() {
  const { t, language } = useWords();
  const other = language === "zh" ? "en" : "zh";
  return (
    <Button
      type="text"
      aria-label={t("frame.language")}
      lang={other}
      data-testid="language"
      onClick={() => setLanguage(other)}
    >
      {other === "zh" ? "中文" : "English"}
    </Button>
  );
}
