import { Alert, Button } from "antd";
import { ApiError, codeOf } from "../api/client";
import { errorKey, useWords } from "../i18n";

/** What went wrong, in the user's words, with the server's own below. */
export function Failed({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const { t } = useWords();
  return (
    <Alert
      type="error"
      showIcon
      title={t(errorKey(codeOf(error)))}
      description={detailOf(error)}
      action={
        onRetry && (
          <Button size="small" onClick={onRetry}>
            {t("common.retry")}
          </Button>
        )
      }
    />
  );
}

export function detailOf(error: unknown): string | undefined {
  return error instanceof ApiError && error.message ? error.message : undefined;
}
