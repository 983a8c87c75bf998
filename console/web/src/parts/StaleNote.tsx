import { Alert } from "antd";
import { useWords } from "../i18n";

/** Says that the picture may lag behind, where the server says so. */
export function StaleNote({ stale }: { stale: boolean | undefined }) {
  const { t } = useWords();
  return stale ? (
    <Alert type="warning" showIcon title={t("common.stale")} style={{ marginBottom: 12 }} />
  ) : null;
}
