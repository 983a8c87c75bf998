import { Alert, Button, Flex, Modal, Typography } from "antd";
import type { Config } from "../api/types";
import { DiffView } from "../editor/lazy";
import { useWords } from "../i18n";
import { time } from "../lib/format";

/** What somebody else published meanwhile (null: it was deleted), and the draft. */
export interface Rival {
  theirs: Config | null;
  mine: string;
}

interface Props {
  before: string | null;
  after: string;
  separator: string;
  format: string;
  rival: Rival | null;
  busy: boolean;
  onMerge: (mine: string) => void;
  onPublish: () => void;
  onTakeTheirs: (theirs: Config) => void;
  onCancel: () => void;
}

/** Shows what a publish would change, and after a conflict what it would undo. */
export function PublishDialog(props: Props) {
  const { t } = useWords();
  const { before, after, separator, format, rival, busy } = props;
  const theirs = rival?.theirs;
  return (
    <Modal
      open
      width="min(1280px, 94vw)"
      centered
      title={rival ? t("editor.conflictTitle") : t("editor.diffTitle")}
      onCancel={props.onCancel}
      footer={
        <Flex gap={8} justify="flex-end" wrap>
          <Button onClick={props.onCancel} disabled={busy}>
            {t("common.cancel")}
          </Button>
          {theirs && !theirs.binary && (
            <Button onClick={() => props.onTakeTheirs(theirs)} disabled={busy}>
              {t("editor.conflictTheirs")}
            </Button>
          )}
          <Button
            type="primary"
            danger={rival !== null}
            loading={busy}
            data-testid="confirm-publish"
            onClick={props.onPublish}
          >
            {rival ? t("editor.conflictPublish") : t("editor.confirm")}
          </Button>
        </Flex>
      }
    >
      {rival && (
        <Alert
          type="warning"
          showIcon
          style={{ marginBottom: 12 }}
          title={
            theirs
              ? t("editor.conflictText", {
                  name: theirs.modifiedBy || t("editor.somebody"),
                  time: time(theirs.modifiedMillis),
                })
              : t("editor.conflictGone")
          }
        />
      )}
      {!rival && (
        <Typography.Paragraph type="secondary">
          {before === null
            ? t("editor.diffNew")
            : before === after
              ? t("editor.onlyDetails")
              : t("editor.diffHint")}
        </Typography.Paragraph>
      )}
      <DiffView
        key={rival ? "rival" : "mine"}
        before={rival ? (theirs?.content ?? "") : (before ?? "")}
        after={rival ? rival.mine : after}
        separator={separator}
        format={format}
        label={t("editor.labelContent")}
        onChange={rival ? props.onMerge : undefined}
      />
    </Modal>
  );
}
