import { Button, Result } from "antd";
import { Link, Navigate } from "react-router";
import { useSession } from "../frame/session";
import { useWords } from "../i18n";

/** Goes on to the first screen that this server has. */
export function Home() {
  const { t } = useWords();
  const first = useSession().state.features[0];
  return first ? <Navigate to={`/${first}`} replace /> : <Result status="404" title={t("notFound.none")} />;
}

export function NotFound() {
  const { t } = useWords();
  return (
    <Result
      status="404"
      title={t("notFound.title")}
      extra={
        <Link to="/">
          <Button type="primary">{t("notFound.home")}</Button>
        </Link>
      }
    />
  );
}
